use cache_series::key::{Environment, Market};

use super::limits;
use crate::connection::{Addresses, connection_options};

connection_options! {
    /// How Coinbase is spoken with. Its own address is that of the live exchange: its sandbox has
    /// accounts, and no candles.
    ///
    /// ```
    /// use cache_exchanges::coinbase::{Coinbase, CoinbaseOptions};
    /// use cache_series::key::{Environment, Market};
    ///
    /// let live = Coinbase::new(CoinbaseOptions::new())?;
    /// let options = CoinbaseOptions::new()
    ///     .with_environment(Environment::Replay)
    ///     .with_address(Market::Spot, "http://127.0.0.1:8080")
    ///     .with_feed_address(Market::Spot, "ws://127.0.0.1:8080");
    /// let replay = Coinbase::new(options)?;
    /// # let _ = (live, replay);
    /// # Ok::<(), cache_exchanges::OptionsError>(())
    /// ```
    CoinbaseOptions, limits::DEFAULT, ADDRESSES
}

const ADDRESSES: &Addresses = &[(
    Environment::Live,
    Market::Spot,
    "https://api.coinbase.com",
    "wss://advanced-trade-ws.coinbase.com",
)];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_environment_speaks_with_the_address_of_another() {
        let of = |environment| {
            let options = CoinbaseOptions::new().with_environment(environment);
            (options.http_urls().unwrap(), options.socket_urls().unwrap())
        };
        let (live, feeds) = of(Environment::Live);
        assert_eq!(live[&Market::Spot].as_str(), "https://api.coinbase.com/");
        assert_eq!(feeds[&Market::Spot].as_str(), "wss://advanced-trade-ws.coinbase.com/");
        assert_eq!((live.len(), feeds.len()), (1, 1));
        for environment in [Environment::Testnet, Environment::Demo, Environment::Replay] {
            assert!(of(environment).0.is_empty() && of(environment).1.is_empty());
        }
        let given = CoinbaseOptions::new().with_address(Market::Spot, "https://mirror.example");
        let urls = given.http_urls().unwrap();
        assert_eq!(urls[&Market::Spot].as_str(), "https://mirror.example/");
        assert!(given.with_feed_address(Market::Spot, "https://x").socket_urls().is_err());
    }
}
