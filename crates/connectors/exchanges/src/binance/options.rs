use std::collections::BTreeMap;
use std::time::Duration;

use cache_series::key::{Environment, Market};
use cache_series::venue::Limits;
use url::Url;

use super::limits;
use crate::OptionsError;
use crate::http::HttpOptions;
use crate::options::{http_address, is_loopback, socket_address};
use crate::socket::SocketOptions;

/// How Binance is spoken with.
///
/// ```
/// use std::time::Duration;
///
/// use cache_exchanges::binance::{Binance, BinanceOptions};
/// use cache_series::key::{Environment, Market};
///
/// let options = BinanceOptions::new()
///     .with_environment(Environment::Replay)
///     .with_address(Market::Spot, "http://127.0.0.1:8080")
///     .with_feed_address(Market::Spot, "ws://127.0.0.1:8080")
///     .with_timeout(Duration::from_secs(5));
/// let replay = Binance::new(options)?;
/// # Ok::<(), cache_exchanges::OptionsError>(())
/// ```
#[derive(Clone, Debug)]
pub struct BinanceOptions {
    environment: Environment,
    addresses: BTreeMap<Market, String>,
    feed_addresses: BTreeMap<Market, String>,
    timeout: Duration,
    connect_timeout: Duration,
    silence_max: Option<Duration>,
    connection_age_max: Duration,
    limits: Limits,
}

/// The addresses that the exchange itself names: environment, market, REST, WebSocket.
const ADDRESSES: [(Environment, Market, &str, &str); 9] = [
    (Environment::Live, Market::Spot, "https://api.binance.com", "wss://stream.binance.com:9443"),
    (Environment::Live, Market::Linear, "https://fapi.binance.com", "wss://fstream.binance.com"),
    (Environment::Live, Market::Inverse, "https://dapi.binance.com", "wss://dstream.binance.com"),
    (
        Environment::Testnet,
        Market::Spot,
        "https://testnet.binance.vision",
        "wss://stream.testnet.binance.vision",
    ),
    (
        Environment::Testnet,
        Market::Linear,
        "https://testnet.binancefuture.com",
        "wss://stream.binancefuture.com",
    ),
    (
        Environment::Testnet,
        Market::Inverse,
        "https://testnet.binancefuture.com",
        "wss://dstream.binancefuture.com",
    ),
    (
        Environment::Demo,
        Market::Spot,
        "https://demo-api.binance.com",
        "wss://demo-stream.binance.com",
    ),
    (
        Environment::Demo,
        Market::Linear,
        "https://demo-fapi.binance.com",
        "wss://fstream.binancefuture.com",
    ),
    (
        Environment::Demo,
        Market::Inverse,
        "https://demo-dapi.binance.com",
        "wss://dstream.binancefuture.com",
    ),
];

/// 1,500 rows of a kilobyte each are more than any reply of klines; what tells of all symbols at
/// once has some megabytes.
const BODY_BYTES_MAX: usize = 32 << 20;
/// A message of one kline has about 400 bytes.
const MESSAGE_BYTES_MAX: usize = 64 << 10;
/// Two minutes before the exchange ends a connection itself, which it does after 24 hours.
const CONNECTION_AGE_MAX: Duration = Duration::from_secs(24 * 3600 - 120);
/// Spot's streams ping every 20 seconds, those of futures every three minutes: three pings late.
const SILENCE_MAX_SPOT: Duration = Duration::from_secs(60);
const SILENCE_MAX_FUTURES: Duration = Duration::from_secs(9 * 60);

impl BinanceOptions {
    /// The live exchange at its own addresses.
    pub fn new() -> Self {
        Self {
            environment: Environment::Live,
            addresses: BTreeMap::new(),
            feed_addresses: BTreeMap::new(),
            timeout: Duration::from_secs(10),
            connect_timeout: Duration::from_secs(5),
            silence_max: None,
            connection_age_max: CONNECTION_AGE_MAX,
            limits: limits::DEFAULT,
        }
    }

    /// Another of the exchange's worlds. [`Environment::Replay`] has no address but those that are
    /// given: a recording, or a venue made for tests.
    pub fn with_environment(mut self, environment: Environment) -> Self {
        self.environment = environment;
        self
    }

    /// Another address for a market's calls, such as a mirror's: `https://data-api.binance.vision`.
    /// What is answered there is kept as the environment's own; a venue that is not the exchange
    /// belongs under [`Environment::Replay`].
    pub fn with_address(mut self, market: Market, address: impl Into<String>) -> Self {
        self.addresses.insert(market, address.into());
        self
    }

    /// Another address for a market's feeds, such as `wss://data-stream.binance.vision`.
    pub fn with_feed_address(mut self, market: Market, address: impl Into<String>) -> Self {
        self.feed_addresses.insert(market, address.into());
        self
    }

    /// A call is given up after so long, with all of its reply; by default ten seconds.
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Connecting is given up after so long; by default five seconds.
    pub fn with_connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// A feed on which nothing came for so long, not even a ping, is lost; by default three of the
    /// exchange's pings: a minute for spot, nine for futures.
    pub fn with_silence_max(mut self, silence_max: Duration) -> Self {
        self.silence_max = Some(silence_max);
        self
    }

    /// A feed's connection is replaced when it is so old, before the exchange ends it after 24
    /// hours; by default two minutes before that.
    pub fn with_connection_age_max(mut self, age_max: Duration) -> Self {
        self.connection_age_max = age_max;
        self
    }

    /// How fast and how many at once the exchange may be asked. By default 5,000 of the 6,000
    /// weights that spot allows an address in a minute, so that other programs there are let live;
    /// calls for futures, which have 2,400, weigh two and a half times as much as the exchange says.
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    pub(super) fn environment(&self) -> Environment {
        self.environment
    }

    pub(super) fn limits(&self) -> Limits {
        self.limits
    }

    pub(super) fn connection_age_max(&self) -> Duration {
        self.connection_age_max
    }

    /// Where each market is called.
    pub(super) fn http_urls(&self) -> Result<BTreeMap<Market, Url>, OptionsError> {
        self.urls(&self.addresses, |row| row.2, http_address)
    }

    /// Where each market's feeds are.
    pub(super) fn socket_urls(&self) -> Result<BTreeMap<Market, Url>, OptionsError> {
        self.urls(&self.feed_addresses, |row| row.3, socket_address)
    }

    fn urls(
        &self,
        given: &BTreeMap<Market, String>,
        own: impl Fn(&(Environment, Market, &'static str, &'static str)) -> &'static str,
        read: impl Fn(&str) -> Result<Url, OptionsError>,
    ) -> Result<BTreeMap<Market, Url>, OptionsError> {
        let own_rows = ADDRESSES.iter().filter(|row| row.0 == self.environment);
        let mut urls = BTreeMap::new();
        for row in own_rows {
            urls.insert(row.1, read(own(row))?);
        }
        for (market, text) in given {
            urls.insert(*market, read(text)?);
        }
        Ok(urls)
    }

    pub(super) fn http<'url>(&self, mut urls: impl Iterator<Item = &'url Url>) -> HttpOptions {
        HttpOptions {
            timeout: self.timeout,
            connect_timeout: self.connect_timeout,
            body_bytes_max: BODY_BYTES_MAX,
            direct: urls.all(is_loopback),
        }
    }

    pub(super) fn socket(&self, market: Market) -> SocketOptions {
        let silence_max = match market {
            Market::Spot => SILENCE_MAX_SPOT,
            _ => SILENCE_MAX_FUTURES,
        };
        SocketOptions {
            connect_timeout: self.connect_timeout,
            silence_max: self.silence_max.unwrap_or(silence_max),
            message_bytes_max: MESSAGE_BYTES_MAX,
        }
    }
}

impl Default for BinanceOptions {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exchanges_own_addresses_can_be_read() {
        for environment in [Environment::Live, Environment::Testnet, Environment::Demo] {
            let options = BinanceOptions::new().with_environment(environment);
            assert_eq!(options.http_urls().unwrap().len(), 3, "{environment}");
            assert_eq!(options.socket_urls().unwrap().len(), 3, "{environment}");
        }
    }

    /// Bug 10 of the model: what a test venue said was kept under the key of the live one.
    #[test]
    fn bug_10_no_environment_speaks_with_the_address_of_another() {
        let of = |environment| {
            let options = BinanceOptions::new().with_environment(environment);
            options.http_urls().unwrap().into_values().collect::<Vec<_>>()
        };
        let live = of(Environment::Live);
        for environment in [Environment::Testnet, Environment::Demo, Environment::Replay] {
            assert!(of(environment).iter().all(|url| !live.contains(url)), "{environment}");
        }
        assert!(of(Environment::Replay).is_empty());
    }

    #[test]
    fn a_given_address_takes_the_place_of_the_own() {
        let options =
            BinanceOptions::new().with_address(Market::Spot, "https://data-api.binance.vision");
        let urls = options.http_urls().unwrap();
        assert_eq!(urls[&Market::Spot].as_str(), "https://data-api.binance.vision/");
        assert_eq!(urls[&Market::Linear].as_str(), "https://fapi.binance.com/");
        assert!(options.with_address(Market::Spot, "nowhere").http_urls().is_err());
    }
}
