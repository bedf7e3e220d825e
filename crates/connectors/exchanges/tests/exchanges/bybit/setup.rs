use std::sync::Arc;
use std::time::Duration;

use cache_exchanges::bybit::{Bybit, BybitOptions};
use cache_series::key::{Environment, Market};
use cache_series::time::Timeframe;
use tiers_local_venue::LocalVenue;

use crate::suite::Exchange;

pub(crate) static BYBIT: Exchange = Exchange {
    name: "bybit",
    market: Market::Linear,
    symbol: "BTC/USDT",
    listed: "BTCUSDT",
    page_rows: 1_000,
    minutes: 5_000,
    feed: (Timeframe::Minute1, "1m"),
    // It says nothing, and counts calls over five seconds.
    left_alone: Duration::from_secs(5),
    shut_out: Duration::from_secs(600),
    connect: |venue| Arc::new(bybit(venue)),
};

pub(crate) fn bybit(venue: &LocalVenue) -> Bybit {
    let mut options = BybitOptions::new()
        .with_environment(Environment::Replay)
        .with_timeout(Duration::from_secs(20))
        .with_connect_timeout(Duration::from_secs(20));
    for (market, category) in
        [(Market::Spot, "spot"), (Market::Linear, "linear"), (Market::Inverse, "inverse")]
    {
        let feed = format!("{}/v5/public/{category}", venue.feed_url());
        options = options.with_address(market, venue.url()).with_feed_address(market, feed);
    }
    Bybit::new(options).unwrap()
}
