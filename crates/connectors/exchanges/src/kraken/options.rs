use cache_series::key::{Environment, Market};

use super::limits;
use crate::connection::{Addresses, connection_options};

connection_options! {
    /// How Kraken is spoken with. Its own addresses are those of the live exchange, which has no
    /// public testnet for spot.
    ///
    /// ```
    /// use cache_exchanges::kraken::{Kraken, KrakenOptions};
    /// use cache_series::key::{Environment, Market};
    ///
    /// let live = Kraken::new(KrakenOptions::new())?;
    /// let options = KrakenOptions::new()
    ///     .with_environment(Environment::Replay)
    ///     .with_address(Market::Spot, "http://127.0.0.1:8080")
    ///     .with_feed_address(Market::Spot, "ws://127.0.0.1:8080/v2");
    /// let replay = Kraken::new(options)?;
    /// # let _ = (live, replay);
    /// # Ok::<(), cache_exchanges::OptionsError>(())
    /// ```
    KrakenOptions, limits::DEFAULT, ADDRESSES
}

const ADDRESSES: &Addresses =
    &[(Environment::Live, Market::Spot, "https://api.kraken.com", "wss://ws.kraken.com/v2")];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_environment_speaks_with_the_address_of_another() {
        let of = |environment| {
            let options = KrakenOptions::new().with_environment(environment);
            (options.http_urls().unwrap(), options.socket_urls().unwrap())
        };
        let (live, live_feeds) = of(Environment::Live);
        assert_eq!((live.len(), live_feeds.len()), (1, 1));
        assert_eq!(live[&Market::Spot].as_str(), "https://api.kraken.com/");
        assert_eq!(live_feeds[&Market::Spot].as_str(), "wss://ws.kraken.com/v2");
        for environment in [Environment::Testnet, Environment::Demo, Environment::Replay] {
            assert!(of(environment).0.is_empty() && of(environment).1.is_empty());
        }
        let given = KrakenOptions::new().with_address(Market::Spot, "https://mirror.example");
        assert_eq!(given.http_urls().unwrap()[&Market::Spot].as_str(), "https://mirror.example/");
        assert!(given.with_feed_address(Market::Spot, "https://x").socket_urls().is_err());
    }
}
