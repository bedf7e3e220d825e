use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use cache_series::admit::{Answer, Reach};
use cache_series::key::{Environment, Market, PriceType, SeriesKey};
use cache_series::plan::Paging;
use cache_series::row::Candle;
use cache_series::time::{Grid, Slots, Time};
use cache_series::venue::{FeedStream, Limits, Listing, Venue, VenueError, VenueErrorKind};
use rustls::ClientConfig;
use url::Url;

use super::message::Subject;
use super::refusal::{answered, malformed, unreached};
use super::service::{ROWS_MAX, Service, Volume};
use super::symbol::symbol;
use super::{BybitOptions, NAME, klines, listing, request};
use crate::feed::{self, Source};
use crate::http::HttpClient;
use crate::options::join;
use crate::parse::ParseError;
use crate::{OptionsError, tls};

/// Bybit in one of its environments, with all of its markets.
///
/// Cheap to clone: clones share their connections.
#[derive(Clone, Debug)]
pub struct Bybit {
    options: BybitOptions,
    urls: BTreeMap<Market, Url>,
    feed_urls: BTreeMap<Market, Url>,
    http: HttpClient,
    tls: Arc<ClientConfig>,
}

impl Bybit {
    /// Sets up, and connects to nothing yet.
    ///
    /// # Errors
    /// [`OptionsError`] for an address that is none, and if TLS cannot be set up.
    pub fn new(options: BybitOptions) -> Result<Self, OptionsError> {
        let (urls, feed_urls) = (options.http_urls()?, options.socket_urls()?);
        let mut all = urls.values().chain(feed_urls.values());
        let tls = tls::config(all.any(|url| ["https", "wss"].contains(&url.scheme())))?;
        let http = HttpClient::new(options.connection.http(urls.values()), tls.clone())?;
        Ok(Self { options, urls, feed_urls, http, tls: Arc::new(tls) })
    }

    fn url<'urls>(
        &self,
        urls: &'urls BTreeMap<Market, Url>,
        market: Market,
    ) -> Result<&'urls Url, VenueError> {
        urls.get(&market).ok_or_else(|| {
            let environment = self.options.connection.environment;
            let message = format!("no address is known of market {market} in {environment}");
            VenueError::new(NAME, VenueErrorKind::Unsupported, message)
        })
    }

    /// Makes a call; what is answered is the body of an answer.
    async fn call(&self, url: Url) -> Result<Bytes, VenueError> {
        let reply = self.http.get(url).await.map_err(unreached)?;
        Ok(answered(reply)?.body)
    }

    fn read<T>(
        body: &Bytes,
        parse: impl FnOnce(&[u8]) -> Result<T, ParseError>,
    ) -> Result<T, VenueError> {
        parse(body).map_err(|error| malformed(body, error))
    }
}

#[async_trait]
impl Venue<Candle> for Bybit {
    fn name(&self) -> &str {
        NAME
    }

    fn environment(&self) -> Environment {
        self.options.connection.environment
    }

    fn paging(&self, key: &SeriesKey) -> Result<Paging, VenueError> {
        let service = Service::of(key)?;
        symbol(key)?;
        self.url(&self.urls, service.market)?;
        Ok(Paging::new(ROWS_MAX))
    }

    fn limits(&self) -> Limits {
        self.options.connection.limits
    }

    async fn page(&self, key: &SeriesKey, slots: Slots) -> Result<Answer<Candle>, VenueError> {
        let service = Service::of(key)?;
        let symbol = symbol(key)?;
        let grid = Grid::new(key.timeframe(), Venue::<Candle>::alignment(self, key));
        let base = self.url(&self.urls, service.market)?;
        // There was nothing before 1970, and the exchange refuses to speak of it.
        let asked = Slots::new(slots.start.max(grid.slot_from(Time::EPOCH)), slots.end);
        if asked.is_empty() {
            return Ok(Answer { rows: Vec::new(), reach: Reach::Whole });
        }
        let body = self.call(request::klines(base, &service, &symbol, grid, asked)).await?;
        let rows = Self::read(&body, |body| klines::klines(body, &symbol, service.volume))?;
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
        let base = self.url(&self.urls, service.market)?;
        let body = self.call(request::instrument(base, &service, &symbol)).await?;
        Self::read(&body, |body| listing::listing(body, &symbol))
    }

    /// What its clock showed while it answered; for how long that was on its way is for the caller
    /// to take off.
    async fn server_time(&self) -> Result<Option<Time>, VenueError> {
        let Some(base) = self.urls.values().next() else { return Ok(None) };
        let body = self.call(join(base, "/v5/market/time")).await?;
        Ok(Some(Self::read(&body, listing::server_time)?))
    }

    async fn feed(&self, key: &SeriesKey) -> Result<FeedStream<Candle>, VenueError> {
        let service = Service::of(key)?;
        if service.volume == Volume::None {
            let message = format!("there is no feed of price {}", key.price());
            return Err(VenueError::new(NAME, VenueErrorKind::Unsupported, message));
        }
        let symbol = symbol(key)?;
        let Service { interval, volume, .. } = service;
        let source = Source {
            url: self.url(&self.feed_urls, service.market)?.clone(),
            socket: self.options.connection.socket(),
            age_max: self.options.connection.connection_age_max,
            tls: Arc::clone(&self.tls),
        };
        let topic = format!("kline.{interval}.{symbol}");
        feed::open(source, Arc::new(Subject { topic, interval, volume })).await
    }
}
