use std::sync::Arc;

use async_trait::async_trait;
use cache_series::admit::{Answer, Reach};
use cache_series::key::{Environment, Market, PriceType, SeriesKey};
use cache_series::plan::Paging;
use cache_series::row::Candle;
use cache_series::time::{Grid, Slots, Time};
use cache_series::venue::{FeedStream, Limits, Listing, Venue, VenueError, VenueErrorKind};

use super::message::Subject;
use super::refusal::answered;
use super::service::{ROWS_MAX, Service, Volume};
use super::symbol::symbol;
use super::{BybitOptions, NAME, klines, listing, request};
use crate::line::Line;
use crate::options::join;
use crate::{OptionsError, feed};

/// Bybit in one of its environments, with all of its markets.
///
/// Cheap to clone: clones share their connections.
#[derive(Clone, Debug)]
pub struct Bybit {
    line: Line,
}

impl Bybit {
    /// Sets up, and connects to nothing yet.
    ///
    /// # Errors
    /// [`OptionsError`] for an address that is none, and if TLS cannot be set up.
    pub fn new(options: BybitOptions) -> Result<Self, OptionsError> {
        let (urls, feed_urls) = (options.http_urls()?, options.socket_urls()?);
        let line = Line::new(NAME, answered, &options.connection, urls, feed_urls)?;
        Ok(Self { line })
    }
}

#[async_trait]
impl Venue<Candle> for Bybit {
    fn name(&self) -> &str {
        NAME
    }

    fn environment(&self) -> Environment {
        self.line.environment()
    }

    fn paging(&self, key: &SeriesKey) -> Result<Paging, VenueError> {
        let service = Service::of(key)?;
        symbol(key)?;
        self.line.url(service.market)?;
        Ok(Paging::new(ROWS_MAX))
    }

    fn limits(&self) -> Limits {
        self.line.limits()
    }

    async fn page(&self, key: &SeriesKey, slots: Slots) -> Result<Answer<Candle>, VenueError> {
        let service = Service::of(key)?;
        let symbol = symbol(key)?;
        let grid = Grid::new(key.timeframe(), Venue::<Candle>::alignment(self, key));
        let base = self.line.url(service.market)?;
        // There was nothing before 1970, and the exchange refuses to speak of it.
        let asked = Slots::new(slots.start.max(grid.slot_from(Time::EPOCH)), slots.end);
        if asked.is_empty() {
            return Ok(Answer { rows: Vec::new(), reach: Reach::Whole });
        }
        let url = request::klines(base, &service, &symbol, grid, asked);
        let read = |body: &[u8]| klines::klines(body, &symbol, service.volume);
        let rows = self.line.call(url, read).await?;
        let reach = request::reach(grid, asked, &rows);
        Ok(Answer { rows, reach })
    }

    /// Of contracts when they were launched; of spot, and of prices that may be older than the
    /// contract, nothing is told.
    async fn listing(&self, key: &SeriesKey) -> Result<Listing, VenueError> {
        let service = Service::of(key)?;
        let symbol = symbol(key)?;
        if service.market == Market::Spot || service.price != PriceType::Trade {
            return Ok(Listing::UNTOLD);
        }
        let base = self.line.url(service.market)?;
        let url = request::instrument(base, &service, &symbol);
        self.line.call(url, |body| listing::listing(body, &symbol)).await
    }

    /// What its clock showed while it answered; for how long that was on its way is for the caller
    /// to take off.
    async fn server_time(&self) -> Result<Option<Time>, VenueError> {
        let Some((_, base)) = self.line.any_url() else { return Ok(None) };
        self.line.call(join(base, "/v5/market/time"), listing::server_time).await.map(Some)
    }

    async fn feed(&self, key: &SeriesKey) -> Result<FeedStream<Candle>, VenueError> {
        let service = Service::of(key)?;
        if service.volume == Volume::None {
            let message = format!("there is no feed of price {}", key.price());
            return Err(VenueError::new(NAME, VenueErrorKind::Unsupported, message));
        }
        let symbol = symbol(key)?;
        let Service { interval, volume, .. } = service;
        let source = self.line.source(self.line.feed_url(service.market)?.clone());
        let topic = format!("kline.{interval}.{symbol}");
        feed::open(source, Arc::new(Subject { topic, interval, volume })).await
    }
}
