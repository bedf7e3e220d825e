use std::sync::Arc;
use std::time::Duration;

use cache_exchanges::kraken::{Kraken, KrakenOptions};
use cache_series::key::{Environment, Market};
use cache_series::time::Timeframe;
use cache_series::venue::Limits;
use tiers_local_venue::LocalVenue;

use crate::suite::Exchange;

pub(crate) static KRAKEN: Exchange = Exchange {
    name: "kraken",
    market: Market::Spot,
    symbol: "BTC/USD",
    listed: "XBTUSD",
    page_rows: 720,
    // No more than it answers at all.
    minutes: 700,
    feed: (Timeframe::Minute1, "1m"),
    // It says nothing, but that it takes a few seconds.
    left_alone: Duration::from_secs(5),
    shut_out: Duration::from_secs(300),
    connect: |venue| Arc::new(kraken(venue)),
};

/// A connector that is not held back, for a clock that stands still.
pub(crate) fn kraken(venue: &LocalVenue) -> Kraken {
    let options = KrakenOptions::new()
        .with_environment(Environment::Replay)
        .with_timeout(Duration::from_secs(20))
        .with_connect_timeout(Duration::from_secs(20))
        .with_limits(Limits::calls(4))
        .with_address(Market::Spot, venue.url())
        .with_feed_address(Market::Spot, format!("{}/v2", venue.feed_url()));
    Kraken::new(options).unwrap()
}
