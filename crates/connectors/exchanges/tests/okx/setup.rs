use std::sync::Arc;
use std::time::Duration;

use cache_core::clock::{ManualClock, Timestamp};
use cache_core::testing::TestStorage;
use cache_exchanges::okx::{Okx, OkxOptions};
use cache_series::cache::{Reading, Retry, SeriesCache, SeriesOptions};
use cache_series::key::{Environment, Market, SeriesKey};
use cache_series::request::Request;
use cache_series::row::Candle;
use cache_series::store::Store;
use cache_series::time::{Time, Timeframe};
use tiers_local_venue::{History, Interval, LocalVenue};
use tokio::time::timeout;

/// A Monday at midnight, where a minute, an hour, a day and a week begin; pages of 300 minutes
/// begin at its 240th, 540th and so on.
pub(crate) const START_MS: i64 = 1_699_833_600_000;
pub(crate) const MINUTE_MS: i64 = 60_000;
/// So many minutes there are, all of them over.
pub(crate) const MINUTES: i64 = 5_000;

pub(crate) const SPOT: &str = "BTC-USDT";
pub(crate) const SWAP: &str = "BTC-USDT-SWAP";

/// A venue, a connector to it and a clock that all three look at.
pub(crate) struct World {
    pub(crate) venue: LocalVenue,
    pub(crate) okx: Okx,
    pub(crate) clock: ManualClock,
    pub(crate) storage: Arc<TestStorage>,
}

/// Twice as many minutes as are over.
pub(crate) fn history() -> History {
    History::generated(Interval::MINUTE, START_MS, 2 * MINUTES as usize, 11)
}

impl World {
    /// With that history in spot, and as much of it in a perpetual contract.
    pub(crate) async fn of(history: History) -> Self {
        let venue = LocalVenue::start(START_MS + MINUTES * MINUTE_MS).await.unwrap();
        venue.list(SPOT, history.clone());
        venue.list(SWAP, history);
        let clock = ManualClock::new();
        clock.step_wall(Timestamp::from_unix_ms(venue.now_ms().unsigned_abs()));
        let mut options = OkxOptions::new()
            .with_environment(Environment::Replay)
            .with_timeout(Duration::from_secs(20))
            .with_clock(Arc::new(clock.clone()));
        for market in [Market::Spot, Market::Linear] {
            let feed = format!("{}/ws/v5/business", venue.feed_url());
            options = options.with_address(market, venue.url()).with_feed_address(market, feed);
        }
        let okx = Okx::new(options).unwrap();
        Self { venue, okx, clock, storage: Arc::new(TestStorage::new()) }
    }

    /// A cache over what the world's storage holds.
    pub(crate) fn cache(&self, retry: Retry) -> SeriesCache<Candle> {
        let storage: Arc<TestStorage> = Arc::clone(&self.storage);
        let store = Store::new(storage, Arc::new(self.clock.clone()), "history").unwrap();
        SeriesCache::builder(store)
            .venue(Arc::new(self.okx.clone()))
            .options(SeriesOptions::default().with_retry(retry))
            .build()
    }

    /// Time goes on, for the cache first.
    pub(crate) fn advance(&self, symbol: &str, minutes: i64) {
        self.clock.advance(Duration::from_secs(60 * minutes.unsigned_abs()));
        let to_ms = self.venue.now_ms() + minutes * MINUTE_MS;
        self.venue.advance(symbol, Interval::MINUTE, to_ms);
    }
}

pub(crate) fn key() -> SeriesKey {
    let key = SeriesKey::new("okx", "BTC/USDT", Timeframe::Minute1).unwrap();
    key.with_environment(Environment::Replay)
}

pub(crate) fn at(minute: i64) -> Time {
    Time::from_unix_ms(START_MS + minute * MINUTE_MS)
}

pub(crate) fn range(from: i64, to: i64) -> Request {
    Request::range(at(from), at(to))
}

/// The rows that a history has in a span.
pub(crate) fn expected(history: &History, from: i64, to: i64) -> Vec<(Time, Candle)> {
    let span = at(from).unix_ms()..at(to).unix_ms();
    let candles = history.candles().range(span);
    candles
        .map(|(ms, candle)| {
            let tiers_local_venue::Candle { open, high, low, close, volume } = *candle;
            (Time::from_unix_ms(*ms), Candle { open, high, low, close, volume })
        })
        .collect()
}

/// The rows of a reading.
pub(crate) fn rows(reading: &Reading<Candle>) -> Vec<(Time, Candle)> {
    let first = START_MS / MINUTE_MS;
    reading.view().iter().map(|(slot, row)| (at(slot - first), row)).collect()
}

/// Waits until something is so; time goes on in small steps meanwhile.
pub(crate) async fn until(world: &World, mut so: impl FnMut() -> bool) {
    let waiting = async {
        while !so() {
            tokio::time::sleep(Duration::from_millis(5)).await;
            world.clock.advance(Duration::from_millis(100));
            world.venue.set_now(world.venue.now_ms() + 100);
        }
    };
    timeout(Duration::from_secs(30), waiting).await.expect("it becomes so");
}
