use std::sync::Arc;

use async_trait::async_trait;
use cache_series::admit::{Answer, Reach};
use cache_series::key::{Environment, Market, SeriesKey};
use cache_series::plan::Paging;
use cache_series::row::Candle;
use cache_series::time::{Alignment, Grid, Slots, Time};
use cache_series::venue::{FeedStream, Limits, Listing, Venue, VenueError};

use super::message::Subject;
use super::names::FeedNames;
use super::refusal::answered;
use super::service::{ALIGNMENT, ROWS_MAX, Service};
use super::status::{SystemStatus, status};
use super::symbol::symbol;
use super::{KrakenOptions, NAME, klines, limits, listing, request};
use crate::line::Line;
use crate::options::join;
use crate::{OptionsError, feed};

/// Kraken's spot market.
///
/// Cheap to clone: clones share their connections, and what they know of names.
#[derive(Clone, Debug)]
pub struct Kraken {
    line: Line,
    pub(super) names: FeedNames,
}

impl Kraken {
    /// Sets up, and connects to nothing yet.
    ///
    /// # Errors
    /// [`OptionsError`] for an address that is none, and if TLS cannot be set up.
    pub fn new(options: KrakenOptions) -> Result<Self, OptionsError> {
        let (urls, feed_urls) = (options.http_urls()?, options.socket_urls()?);
        let line = Line::new(NAME, answered, &options.connection, urls, feed_urls)?;
        let pace = options.connection.pace(limits::NAMES_PAUSE);
        Ok(Self { names: FeedNames::new(line.clone(), pace), line })
    }

    /// How the exchange says that it stands, in one call.
    ///
    /// # Errors
    /// [`VenueError`] if it could not be asked.
    pub async fn system_status(&self) -> Result<SystemStatus, VenueError> {
        let base = self.line.url(Market::Spot)?;
        self.line.call(join(base, "/0/public/SystemStatus"), status).await
    }
}

#[async_trait]
impl Venue<Candle> for Kraken {
    fn name(&self) -> &str {
        NAME
    }

    fn environment(&self) -> Environment {
        self.line.environment()
    }

    /// Weeks begin on Thursday, as 1970 did.
    fn alignment(&self, _: &SeriesKey) -> Alignment {
        ALIGNMENT
    }

    fn paging(&self, key: &SeriesKey) -> Result<Paging, VenueError> {
        let service = Service::of(key)?;
        symbol(key)?;
        self.line.url(service.market)?;
        Ok(Paging::new(ROWS_MAX))
    }

    fn depth(&self, _: &SeriesKey) -> Option<u64> {
        Some(u64::from(ROWS_MAX))
    }

    fn limits(&self) -> Limits {
        self.line.limits()
    }

    /// Of slots before the newest 720 it is an error of kind
    /// [`Unsupported`](cache_series::venue::VenueErrorKind::Unsupported) to ask.
    async fn page(&self, key: &SeriesKey, slots: Slots) -> Result<Answer<Candle>, VenueError> {
        let service = Service::of(key)?;
        let pair = symbol(key)?;
        let grid = Grid::new(key.timeframe(), Venue::<Candle>::alignment(self, key));
        let base = self.line.url(service.market)?;
        // There was nothing before 1970.
        let asked = Slots::new(slots.start.max(grid.slot_from(Time::EPOCH)), slots.end);
        if asked.is_empty() {
            return Ok(Answer { rows: Vec::new(), reach: Reach::Whole });
        }
        let url = request::klines(base, &service, &pair, grid, asked);
        let klines = self.line.call(url, |body| klines::klines(body, &pair)).await?;
        request::answer(grid, asked, klines)
    }

    /// The begin of the fifteen days in which it was first traded; the exchange itself does not
    /// tell.
    async fn listing(&self, key: &SeriesKey) -> Result<Listing, VenueError> {
        let service = Service::of(key)?;
        let pair = symbol(key)?;
        let base = self.line.url(service.market)?;
        let url = request::longest(base, &pair);
        let longest = self.line.call(url, |body| klines::klines(body, &pair)).await?;
        Ok(listing::listing(&longest))
    }

    /// What its clock showed while it answered, to the second that had begun; for how long that was
    /// on its way is for the caller to take off.
    async fn server_time(&self) -> Result<Option<Time>, VenueError> {
        let Some((_, base)) = self.line.any_url() else { return Ok(None) };
        self.line.call(join(base, "/0/public/Time"), listing::server_time).await.map(Some)
    }

    async fn feed(&self, key: &SeriesKey) -> Result<FeedStream<Candle>, VenueError> {
        let service = Service::of(key)?;
        let pair = symbol(key)?;
        let source = self.line.source(self.line.feed_url(service.market)?.clone());
        let symbol = self.names.of(&pair).await?;
        feed::open(source, Arc::new(Subject { symbol, interval: service.interval })).await
    }
}
