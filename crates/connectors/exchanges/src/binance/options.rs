use std::time::Duration;

use cache_series::key::{Environment, Market};

use super::limits;
use crate::connection::{Addresses, connection_options};
use crate::socket::SocketOptions;

connection_options! {
    /// How Binance is spoken with. Its own addresses are those of the live exchange, of the testnet
    /// and of demo trading.
    ///
    /// By default 5,000 of the 6,000 weights are used that spot allows an address in a minute; calls
    /// for futures, which have 2,400, weigh two and a half times as much as the exchange says.
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
    /// let mirror = BinanceOptions::new()
    ///     .with_address(Market::Spot, "https://data-api.binance.vision")
    ///     .with_feed_address(Market::Spot, "wss://data-stream.binance.vision");
    /// # let _ = (replay, mirror);
    /// # Ok::<(), cache_exchanges::OptionsError>(())
    /// ```
    BinanceOptions, limits::DEFAULT, ADDRESSES
}

const ADDRESSES: &Addresses = &[
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

/// Spot's streams ping every 20 seconds, those of futures every three minutes: three pings late.
const SILENCE_MAX_SPOT: Duration = Duration::from_secs(60);
const SILENCE_MAX_FUTURES: Duration = Duration::from_secs(9 * 60);

impl BinanceOptions {
    pub(super) fn socket(&self, market: Market) -> SocketOptions {
        self.connection.socket_silent_for(match market {
            Market::Spot => SILENCE_MAX_SPOT,
            _ => SILENCE_MAX_FUTURES,
        })
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
