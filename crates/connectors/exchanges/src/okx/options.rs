use std::sync::Arc;

use cache_core::clock::Clock;
use cache_series::key::{Environment, Market};

use super::limits;
use crate::connection::{Addresses, connection_options};

connection_options! {
    /// How OKX is spoken with. Its own addresses are those of the live exchange and of demo
    /// trading.
    ///
    /// ```
    /// use cache_exchanges::okx::{Okx, OkxOptions};
    /// use cache_series::key::{Environment, Market};
    ///
    /// let demo = Okx::new(OkxOptions::new().with_environment(Environment::Demo))?;
    /// let options = OkxOptions::new()
    ///     .with_address(Market::Spot, "https://eea.okx.com")
    ///     .with_feed_address(Market::Spot, "wss://wseea.okx.com/ws/v5/business");
    /// let europe = Okx::new(options)?;
    /// # let _ = (demo, europe);
    /// # Ok::<(), cache_exchanges::OptionsError>(())
    /// ```
    OkxOptions, limits::DEFAULT, ADDRESSES
}

const REST: &str = "https://openapi.okx.com";
const FEED: &str = "wss://ws.okx.com/ws/v5/business";
const DEMO_FEED: &str = "wss://wspap.okx.com/ws/v5/business";

const ADDRESSES: &Addresses = &[
    (Environment::Live, Market::Spot, REST, FEED),
    (Environment::Live, Market::Linear, REST, FEED),
    (Environment::Live, Market::Inverse, REST, FEED),
    // By the same address, but with a header.
    (Environment::Demo, Market::Spot, REST, DEMO_FEED),
    (Environment::Demo, Market::Linear, REST, DEMO_FEED),
    (Environment::Demo, Market::Inverse, REST, DEMO_FEED),
];

/// By this header a call is one of demo trading.
const DEMO: (&str, &str) = ("x-simulated-trading", "1");

impl OkxOptions {
    /// Another clock, by which is decided whether candles are so new that they are asked for
    /// where more calls are allowed; by default that of the machine. It may be some hours wrong.
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.connection.clock = clock;
        self
    }

    /// What stands in the head of every call.
    pub(super) fn headers(&self) -> &'static [(&'static str, &'static str)] {
        match self.connection.environment {
            Environment::Demo => &[DEMO],
            _ => &[],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_environment_speaks_with_the_world_of_another() {
        let of = |environment| {
            let options = OkxOptions::new().with_environment(environment);
            let worlds = (options.http_urls().unwrap(), options.socket_urls().unwrap());
            (worlds.0, worlds.1, options.headers())
        };
        let (live, live_feeds, live_headers) = of(Environment::Live);
        assert_eq!((live.len(), live_feeds.len(), live_headers.len()), (3, 3, 0));
        let (demo, demo_feeds, demo_headers) = of(Environment::Demo);
        assert_eq!((demo.len(), demo_feeds.len()), (3, 3));
        assert_eq!(demo_headers, [("x-simulated-trading", "1")], "the address is the same");
        assert!(demo_feeds.values().all(|url| !live_feeds.values().any(|live| live == url)));
        for environment in [Environment::Testnet, Environment::Replay] {
            let (urls, feeds, headers) = of(environment);
            assert!(urls.is_empty() && feeds.is_empty() && headers.is_empty());
        }
        let given = OkxOptions::new().with_address(Market::Spot, "https://mirror.example");
        let urls = given.http_urls().unwrap();
        assert_eq!(urls[&Market::Spot].as_str(), "https://mirror.example/");
        assert_eq!(urls[&Market::Linear].as_str(), "https://openapi.okx.com/");
        assert!(given.with_feed_address(Market::Spot, "https://x").socket_urls().is_err());
    }
}
