//! What of an exchange's options is the same everywhere: addresses, times and limits.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use cache_core::clock::{Clock, SystemClock};
use cache_series::key::{Environment, Market};
use cache_series::venue::Limits;
use url::Url;

use crate::OptionsError;
use crate::http::HttpOptions;
use crate::options::{http_address, is_loopback, socket_address};
use crate::pace::Pace;
use crate::socket::SocketOptions;

/// The addresses of markets.
pub(crate) type Urls = BTreeMap<Market, Url>;

/// The addresses that an exchange itself names: environment, market, REST, WebSocket.
pub(crate) type Addresses = [(Environment, Market, &'static str, &'static str)];

/// How an exchange is spoken with.
#[derive(Clone, Debug)]
pub(crate) struct Connection {
    pub(crate) environment: Environment,
    pub(crate) addresses: BTreeMap<Market, String>,
    pub(crate) feed_addresses: BTreeMap<Market, String>,
    pub(crate) timeout: Duration,
    pub(crate) connect_timeout: Duration,
    /// After how long without a word a feed is lost, where a user says so.
    pub(crate) silence_max: Option<Duration>,
    pub(crate) connection_age_max: Duration,
    pub(crate) limits: Limits,
    /// By which calls are held back that the cache does not count; and what an exchange looks at
    /// that is asked elsewhere for what is new, whose options say so.
    pub(crate) clock: Arc<dyn Clock>,
}

/// A hundred years: what is longer never comes, and no moment is so far away that it overflows.
const FOREVER: Duration = Duration::from_secs(100 * 365 * 86_400);
/// More than any reply of rows; what tells of all symbols at once has some megabytes.
const BODY_BYTES_MAX: usize = 32 << 20;
/// A message of a few rows has a kilobyte.
const MESSAGE_BYTES_MAX: usize = 256 << 10;

impl Connection {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            environment: Environment::Live,
            addresses: BTreeMap::new(),
            feed_addresses: BTreeMap::new(),
            timeout: Duration::from_secs(10),
            connect_timeout: Duration::from_secs(5),
            silence_max: None,
            connection_age_max: Duration::from_secs(24 * 3600 - 120),
            limits,
            clock: Arc::new(SystemClock),
        }
    }

    /// Where each market is called.
    pub(crate) fn http_urls(&self, own: &Addresses) -> Result<Urls, OptionsError> {
        self.urls(own.iter().map(|row| (row.0, row.1, row.2)), &self.addresses, http_address)
    }

    /// Where each market's feeds are.
    pub(crate) fn socket_urls(&self, own: &Addresses) -> Result<Urls, OptionsError> {
        let own = own.iter().map(|row| (row.0, row.1, row.3));
        self.urls(own, &self.feed_addresses, socket_address)
    }

    fn urls(
        &self,
        own: impl Iterator<Item = (Environment, Market, &'static str)>,
        given: &BTreeMap<Market, String>,
        read: impl Fn(&str) -> Result<Url, OptionsError>,
    ) -> Result<Urls, OptionsError> {
        let mut urls = BTreeMap::new();
        for (_, market, text) in own.filter(|row| row.0 == self.environment) {
            urls.insert(market, read(text)?);
        }
        for (market, text) in given {
            urls.insert(*market, read(text)?);
        }
        Ok(urls)
    }

    pub(crate) fn http<'url>(&self, mut urls: impl Iterator<Item = &'url Url>) -> HttpOptions {
        HttpOptions {
            timeout: self.timeout,
            connect_timeout: self.connect_timeout,
            body_bytes_max: BODY_BYTES_MAX,
            accept: "application/json",
            direct: urls.all(is_loopback),
        }
    }

    /// The pace of calls that the cache does not count; none where a user has said that calls are
    /// not held back.
    pub(crate) fn pace(&self, pause: Duration) -> Pace {
        let is_held = self.limits.allowance.is_some();
        Pace::new(if is_held { pause } else { Duration::ZERO }, Arc::clone(&self.clock))
    }

    /// After how long a feed's connection is replaced.
    pub(crate) fn age_max(&self) -> Duration {
        self.connection_age_max.min(FOREVER)
    }

    /// How feeds are kept that are pinged, or ping, twice in a minute at least.
    pub(crate) fn socket(&self) -> SocketOptions {
        self.socket_silent_for(Duration::from_secs(60))
    }

    /// How feeds are kept that may be silent for so long, unless a user says otherwise.
    pub(crate) fn socket_silent_for(&self, silence_max: Duration) -> SocketOptions {
        SocketOptions {
            connect_timeout: self.connect_timeout,
            silence_max: self.silence_max.unwrap_or(silence_max).min(FOREVER),
            message_bytes_max: MESSAGE_BYTES_MAX,
        }
    }
}

/// The options of an exchange whose addresses are by market, over a [`Connection`]: their name, the
/// limits and the exchange's own addresses.
macro_rules! connection_options {
    ($(#[$documentation:meta])* $name:ident, $limits:expr, $addresses:expr) => {
        $(#[$documentation])*
        #[derive(Clone, Debug)]
        pub struct $name {
            pub(super) connection: $crate::connection::Connection,
        }

        impl $name {
            /// The live exchange at its own addresses.
            pub fn new() -> Self {
                Self { connection: $crate::connection::Connection::new($limits) }
            }

            /// Another of the exchange's worlds.
            /// [`Replay`](cache_series::key::Environment::Replay) has no address but those that
            /// are given: a recording, or a venue made for tests.
            pub fn with_environment(
                mut self,
                environment: cache_series::key::Environment,
            ) -> Self {
                self.connection.environment = environment;
                self
            }

            /// Another address for a market's calls. What is answered there is kept as the
            /// environment's own.
            pub fn with_address(
                mut self,
                market: cache_series::key::Market,
                address: impl Into<String>,
            ) -> Self {
                self.connection.addresses.insert(market, address.into());
                self
            }

            /// Another address for a market's feeds.
            pub fn with_feed_address(
                mut self,
                market: cache_series::key::Market,
                address: impl Into<String>,
            ) -> Self {
                self.connection.feed_addresses.insert(market, address.into());
                self
            }

            /// A call is given up after so long, with all of its reply; by default ten seconds.
            pub fn with_timeout(mut self, timeout: std::time::Duration) -> Self {
                self.connection.timeout = timeout;
                self
            }

            /// Connecting, and subscribing, are each given up after so long; by default five
            /// seconds.
            pub fn with_connect_timeout(mut self, timeout: std::time::Duration) -> Self {
                self.connection.connect_timeout = timeout;
                self
            }

            /// A feed on which nothing came for so long, not even a ping or the answer to one, is
            /// lost; by default a minute, and where the exchange pings more rarely, three pings.
            pub fn with_silence_max(mut self, silence_max: std::time::Duration) -> Self {
                self.connection.silence_max = Some(silence_max);
                self
            }

            /// A feed's connection is replaced when it is so old; by default two minutes before
            /// it is a day old.
            pub fn with_connection_age_max(mut self, age_max: std::time::Duration) -> Self {
                self.connection.connection_age_max = age_max;
                self
            }

            /// How fast and how many at once the exchange may be asked; by default less than it
            /// allows an address, so that other programs there are let live.
            pub fn with_limits(mut self, limits: cache_series::venue::Limits) -> Self {
                self.connection.limits = limits;
                self
            }

            /// Where each market is called.
            pub(super) fn http_urls(&self) -> Result<$crate::connection::Urls, $crate::OptionsError> {
                self.connection.http_urls($addresses)
            }

            /// Where each market's feeds are.
            pub(super) fn socket_urls(&self) -> Result<$crate::connection::Urls, $crate::OptionsError> {
                self.connection.socket_urls($addresses)
            }
        }

        impl Default for $name {
            fn default() -> Self {
                Self::new()
            }
        }
    };
}

pub(crate) use connection_options;
