use std::sync::Arc;

use async_trait::async_trait;
use cache_series::admit::{Answer, Reach};
use cache_series::key::{Environment, PriceType, SeriesKey};
use cache_series::plan::Paging;
use cache_series::row::Candle;
use cache_series::time::{Grid, Slots, Time};
use cache_series::venue::{FeedStream, Limits, Listing, Venue, VenueError, VenueErrorKind};

use super::message::Subject;
use super::refusal::answered;
use super::service::Service;
use super::symbol::symbol;
use super::{NAME, OkxOptions, klines, listing, request};
use crate::line::Line;
use crate::options::join;
use crate::{OptionsError, feed};

/// OKX in one of its environments, with all of its markets.
///
/// Cheap to clone: clones share their connections.
#[derive(Clone, Debug)]
pub struct Okx {
    options: OkxOptions,
    line: Line,
}

impl Okx {
    /// Sets up, and connects to nothing yet.
    ///
    /// # Errors
    /// [`OptionsError`] for an address that is none, and if TLS cannot be set up.
    pub fn new(options: OkxOptions) -> Result<Self, OptionsError> {
        let (urls, feed_urls) = (options.http_urls()?, options.socket_urls()?);
        let line = Line::new(NAME, answered, &options.connection, urls, feed_urls)?;
        Ok(Self { line: line.with_headers(options.headers()), options })
    }

    fn now(&self) -> Time {
        self.options.connection.clock.wall().into()
    }

    fn grid(&self, key: &SeriesKey) -> Grid {
        Grid::new(key.timeframe(), Venue::<Candle>::alignment(self, key))
    }
}

#[async_trait]
impl Venue<Candle> for Okx {
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
        Ok(Paging::new(service.rows_max))
    }

    fn limits(&self) -> Limits {
        self.line.limits()
    }

    fn weight(&self, key: &SeriesKey, slots: Slots) -> u32 {
        // What there is not is refused before it is called.
        Service::of(key)
            .map_or(1, |service| service.candles(self.grid(key), slots, self.now()).weight)
    }

    async fn page(&self, key: &SeriesKey, slots: Slots) -> Result<Answer<Candle>, VenueError> {
        let service = Service::of(key)?;
        let symbol = symbol(key)?;
        let grid = self.grid(key);
        let base = self.line.url(service.market)?;
        // There was nothing before 1970, and moments are written without a sign.
        let first = grid.slot_from(Time::from_unix_ms(1));
        let asked = Slots::new(slots.start.max(first), slots.end);
        if asked.is_empty() {
            return Ok(Answer { rows: Vec::new(), reach: Reach::Whole });
        }
        let candles = service.candles(grid, asked, self.now());
        let url = request::candles(base, candles, &service, &symbol, grid, asked);
        let rows = self.line.call(url, |body| klines::klines(body, service.volume)).await?;
        request::answer(grid, &service, candles, asked, &rows)
    }

    /// Since its first month, or since it was listed if that is earlier; until it was delivered or
    /// taken from the list. Of prices that are not traded at, which may be older than the
    /// instrument, nothing is told.
    async fn listing(&self, key: &SeriesKey) -> Result<Listing, VenueError> {
        let service = Service::of(key)?;
        let symbol = symbol(key)?;
        if service.price != PriceType::Trade {
            return Ok(Listing::UNTOLD);
        }
        let base = self.line.url(service.market)?;
        let months = || {
            let url = request::months(base, &service, &symbol);
            self.line.call(url, |body| klines::klines(body, service.volume))
        };
        let mut known = months().await?;
        let instrument = |body: &[u8]| listing::instrument(body, &symbol.text, self.now());
        let told = match self.line.call(request::instrument(base, &symbol), instrument).await {
            Ok(told) => told,
            // Of what is traded no more there may be candles still.
            Err(error) if error.kind() == VenueErrorKind::UnknownSymbol && !known.is_empty() => {
                Listing::UNTOLD
            }
            Err(error) => return Err(error),
        };
        // Of what is listed there are months but for its first minutes. An answer without any may
        // have gone wrong, and would hide those before it was listed anew.
        if known.is_empty() {
            known = months().await?;
        }
        Ok(listing::since(told, &known))
    }

    /// What its clock showed while it answered; for how long that was on its way is for the caller
    /// to take off.
    async fn server_time(&self) -> Result<Option<Time>, VenueError> {
        let Some((_, base)) = self.line.any_url() else { return Ok(None) };
        self.line.call(join(base, "/api/v5/public/time"), listing::server_time).await.map(Some)
    }

    async fn feed(&self, key: &SeriesKey) -> Result<FeedStream<Candle>, VenueError> {
        let service = Service::of(key)?;
        let symbol = symbol(key)?;
        let Service { bar, channel, volume, .. } = service;
        let source = self.line.source(self.line.feed_url(service.market)?.clone());
        let channel = format!("{channel}{bar}");
        feed::open(source, Arc::new(Subject { channel, symbol: symbol.text, volume })).await
    }
}
