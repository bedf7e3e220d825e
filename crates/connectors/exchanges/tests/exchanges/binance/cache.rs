//! The connector beneath the cache that it is made for.

use std::sync::Arc;

use cache_core::clock::{ManualClock, Timestamp};
use cache_core::testing::TestStorage;
use cache_exchanges::binance::Binance;
use cache_series::cache::{Retry, SeriesCache, SeriesOptions, Source};
use cache_series::key::{Environment, SeriesKey};
use cache_series::request::Request;
use cache_series::row::Candle;
use cache_series::store::Store;
use cache_series::time::{Time, Timeframe};
use tiers_local_venue::{History, Interval, LocalVenue};

use super::setup::{MINUTE_MS, MINUTES, START_MS, key, options, venue};

fn at(minute: i64) -> Time {
    Time::from_unix_ms(START_MS + minute * MINUTE_MS)
}

fn range(from: i64, to: i64) -> Request {
    Request::range(at(from), at(to))
}

/// A clock that shows what the venue's shows.
fn clock(venue: &LocalVenue) -> ManualClock {
    let clock = ManualClock::new();
    clock.step_wall(Timestamp::from_unix_ms(venue.now_ms().unsigned_abs()));
    clock
}

fn cache(
    storage: &Arc<TestStorage>,
    clock: &ManualClock,
    binance: Binance,
    retry: Retry,
) -> SeriesCache<Candle> {
    let storage: Arc<TestStorage> = Arc::clone(storage);
    let store = Store::new(storage, Arc::new(clock.clone()), "history").unwrap();
    SeriesCache::builder(store)
        .venue(Arc::new(binance))
        .options(SeriesOptions::default().with_retry(retry))
        .build()
}

/// How many candles the venue's history has in a span.
fn candles(from: i64, to: i64) -> u64 {
    let history = History::generated(Interval::MINUTE, START_MS, 2 * MINUTES as usize, 11);
    let (from, to) = (at(from).unix_ms(), at(to).unix_ms());
    history.quiet(0.1).candles().range(from..to).count() as u64
}

/// Bug 9 of the model: gaps were asked for one by one, by everybody anew.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bug_9_a_hundred_readers_ask_for_each_page_once() {
    let (venue, binance) = venue().await;
    let (storage, clock) = (Arc::new(TestStorage::new()), clock(&venue));
    let first = cache(&storage, &clock, binance.clone(), Retry::NEVER);
    let readers: Vec<_> = (0..100i64)
        .map(|reader| {
            let series = first.series(&key(Timeframe::Minute1)).unwrap();
            let (from, to) = (reader * 20, reader * 20 + 1_500);
            tokio::spawn(async move {
                let reading = series.read(range(from, to)).await.unwrap();
                assert_eq!(reading.len(), candles(from, to), "reader {reader}");
            })
        })
        .collect();
    for reader in readers {
        reader.await.unwrap();
    }
    // 3,480 minutes, of which the first is the 560th of its page of a thousand.
    assert_eq!(venue.calls().klines, 5);

    // Bug 6 of the model: what was known to be empty was asked for again.
    let again = cache(&storage, &clock, binance, Retry::NEVER);
    let reading = again.series(&key(Timeframe::Minute1)).unwrap().read(range(0, 3_480)).await;
    let reading = reading.unwrap();
    assert_eq!(reading.rows_from(Source::Database), candles(0, 3_480));
    assert_eq!(venue.calls().klines, 5);
}

/// Bug 10 of the model: what a connector that was given for one request answered was kept under the
/// key that all share.
#[tokio::test]
async fn bug_10_what_a_testnet_says_is_kept_as_its_own() {
    let (live_venue, live) = venue().await;
    let test_venue = LocalVenue::start(live_venue.now_ms()).await.unwrap();
    test_venue.list("BTCUSDT", History::generated(Interval::MINUTE, START_MS, 9_000, 99));
    let testnet = options(&test_venue).with_environment(Environment::Testnet);
    let testnet = Arc::new(Binance::new(testnet).unwrap());
    let (storage, clock) = (Arc::new(TestStorage::new()), clock(&live_venue));
    let cache = cache(&storage, &clock, live, Retry::NEVER);

    let minutes = key(Timeframe::Minute1);
    let other = cache.series_of(testnet, &minutes).unwrap();
    assert_eq!(other.key().environment(), Environment::Testnet);
    let made_up = other.read(range(0, 100)).await.unwrap();
    assert_eq!((made_up.len(), live_venue.calls().klines), (100, 0));
    let own = cache.series(&minutes).unwrap().read(range(0, 100)).await.unwrap();
    assert_eq!(own.rows_from(Source::Venue), candles(0, 100));
    assert_ne!(own.view().first().map(|(_, row)| row), made_up.view().first().map(|(_, row)| row));
}

#[tokio::test]
async fn exchanges_are_named_without_regard_to_case() {
    let (venue, binance) = venue().await;
    let (storage, clock) = (Arc::new(TestStorage::new()), clock(&venue));
    let cache = cache(&storage, &clock, binance, Retry::NEVER);
    for name in ["binance", "Binance", "BINANCE"] {
        let key = SeriesKey::new(name, "BTCUSDT", Timeframe::Minute1).unwrap();
        let key = key.with_environment(Environment::Replay);
        cache.series(&key).unwrap().read(range(0, 100)).await.unwrap();
    }
    assert_eq!(venue.calls().klines, 1);
}
