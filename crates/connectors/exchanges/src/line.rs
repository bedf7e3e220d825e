//! What a venue speaks through: its addresses, and connections to them that are kept.

use std::collections::BTreeMap;
use std::sync::Arc;

use cache_series::key::{Environment, Market};
use cache_series::venue::{Limits, VenueError, VenueErrorKind};
use rustls::ClientConfig;
use url::Url;

use crate::connection::Connection;
use crate::feed::Source;
use crate::http::{HeaderMap, HttpClient, Reply};
use crate::parse::ParseError;
use crate::socket::SocketOptions;
use crate::{OptionsError, refusal, tls};

/// How an exchange reads a reply: whether it is an answer at all.
pub(crate) type Answered = fn(Reply) -> Result<Reply, VenueError>;

/// An exchange in one of its environments. Cheap to clone: clones share their connections.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    venue: &'static str,
    answered: Answered,
    connection: Connection,
    urls: BTreeMap<Market, Url>,
    feed_urls: BTreeMap<Market, Url>,
    /// What is said in the head of every call.
    headers: &'static [(&'static str, &'static str)],
    http: HttpClient,
    tls: Arc<ClientConfig>,
}

impl Line {
    /// Sets up, and connects to nothing yet.
    pub(crate) fn new(
        venue: &'static str,
        answered: Answered,
        connection: &Connection,
        urls: BTreeMap<Market, Url>,
        feed_urls: BTreeMap<Market, Url>,
    ) -> Result<Self, OptionsError> {
        let mut all = urls.values().chain(feed_urls.values());
        let tls = tls::config(all.any(|url| ["https", "wss"].contains(&url.scheme())))?;
        let http = HttpClient::new(connection.http(urls.values()), tls.clone())?;
        let (connection, tls) = (connection.clone(), Arc::new(tls));
        Ok(Self { venue, answered, connection, urls, feed_urls, headers: &[], http, tls })
    }

    /// The same with more in the head of every call.
    pub(crate) fn with_headers(mut self, headers: &'static [(&'static str, &'static str)]) -> Self {
        self.headers = headers;
        self
    }

    pub(crate) fn environment(&self) -> Environment {
        self.connection.environment
    }

    pub(crate) fn limits(&self) -> Limits {
        self.connection.limits
    }

    /// Where a market is called.
    pub(crate) fn url(&self, market: Market) -> Result<&Url, VenueError> {
        self.of(&self.urls, market)
    }

    /// Where what concerns no market is called, and of which market that is.
    pub(crate) fn any_url(&self) -> Option<(Market, &Url)> {
        self.urls.first_key_value().map(|(market, url)| (*market, url))
    }

    /// Where a market's feeds are.
    pub(crate) fn feed_url(&self, market: Market) -> Result<&Url, VenueError> {
        self.of(&self.feed_urls, market)
    }

    fn of<'urls>(
        &self,
        urls: &'urls BTreeMap<Market, Url>,
        market: Market,
    ) -> Result<&'urls Url, VenueError> {
        urls.get(&market).ok_or_else(|| {
            let environment = self.connection.environment;
            let message = format!("no address is known of market {market} in {environment}");
            VenueError::new(self.venue, VenueErrorKind::Unsupported, message)
        })
    }

    /// Makes a call, and reads what is answered.
    pub(crate) async fn call<T>(
        &self,
        url: Url,
        parse: impl FnOnce(&[u8]) -> Result<T, ParseError> + Send,
    ) -> Result<T, VenueError> {
        self.call_seeing(url, |_| (), parse).await
    }

    /// The same, with a look at the reply's head as it comes, be it an answer or a refusal.
    pub(crate) async fn call_seeing<T>(
        &self,
        url: Url,
        see: impl FnOnce(&HeaderMap) + Send,
        parse: impl FnOnce(&[u8]) -> Result<T, ParseError> + Send,
    ) -> Result<T, VenueError> {
        let reply = self.http.get_seeing(url, self.headers, see).await;
        let reply = reply.map_err(|error| refusal::unreached(self.venue, error))?;
        let body = (self.answered)(reply)?.body;
        parse(&body).map_err(|error| refusal::malformed(self.venue, &body, error))
    }

    /// A feed at an address, its connections kept as the options say.
    pub(crate) fn source(&self, url: Url) -> Source {
        self.source_with(url, self.connection.socket())
    }

    /// The same with connections that are kept in another way.
    pub(crate) fn source_with(&self, url: Url, socket: SocketOptions) -> Source {
        let age_max = self.connection.age_max();
        Source { url, socket, age_max, tls: Arc::clone(&self.tls) }
    }
}
