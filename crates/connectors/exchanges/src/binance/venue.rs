use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;
use cache_series::admit::{Answer, Reach};
use cache_series::key::{Environment, Market, PriceType, SeriesKey};
use cache_series::plan::Paging;
use cache_series::row::Candle;
use cache_series::time::{Grid, Slots, Time};
use cache_series::venue::{
    FeedStream, Limits, Listing, UsedWeight, Venue, VenueError, VenueErrorKind,
};
use url::Url;

use super::limits::Used;
use super::message::Subject;
use super::refusal::answered;
use super::service::{Service, Volume};
use super::symbol::symbol;
use super::{BinanceOptions, NAME, klines, limits, listing, request};
use crate::http::HeaderMap;
use crate::line::Line;
use crate::options::join;
use crate::parse::ParseError;
use crate::{OptionsError, feed};

/// Binance in one of its environments, with all of its markets.
///
/// Cheap to clone: clones share their connections.
#[derive(Clone, Debug)]
pub struct Binance {
    options: BinanceOptions,
    line: Line,
    used: Used,
}

impl Binance {
    /// Sets up, and connects to nothing yet.
    ///
    /// # Errors
    /// [`OptionsError`] for an address that is none, and if TLS cannot be set up.
    pub fn new(options: BinanceOptions) -> Result<Self, OptionsError> {
        let (urls, feed_urls) = (options.http_urls()?, options.socket_urls()?);
        let line = Line::new(NAME, answered, &options.connection, urls, feed_urls)?;
        Ok(Self { options, line, used: Used::default() })
    }

    /// Makes a call to a market, and notes what is used of its allowance.
    async fn call<T>(
        &self,
        market: Market,
        url: Url,
        parse: impl FnOnce(&[u8]) -> Result<T, ParseError> + Send,
    ) -> Result<T, VenueError> {
        let see = |headers: &HeaderMap| self.used.hear(market, headers, Instant::now());
        self.line.call_seeing(url, see, parse).await
    }

    fn grid(&self, key: &SeriesKey) -> Grid {
        Grid::new(key.timeframe(), Venue::<Candle>::alignment(self, key))
    }

    /// What the clock of a market shows.
    async fn clock(&self, market: Market) -> Result<Time, VenueError> {
        let path = match market {
            Market::Linear => "/fapi/v1/time",
            Market::Inverse => "/dapi/v1/time",
            _ => "/api/v3/time",
        };
        self.call(market, join(self.line.url(market)?, path), listing::server_time).await
    }

    /// When the row begins that a call for one answers, if there is one.
    async fn time_of_one(&self, service: &Service, url: Url) -> Result<Option<Time>, VenueError> {
        let parse = |body: &[u8]| klines::klines(body, service.volume);
        let rows = self.call(service.market, url, parse).await?;
        Ok(rows.first().map(|(time, _)| *time))
    }

    /// Since when a future is traded, of which only what tells of all of them knows.
    async fn listing_of_future(
        &self,
        service: &Service,
        symbol: &str,
    ) -> Result<Listing, VenueError> {
        let url = join(self.line.url(service.market)?, "/dapi/v1/exchangeInfo");
        let parse = |body: &[u8]| listing::listing(body, symbol);
        let found = self.call(service.market, url, parse).await?;
        found.ok_or_else(|| {
            let message = format!("there is no symbol {symbol}");
            VenueError::new(NAME, VenueErrorKind::UnknownSymbol, message)
        })
    }
}

#[async_trait]
impl Venue<Candle> for Binance {
    fn name(&self) -> &str {
        NAME
    }

    fn environment(&self) -> Environment {
        self.line.environment()
    }

    fn paging(&self, key: &SeriesKey) -> Result<Paging, VenueError> {
        let service = Service::of(key)?;
        symbol(key, &service)?;
        self.line.url(service.market)?;
        Ok(Paging::new(service.page_slots(key.timeframe())))
    }

    fn limits(&self) -> Limits {
        self.line.limits()
    }

    fn weight(&self, key: &SeriesKey, slots: Slots) -> u32 {
        Service::of(key).map_or(1, |service| limits::weight(&service, slots.len()))
    }

    fn used_weight(&self) -> Option<UsedWeight> {
        self.used.most(Instant::now())
    }

    async fn page(&self, key: &SeriesKey, slots: Slots) -> Result<Answer<Candle>, VenueError> {
        let service = Service::of(key)?;
        let symbol = symbol(key, &service)?;
        let grid = self.grid(key);
        let base = self.line.url(service.market)?;
        // The exchange knows no time before 1970, and refuses to speak of one.
        let asked = Slots::new(slots.start.max(grid.slot_from(Time::EPOCH)), slots.end);
        if asked.is_empty() {
            return Ok(Answer { rows: Vec::new(), reach: Reach::Whole });
        }
        let url = request::klines(base, &service, &symbol, grid, asked);
        let parse = |body: &[u8]| klines::klines(body, service.volume);
        let rows = self.call(service.market, url, parse).await?;
        let reach = request::reach(&service, grid, asked, &rows);
        Ok(Answer { rows, reach })
    }

    /// Of spot and USD-M futures the begin of the first row there is, and of the last where that is
    /// long ago; of COIN-M futures, where that cannot be asked for, when the contract was taken up
    /// and when it was delivered.
    async fn listing(&self, key: &SeriesKey) -> Result<Listing, VenueError> {
        let service = Service::of(key)?;
        let symbol = symbol(key, &service)?;
        if service.market == Market::Inverse {
            return match service.price {
                PriceType::Trade => self.listing_of_future(&service, &symbol).await,
                // Such prices may be older than the contract.
                _ => Ok(Listing::UNTOLD),
            };
        }
        let (base, grid) = (self.line.url(service.market)?, self.grid(key));
        let first = request::first_kline(base, &service, &symbol, grid);
        let Some(first) = self.time_of_one(&service, first).await? else {
            return Ok(Listing::UNTOLD);
        };
        let listing = Listing::since(first);
        let last = request::last_kline(base, &service, &symbol, grid);
        let Some(last) = self.time_of_one(&service, last).await? else { return Ok(listing) };
        // By this machine's clock first, which may be wrong: there is another call only where it
        // seems to be over.
        if !listing::is_over(grid, last, listing::now()) {
            return Ok(listing);
        }
        let now = self.clock(service.market).await?;
        Ok(if listing::is_over(grid, last, now) { listing.until(last) } else { listing })
    }

    /// What its clock showed while it answered; for how long that was on its way is for the caller
    /// to take off.
    async fn server_time(&self) -> Result<Option<Time>, VenueError> {
        let Some((market, _)) = self.line.any_url() else { return Ok(None) };
        self.clock(market).await.map(Some)
    }

    async fn feed(&self, key: &SeriesKey) -> Result<FeedStream<Candle>, VenueError> {
        let service = Service::of(key)?;
        if service.volume == Volume::None {
            let message = format!("there is no feed of price {}", key.price());
            return Err(VenueError::new(NAME, VenueErrorKind::Unsupported, message));
        }
        let symbol = symbol(key, &service)?;
        let interval = key.timeframe().text();
        let base = self.line.feed_url(service.market)?;
        let url = join(base, &format!("/ws/{}@kline_{interval}", symbol.to_lowercase()));
        let source = self.line.source_with(url, self.options.socket(service.market));
        feed::open(source, Arc::new(Subject { symbol, interval, volume: service.volume })).await
    }
}
