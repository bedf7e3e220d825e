use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use cache_connectors_http::SetupError;
use cache_core::clock::{Clock, SystemClock};
use url::Url;

use crate::limiter::Limiter;
use crate::listing::Listings;

/// How the markets are spoken with.
///
/// ```
/// use cache_twse::client::{Twse, TwseOptions};
///
/// let markets = Twse::new(TwseOptions::new())?;
/// let local = Twse::new(TwseOptions::new().with_address("http://127.0.0.1:8080"))?;
/// # Ok::<(), cache_twse::client::TwseOptionsError>(())
/// ```
#[derive(Clone, Debug)]
pub struct TwseOptions {
    pub(super) listed: String,
    pub(super) over_the_counter: String,
    pub(super) quotes: String,
    pub(super) timeout: Duration,
    pub(super) connect_timeout: Duration,
    pub(super) limiter: Limiter,
    pub(super) listings: Listings,
    pub(super) clock: Arc<dyn Clock>,
}

/// Why a client could not be made of its options.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TwseOptionsError {
    /// An address that is none, or of another scheme, or with a query.
    #[error("{text:?} is not an address that begins with http:// or https://")]
    Address {
        /// The text as given.
        text: String,
    },
    /// TLS could not be set up: the machine's trusted roots could not be read.
    #[error("TLS could not be set up")]
    Tls(#[source] Box<dyn Error + Send + Sync>),
    /// The HTTP client could not be set up.
    #[error("the HTTP client could not be set up")]
    Client(#[source] Box<dyn Error + Send + Sync>),
}

impl TwseOptions {
    /// The markets at their own addresses, at the pace of this process' [`Limiter`].
    pub fn new() -> Self {
        Self {
            listed: "https://www.twse.com.tw".to_owned(),
            over_the_counter: "https://www.tpex.org.tw".to_owned(),
            quotes: "https://mis.twse.com.tw".to_owned(),
            timeout: Duration::from_secs(15),
            connect_timeout: Duration::from_secs(5),
            limiter: Limiter::of_process(),
            listings: Listings::default(),
            clock: Arc::new(SystemClock),
        }
    }

    /// Another address for all three: a mirror's, or that of a venue on this machine.
    pub fn with_address(mut self, address: impl Into<String>) -> Self {
        let address = address.into();
        self.listed.clone_from(&address);
        self.over_the_counter.clone_from(&address);
        self.quotes = address;
        self
    }

    /// Another address for what TWSE publishes.
    pub fn with_listed_address(mut self, address: impl Into<String>) -> Self {
        self.listed = address.into();
        self
    }

    /// Another address for what TPEx publishes.
    pub fn with_over_the_counter_address(mut self, address: impl Into<String>) -> Self {
        self.over_the_counter = address.into();
        self
    }

    /// Another address for realtime quotes of both.
    pub fn with_quotes_address(mut self, address: impl Into<String>) -> Self {
        self.quotes = address.into();
        self
    }

    /// A call is given up after so long, with all of its reply; by default 15 seconds.
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Connecting is given up after so long; by default five seconds.
    pub fn with_connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// Another limiter than that of this process.
    pub fn with_limiter(mut self, limiter: Limiter) -> Self {
        self.limiter = limiter;
        self
    }

    /// What is known of since when stocks are traded: months that lie outside are not asked for.
    pub fn with_listings(mut self, listings: Listings) -> Self {
        self.listings = listings;
        self
    }

    /// Another clock.
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }
}

impl Default for TwseOptions {
    fn default() -> Self {
        Self::new()
    }
}

impl From<SetupError> for TwseOptionsError {
    fn from(error: SetupError) -> Self {
        match error {
            SetupError::Tls(error) => Self::Tls(error.into()),
            SetupError::Client(error) => Self::Client(error.into()),
        }
    }
}

pub(super) fn address(text: &str) -> Result<Url, TwseOptionsError> {
    let url = cache_connectors_http::address(text, &["http", "https"]);
    url.ok_or_else(|| TwseOptionsError::Address { text: text.to_owned() })
}

/// An address with a path behind what path it has, and a query.
pub(super) fn join(base: &Url, path: &str, query: &[(&str, &str)]) -> Url {
    let mut url = cache_connectors_http::join(base, path);
    if !query.is_empty() {
        url.query_pairs_mut().extend_pairs(query);
    }
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_address_is_refused() {
        for text in ["", "www.twse.com.tw", "ftp://x", "http://", "http://x/?a=1"] {
            assert!(matches!(address(text), Err(TwseOptionsError::Address { .. })), "{text}");
        }
        let base = address("http://localhost:1/proxy/").unwrap();
        let url = join(&base, "/a", &[("ex_ch", "tse_2330.tw|otc_6488.tw")]);
        assert_eq!(url.as_str(), "http://localhost:1/proxy/a?ex_ch=tse_2330.tw%7Cotc_6488.tw");
    }
}
