use std::sync::Arc;
use std::time::Duration;

use cache_core::clock::{ManualClock, Timestamp};
use cache_exchanges::okx::{Okx, OkxOptions};
use cache_series::key::{Environment, Market, SeriesKey};
use cache_series::time::Timeframe;
use tiers_local_venue::LocalVenue;

use crate::suite::Exchange;

/// So many minutes there are, all of them over. Pages of 300 begin at the 240th, 540th and so on.
pub(crate) const MINUTES: i64 = 5_000;

pub(crate) static SPOT: Exchange = exchange(Market::Spot, "BTC-USDT", MINUTES);

/// For the suite's tests: so few minutes that nobody asks for the listing before the pages of a
/// request, for which the exchange is asked for candles, too.
pub(crate) static SPOT_OF_LATE: Exchange = exchange(Market::Spot, "BTC-USDT", 3_000);
pub(crate) static PERPETUAL_OF_LATE: Exchange = exchange(Market::Linear, "BTC-USDT-SWAP", 3_000);

const fn exchange(market: Market, listed: &'static str, minutes: i64) -> Exchange {
    Exchange {
        name: "okx",
        market,
        symbol: "BTC/USDT",
        listed,
        page_rows: 300,
        minutes,
        feed: (Timeframe::Minute1, "1m"),
        // It says nothing, and counts calls over two seconds.
        left_alone: Duration::from_secs(2),
        shut_out: Duration::from_secs(300),
        connect: |venue| Arc::new(okx(venue)),
    }
}

/// A connector whose clock shows what the venue's does now, and stands still there.
pub(crate) fn okx(venue: &LocalVenue) -> Okx {
    okx_at(venue, venue.now_ms())
}

pub(crate) fn okx_at(venue: &LocalVenue, now_ms: i64) -> Okx {
    let clock = ManualClock::new();
    clock.step_wall(Timestamp::from_unix_ms(now_ms.unsigned_abs()));
    let mut options = OkxOptions::new()
        .with_environment(Environment::Replay)
        .with_timeout(Duration::from_secs(20))
        .with_connect_timeout(Duration::from_secs(20))
        .with_clock(Arc::new(clock));
    for market in [Market::Spot, Market::Linear, Market::Inverse] {
        let feed = format!("{}/ws/v5/business", venue.feed_url());
        options = options.with_address(market, venue.url()).with_feed_address(market, feed);
    }
    Okx::new(options).unwrap()
}

pub(crate) fn key_of(market: Market, symbol: &str) -> SeriesKey {
    let key = SeriesKey::new("okx", symbol, Timeframe::Minute1).unwrap();
    key.with_market(market).with_environment(Environment::Replay)
}
