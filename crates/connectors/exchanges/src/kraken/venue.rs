use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use cache_series::admit::{Answer, Reach};
use cache_series::key::{Environment, Market, SeriesKey};
use cache_series::plan::Paging;
use cache_series::row::Candle;
use cache_series::time::{Alignment, Grid, Slots, Time};
use cache_series::venue::{FeedStream, Limits, Listing, Venue, VenueError, VenueErrorKind};
use rustls::ClientConfig;
use url::Url;

use super::message::Subject;
use super::refusal::{answered, malformed, unreached};
use super::service::{ALIGNMENT, ROWS_MAX, Service};
use super::status::{SystemStatus, status};
use super::symbol::{Pair, symbol};
use super::{KrakenOptions, NAME, klines, listing, request};
use crate::feed::{self, Source};
use crate::http::HttpClient;
use crate::options::join;
use crate::parse::ParseError;
use crate::{OptionsError, tls};

/// Kraken's spot market.
///
/// Cheap to clone: clones share their connections.
#[derive(Clone, Debug)]
pub struct Kraken {
    options: KrakenOptions,
    urls: BTreeMap<Market, Url>,
    feed_urls: BTreeMap<Market, Url>,
    http: HttpClient,
    tls: Arc<ClientConfig>,
}

impl Kraken {
    /// Sets up, and connects to nothing yet.
    ///
    /// # Errors
    /// [`OptionsError`] for an address that is none, and if TLS cannot be set up.
    pub fn new(options: KrakenOptions) -> Result<Self, OptionsError> {
        let (urls, feed_urls) = (options.http_urls()?, options.socket_urls()?);
        let mut all = urls.values().chain(feed_urls.values());
        let tls = tls::config(all.any(|url| ["https", "wss"].contains(&url.scheme())))?;
        let http = HttpClient::new(options.connection.http(urls.values()), tls.clone())?;
        Ok(Self { options, urls, feed_urls, http, tls: Arc::new(tls) })
    }

    /// How the exchange says that it stands, in one call.
    ///
    /// # Errors
    /// [`VenueError`] if it could not be asked.
    pub async fn system_status(&self) -> Result<SystemStatus, VenueError> {
        let base = self.url(&self.urls, Market::Spot)?;
        let body = self.call(join(base, "/0/public/SystemStatus")).await?;
        Self::read(&body, status)
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

    /// The name of a pair in feeds. Where the key does not say where the first asset ends, the
    /// exchange is asked.
    async fn feed_symbol(&self, pair: &Pair) -> Result<String, VenueError> {
        if let Some(symbol) = pair.for_feeds() {
            return Ok(symbol);
        }
        let base = self.url(&self.urls, Market::Spot)?;
        let body = self.call(request::asset_pair(base, pair)).await?;
        Self::read(&body, |body| listing::feed_symbol(body, pair))
    }
}

#[async_trait]
impl Venue<Candle> for Kraken {
    fn name(&self) -> &str {
        NAME
    }

    fn environment(&self) -> Environment {
        self.options.connection.environment
    }

    /// Weeks begin on Thursday, as 1970 did.
    fn alignment(&self, _: &SeriesKey) -> Alignment {
        ALIGNMENT
    }

    fn paging(&self, key: &SeriesKey) -> Result<Paging, VenueError> {
        let service = Service::of(key)?;
        symbol(key)?;
        self.url(&self.urls, service.market)?;
        Ok(Paging::new(ROWS_MAX))
    }

    fn depth(&self, _: &SeriesKey) -> Option<u64> {
        Some(u64::from(ROWS_MAX))
    }

    fn limits(&self) -> Limits {
        self.options.connection.limits
    }

    /// Of slots before the newest 720 it is an error of kind
    /// [`Unsupported`](VenueErrorKind::Unsupported) to ask.
    async fn page(&self, key: &SeriesKey, slots: Slots) -> Result<Answer<Candle>, VenueError> {
        let service = Service::of(key)?;
        let pair = symbol(key)?;
        let grid = Grid::new(key.timeframe(), Venue::<Candle>::alignment(self, key));
        let base = self.url(&self.urls, service.market)?;
        // There was nothing before 1970.
        let asked = Slots::new(slots.start.max(grid.slot_from(Time::EPOCH)), slots.end);
        if asked.is_empty() {
            return Ok(Answer { rows: Vec::new(), reach: Reach::Whole });
        }
        let body = self.call(request::klines(base, &service, &pair, grid, asked)).await?;
        let klines = Self::read(&body, |body| klines::klines(body, &pair))?;
        request::answer(grid, asked, klines)
    }

    /// The begin of the fifteen days in which it was first traded; the exchange itself does not
    /// tell.
    async fn listing(&self, key: &SeriesKey) -> Result<Listing, VenueError> {
        let service = Service::of(key)?;
        let pair = symbol(key)?;
        let base = self.url(&self.urls, service.market)?;
        let body = self.call(request::longest(base, &pair)).await?;
        let longest = Self::read(&body, |body| klines::klines(body, &pair))?;
        Ok(listing::listing(&longest))
    }

    /// What its clock showed while it answered, to the second that had begun; for how long that was
    /// on its way is for the caller to take off.
    async fn server_time(&self) -> Result<Option<Time>, VenueError> {
        let Some(base) = self.urls.values().next() else { return Ok(None) };
        let body = self.call(join(base, "/0/public/Time")).await?;
        Ok(Some(Self::read(&body, listing::server_time)?))
    }

    async fn feed(&self, key: &SeriesKey) -> Result<FeedStream<Candle>, VenueError> {
        let service = Service::of(key)?;
        let pair = symbol(key)?;
        let source = Source {
            url: self.url(&self.feed_urls, service.market)?.clone(),
            socket: self.options.connection.socket(),
            age_max: self.options.connection.connection_age_max,
            tls: Arc::clone(&self.tls),
        };
        let symbol = self.feed_symbol(&pair).await?;
        feed::open(source, Arc::new(Subject { symbol, interval: service.interval })).await
    }
}
