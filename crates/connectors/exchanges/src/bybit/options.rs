use cache_series::key::{Environment, Market};

use super::limits;
use crate::connection::{Addresses, connection_options};

connection_options! {
    /// How Bybit is spoken with. Its own addresses are those of the live exchange and of the
    /// testnet.
    ///
    /// ```
    /// use cache_exchanges::bybit::{Bybit, BybitOptions};
    /// use cache_series::key::{Environment, Market};
    ///
    /// let testnet = Bybit::new(BybitOptions::new().with_environment(Environment::Testnet))?;
    /// let options = BybitOptions::new()
    ///     .with_environment(Environment::Replay)
    ///     .with_address(Market::Linear, "http://127.0.0.1:8080")
    ///     .with_feed_address(Market::Linear, "ws://127.0.0.1:8080/v5/public/linear");
    /// let replay = Bybit::new(options)?;
    /// # let _ = (testnet, replay);
    /// # Ok::<(), cache_exchanges::OptionsError>(())
    /// ```
    BybitOptions, limits::DEFAULT, ADDRESSES
}

const LIVE: &str = "https://api.bybit.com";
const TESTNET: &str = "https://api-testnet.bybit.com";

const ADDRESSES: &Addresses = &[
    (Environment::Live, Market::Spot, LIVE, "wss://stream.bybit.com/v5/public/spot"),
    (Environment::Live, Market::Linear, LIVE, "wss://stream.bybit.com/v5/public/linear"),
    (Environment::Live, Market::Inverse, LIVE, "wss://stream.bybit.com/v5/public/inverse"),
    (Environment::Testnet, Market::Spot, TESTNET, "wss://stream-testnet.bybit.com/v5/public/spot"),
    (
        Environment::Testnet,
        Market::Linear,
        TESTNET,
        "wss://stream-testnet.bybit.com/v5/public/linear",
    ),
    (
        Environment::Testnet,
        Market::Inverse,
        TESTNET,
        "wss://stream-testnet.bybit.com/v5/public/inverse",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_environment_speaks_with_the_address_of_another() {
        let of = |environment| {
            let options = BybitOptions::new().with_environment(environment);
            (options.http_urls().unwrap(), options.socket_urls().unwrap())
        };
        let (live, live_feeds) = of(Environment::Live);
        assert_eq!((live.len(), live_feeds.len()), (3, 3));
        let (testnet, testnet_feeds) = of(Environment::Testnet);
        assert_eq!((testnet.len(), testnet_feeds.len()), (3, 3));
        assert!(testnet.values().all(|url| !live.values().any(|live| live == url)));
        assert!(testnet_feeds.values().all(|url| !live_feeds.values().any(|live| live == url)));
        for environment in [Environment::Demo, Environment::Replay] {
            assert!(of(environment).0.is_empty() && of(environment).1.is_empty());
        }
        let given = BybitOptions::new().with_address(Market::Spot, "https://mirror.example");
        let urls = given.http_urls().unwrap();
        assert_eq!(urls[&Market::Spot].as_str(), "https://mirror.example/");
        assert_eq!(urls[&Market::Linear].as_str(), "https://api.bybit.com/");
        assert!(given.with_feed_address(Market::Spot, "https://x").socket_urls().is_err());
    }
}
