use std::sync::Arc;

use async_trait::async_trait;
use cache_series::admit::{Answer, Reach};
use cache_series::key::{Environment, Market, SeriesKey};
use cache_series::plan::Paging;
use cache_series::row::Candle;
use cache_series::time::{Grid, Slots, Time};
use cache_series::venue::{FeedStream, Limits, Listing, Venue, VenueError, VenueErrorKind};

use super::message::Subject;
use super::refusal::answered;
use super::search::Search;
use super::service::{ROWS_MAX, Service};
use super::symbol::{alias, symbol};
use super::{CoinbaseOptions, NAME, klines, limits, listing, request};
use crate::line::Line;
use crate::{OptionsError, feed};

/// Coinbase's spot market.
///
/// Cheap to clone: clones share their connections, and the pace at which they look for listings.
#[derive(Clone, Debug)]
pub struct Coinbase {
    line: Line,
    search: Search,
}

impl Coinbase {
    /// Sets up, and connects to nothing yet.
    ///
    /// # Errors
    /// [`OptionsError`] for an address that is none, and if TLS cannot be set up.
    pub fn new(options: CoinbaseOptions) -> Result<Self, OptionsError> {
        let (urls, feed_urls) = (options.http_urls()?, options.socket_urls()?);
        let line = Line::new(NAME, answered, &options.connection, urls, feed_urls)?;
        let pace = options.connection.pace(limits::SEARCH_PAUSE);
        Ok(Self { search: Search::new(line.clone(), pace), line })
    }
}

#[async_trait]
impl Venue<Candle> for Coinbase {
    fn name(&self) -> &str {
        NAME
    }

    fn environment(&self) -> Environment {
        self.line.environment()
    }

    fn paging(&self, key: &SeriesKey) -> Result<Paging, VenueError> {
        Service::of(key)?;
        symbol(key)?;
        self.line.url(Market::Spot)?;
        Ok(Paging::new(ROWS_MAX))
    }

    fn limits(&self) -> Limits {
        self.line.limits()
    }

    async fn page(&self, key: &SeriesKey, slots: Slots) -> Result<Answer<Candle>, VenueError> {
        let service = Service::of(key)?;
        let symbol = symbol(key)?;
        let grid = Grid::new(key.timeframe(), Venue::<Candle>::alignment(self, key));
        let base = self.line.url(Market::Spot)?;
        // There was nothing before 1970, and the exchange has no such seconds.
        let asked = Slots::new(slots.start.max(grid.slot_from(Time::EPOCH)), slots.end);
        if asked.is_empty() {
            return Ok(Answer { rows: Vec::new(), reach: Reach::Whole });
        }
        let url = request::klines(base, &service, &symbol, grid, asked);
        let rows = self.line.call(url, klines::klines).await?;
        let reach = request::reach(grid, asked, &rows);
        Ok(Answer { rows, reach })
    }

    /// Looks for the first day with a candle, from the exchange's opening on: one call for every
    /// 300 days, and another for each 300 in which there seem to be none, three in a second. A
    /// symbol that is not traded any more has no end, for none is told.
    async fn listing(&self, key: &SeriesKey) -> Result<Listing, VenueError> {
        Service::of(key)?;
        self.search.listing(self.line.url(Market::Spot)?, &symbol(key)?).await
    }

    /// What its clock showed while it answered; for how long that was on its way is for the caller
    /// to take off.
    async fn server_time(&self) -> Result<Option<Time>, VenueError> {
        let Ok(base) = self.line.url(Market::Spot) else { return Ok(None) };
        self.line.call(request::time(base), listing::server_time).await.map(Some)
    }

    async fn feed(&self, key: &SeriesKey) -> Result<FeedStream<Candle>, VenueError> {
        let service = Service::of(key)?;
        if !service.has_feed {
            let message = format!("there is no feed of {}, only of 5m", key.timeframe());
            return Err(VenueError::new(NAME, VenueErrorKind::Unsupported, message));
        }
        let symbol = symbol(key)?;
        let source = self.line.source(self.line.feed_url(Market::Spot)?.clone());
        let alias = alias(&symbol);
        feed::open(source, Arc::new(Subject { symbol, alias })).await
    }
}
