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
use super::service::Service;
use super::symbol::symbol;
use super::{NAME, OkxOptions, klines, listing, request};
use crate::feed::{self, Source};
use crate::http::HttpClient;
use crate::options::join;
use crate::parse::ParseError;
use crate::{OptionsError, tls};

/// OKX in one of its environments, with all of its markets.
///
/// Cheap to clone: clones share their connections.
#[derive(Clone, Debug)]
pub struct Okx {
    options: OkxOptions,
    urls: BTreeMap<Market, Url>,
    feed_urls: BTreeMap<Market, Url>,
    http: HttpClient,
    tls: Arc<ClientConfig>,
}

impl Okx {
    /// Sets up, and connects to nothing yet.
    ///
    /// # Errors
    /// [`OptionsError`] for an address that is none, and if TLS cannot be set up.
    pub fn new(options: OkxOptions) -> Result<Self, OptionsError> {
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
        let reply = self.http.get_with(url, self.options.headers()).await.map_err(unreached)?;
        Ok(answered(reply)?.body)
    }

    fn read<T>(
        body: &Bytes,
        parse: impl FnOnce(&[u8]) -> Result<T, ParseError>,
    ) -> Result<T, VenueError> {
        parse(body).map_err(|error| malformed(body, error))
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
        self.options.connection.environment
    }

    fn paging(&self, key: &SeriesKey) -> Result<Paging, VenueError> {
        let service = Service::of(key)?;
        symbol(key)?;
        self.url(&self.urls, service.market)?;
        Ok(Paging::new(service.rows_max))
    }

    fn limits(&self) -> Limits {
        self.options.connection.limits
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
        let base = self.url(&self.urls, service.market)?;
        // There was nothing before 1970, and moments are written without a sign.
        let first = grid.slot_from(Time::from_unix_ms(1));
        let asked = Slots::new(slots.start.max(first), slots.end);
        if asked.is_empty() {
            return Ok(Answer { rows: Vec::new(), reach: Reach::Whole });
        }
        let candles = service.candles(grid, asked, self.now());
        let url = request::candles(base, candles, &service, &symbol, grid, asked);
        let body = self.call(url).await?;
        let rows = Self::read(&body, |body| klines::klines(body, service.volume))?;
        let reach = request::reach(grid, &service, candles, asked, &rows);
        let growing = rows.iter().find(|row| !row.closed).map(|row| row.time);
        let rows: Vec<_> =
            rows.into_iter().filter(|row| row.closed).map(|row| (row.time, row.candle)).collect();
        match growing {
            // It is over by the cache's clock, and soon will be by the exchange's.
            Some(time) if rows.is_empty() => {
                let message = format!("the candle of {time} is not closed yet");
                Err(VenueError::new(NAME, VenueErrorKind::Unavailable, message))
            }
            _ => Ok(Answer { rows, reach }),
        }
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
        let base = self.url(&self.urls, service.market)?;
        let body = self.call(request::months(base, &service, &symbol)).await?;
        let months = Self::read(&body, |body| klines::klines(body, service.volume))?;
        let told = match self.call(request::instrument(base, &symbol)).await {
            Ok(body) => {
                let parse = |body: &[u8]| listing::instrument(body, &symbol.text, self.now());
                Self::read(&body, parse)?
            }
            // Of what is traded no more there may be candles still.
            Err(error) if error.kind() == VenueErrorKind::UnknownSymbol && !months.is_empty() => {
                Listing::UNTOLD
            }
            Err(error) => return Err(error),
        };
        Ok(listing::since(told, &months))
    }

    /// What its clock showed while it answered; for how long that was on its way is for the caller
    /// to take off.
    async fn server_time(&self) -> Result<Option<Time>, VenueError> {
        let Some(base) = self.urls.values().next() else { return Ok(None) };
        let body = self.call(join(base, "/api/v5/public/time")).await?;
        Ok(Some(Self::read(&body, listing::server_time)?))
    }

    async fn feed(&self, key: &SeriesKey) -> Result<FeedStream<Candle>, VenueError> {
        let service = Service::of(key)?;
        let symbol = symbol(key)?;
        let Service { bar, channel, volume, .. } = service;
        let source = Source {
            url: self.url(&self.feed_urls, service.market)?.clone(),
            socket: self.options.connection.socket(),
            age_max: self.options.connection.connection_age_max,
            tls: Arc::clone(&self.tls),
        };
        let channel = format!("{channel}{bar}");
        feed::open(source, Arc::new(Subject { channel, symbol: symbol.text, volume })).await
    }
}
