use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use cache_series::admit::{Answer, Reach};
use cache_series::key::{Environment, Market, SeriesKey};
use cache_series::plan::Paging;
use cache_series::row::Candle;
use cache_series::time::{Grid, Slots, Time};
use cache_series::venue::{FeedStream, Limits, Listing, Venue, VenueError, VenueErrorKind};
use rustls::ClientConfig;
use url::Url;

use super::message::Subject;
use super::refusal::{answered, malformed, unreached};
use super::service::{ROWS_MAX, Service};
use super::symbol::{alias, symbol};
use super::{CoinbaseOptions, NAME, klines, limits, listing, request};
use crate::feed::{self, Source};
use crate::http::HttpClient;
use crate::parse::ParseError;
use crate::{OptionsError, tls};

/// Coinbase's spot market.
///
/// Cheap to clone: clones share their connections.
#[derive(Clone, Debug)]
pub struct Coinbase {
    options: CoinbaseOptions,
    urls: BTreeMap<Market, Url>,
    feed_urls: BTreeMap<Market, Url>,
    http: HttpClient,
    tls: Arc<ClientConfig>,
    pub(super) search_pause: Duration,
}

impl Coinbase {
    /// Sets up, and connects to nothing yet.
    ///
    /// # Errors
    /// [`OptionsError`] for an address that is none, and if TLS cannot be set up.
    pub fn new(options: CoinbaseOptions) -> Result<Self, OptionsError> {
        let (urls, feed_urls) = (options.http_urls()?, options.socket_urls()?);
        let mut all = urls.values().chain(feed_urls.values());
        let tls = tls::config(all.any(|url| ["https", "wss"].contains(&url.scheme())))?;
        let http = HttpClient::new(options.connection.http(urls.values()), tls.clone())?;
        let search_pause = limits::SEARCH_PAUSE;
        Ok(Self { options, urls, feed_urls, http, tls: Arc::new(tls), search_pause })
    }

    fn url<'urls>(&self, urls: &'urls BTreeMap<Market, Url>) -> Result<&'urls Url, VenueError> {
        urls.get(&Market::Spot).ok_or_else(|| {
            let environment = self.options.connection.environment;
            let message = format!("no address is known of market spot in {environment}");
            VenueError::new(NAME, VenueErrorKind::Unsupported, message)
        })
    }

    /// Makes a call, and reads what is answered.
    async fn call<T>(
        &self,
        url: Url,
        parse: impl FnOnce(&[u8]) -> Result<T, ParseError> + Send,
    ) -> Result<T, VenueError> {
        let reply = self.http.get(url).await.map_err(unreached)?;
        let body: Bytes = answered(reply)?.body;
        parse(&body).map_err(|error| malformed(&body, error))
    }
}

#[async_trait]
impl Venue<Candle> for Coinbase {
    fn name(&self) -> &str {
        NAME
    }

    fn environment(&self) -> Environment {
        self.options.connection.environment
    }

    fn paging(&self, key: &SeriesKey) -> Result<Paging, VenueError> {
        Service::of(key)?;
        symbol(key)?;
        self.url(&self.urls)?;
        Ok(Paging::new(ROWS_MAX))
    }

    fn limits(&self) -> Limits {
        self.options.connection.limits
    }

    async fn page(&self, key: &SeriesKey, slots: Slots) -> Result<Answer<Candle>, VenueError> {
        let service = Service::of(key)?;
        let symbol = symbol(key)?;
        let grid = Grid::new(key.timeframe(), Venue::<Candle>::alignment(self, key));
        let base = self.url(&self.urls)?;
        // There was nothing before 1970, and the exchange has no such seconds.
        let asked = Slots::new(slots.start.max(grid.slot_from(Time::EPOCH)), slots.end);
        if asked.is_empty() {
            return Ok(Answer { rows: Vec::new(), reach: Reach::Whole });
        }
        let url = request::klines(base, &service, &symbol, grid, asked);
        let rows = self.call(url, klines::klines).await?;
        let reach = request::reach(grid, asked, &rows);
        Ok(Answer { rows, reach })
    }

    /// Looks for the first day with a candle, from the exchange's opening on: one call for every
    /// 300 days, a fifth of a second apart. A symbol that is not traded any more has no end, for none is
    /// told.
    async fn listing(&self, key: &SeriesKey) -> Result<Listing, VenueError> {
        Service::of(key)?;
        let symbol = symbol(key)?;
        let base = self.url(&self.urls)?;
        let product = request::product(base, &symbol);
        self.call(product, |body| listing::product(body, &symbol)).await?;
        let now = self.call(request::time(base), listing::server_time).await?;
        for (index, span) in listing::spans(now).enumerate() {
            if index > 0 {
                tokio::time::sleep(self.search_pause).await;
            }
            let url = request::days(base, &symbol, span);
            let read = |body: &[u8]| listing::first(&klines::klines(body)?, span);
            if let Some(first) = self.call(url, read).await? {
                return Ok(Listing::since(first));
            }
        }
        Ok(Listing::UNTOLD)
    }

    /// What its clock showed while it answered; for how long that was on its way is for the caller
    /// to take off.
    async fn server_time(&self) -> Result<Option<Time>, VenueError> {
        let Some(base) = self.urls.get(&Market::Spot) else { return Ok(None) };
        self.call(request::time(base), listing::server_time).await.map(Some)
    }

    async fn feed(&self, key: &SeriesKey) -> Result<FeedStream<Candle>, VenueError> {
        let service = Service::of(key)?;
        if !service.has_feed {
            let message = format!("there is no feed of {}, only of 5m", key.timeframe());
            return Err(VenueError::new(NAME, VenueErrorKind::Unsupported, message));
        }
        let symbol = symbol(key)?;
        let source = Source {
            url: self.url(&self.feed_urls)?.clone(),
            socket: self.options.connection.socket(),
            age_max: self.options.connection.connection_age_max,
            tls: Arc::clone(&self.tls),
        };
        let alias = alias(&symbol);
        feed::open(source, Arc::new(Subject { symbol, alias })).await
    }
}
