use std::sync::Arc;
use std::time::Duration;

use cache_exchanges::binance::{Binance, BinanceOptions};
use cache_series::key::{Environment, Market, SeriesKey};
use cache_series::time::Timeframe;
use tiers_local_venue::{History, Interval, LocalVenue};

use crate::suite::Exchange;

pub(crate) use crate::suite::{MINUTE_MS, START_MS};

/// So many minutes there are, all of them over.
pub(crate) const MINUTES: i64 = 5_000;

pub(crate) static BINANCE: Exchange = Exchange {
    name: "Binance",
    market: Market::Spot,
    symbol: "BTC/USDT",
    listed: "BTCUSDT",
    page_rows: 1_000,
    minutes: MINUTES,
    feed: (Timeframe::Minute1, "1m"),
    left_alone: Duration::from_secs(7),
    shut_out: Duration::from_secs(120),
    connect: |venue| Arc::new(Binance::new(options(venue)).unwrap()),
};

pub(crate) fn options(venue: &LocalVenue) -> BinanceOptions {
    let mut options = BinanceOptions::new()
        .with_environment(Environment::Replay)
        .with_timeout(Duration::from_secs(20));
    for market in [Market::Spot, Market::Linear, Market::Inverse] {
        options =
            options.with_address(market, venue.url()).with_feed_address(market, venue.feed_url());
    }
    options
}

/// A venue with `BTCUSDT`, a tenth of its minutes without a trade, and a connector to it.
pub(crate) async fn venue() -> (LocalVenue, Binance) {
    let venue = LocalVenue::start(START_MS + MINUTES * MINUTE_MS).await.unwrap();
    let history = History::generated(Interval::MINUTE, START_MS, 2 * MINUTES as usize, 11);
    venue.list("BTCUSDT", history.quiet(0.1));
    let binance = Binance::new(options(&venue)).unwrap();
    (venue, binance)
}

pub(crate) fn key(timeframe: Timeframe) -> SeriesKey {
    SeriesKey::new("Binance", "BTC/USDT", timeframe).unwrap().with_environment(Environment::Replay)
}
