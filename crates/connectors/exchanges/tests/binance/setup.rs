use std::time::Duration;

use cache_exchanges::binance::{Binance, BinanceOptions};
use cache_series::key::{Environment, Market, SeriesKey};
use cache_series::time::Timeframe;
use tiers_local_venue::{History, Interval, LocalVenue};

/// A Monday at midnight, where a minute, an hour, a day and a week begin.
pub(crate) const START_MS: i64 = 1_699_833_600_000;
pub(crate) const MINUTE_MS: i64 = 60_000;
/// So many minutes there are, all of them over.
pub(crate) const MINUTES: i64 = 5_000;

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
