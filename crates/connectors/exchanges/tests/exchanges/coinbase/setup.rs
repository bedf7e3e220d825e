use std::sync::Arc;
use std::time::Duration;

use cache_exchanges::coinbase::{Coinbase, CoinbaseOptions};
use cache_series::key::{Environment, Market};
use cache_series::time::Timeframe;
use cache_series::venue::Limits;
use tiers_local_venue::LocalVenue;

use crate::suite::Exchange;

pub(crate) static COINBASE: Exchange = Exchange {
    name: "coinbase",
    market: Market::Spot,
    symbol: "BTC/USD",
    listed: "BTC-USD",
    page_rows: 300,
    minutes: 3_000,
    feed: (Timeframe::Minute5, "5m"),
    // It says nothing, and counts calls over a second.
    left_alone: Duration::from_secs(1),
    shut_out: Duration::from_secs(60),
    connect: |venue| Arc::new(coinbase(venue)),
};

pub(crate) fn coinbase(venue: &LocalVenue) -> Coinbase {
    let options = CoinbaseOptions::new()
        .with_environment(Environment::Replay)
        .with_timeout(Duration::from_secs(20))
        .with_connect_timeout(Duration::from_secs(20))
        .with_address(Market::Spot, venue.url())
        .with_feed_address(Market::Spot, venue.feed_url())
        // Its own six calls a second take time, which stands still here.
        .with_limits(Limits::calls(4));
    Coinbase::new(options).unwrap()
}
