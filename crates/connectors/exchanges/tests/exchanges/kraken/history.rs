//! What of the exchange's history there is beneath the cache, and what there is not.

use std::time::Duration;

use cache_series::cache::{Retry, Source};
use cache_series::request::{Completeness, Request};
use cache_series::time::{Time, Timeframe};
use cache_series::venue::VenueErrorKind;
use tiers_local_venue::{History, Interval};

use super::setup::KRAKEN;
use crate::suite::{Exchange, MINUTE_MS, START_MS, World, at, range, rows};

/// The same with more behind it than it answers.
static LONG: Exchange = Exchange { minutes: 4_000, ..KRAKEN };

/// What was let go is no hole: it stays missing, and nobody is asked for it.
#[tokio::test]
async fn what_lies_before_the_newest_stays_missing() {
    let world = World::start(&LONG, |history| history).await;
    world.pass(Duration::from_secs(30));
    let series = world.minutes(Retry::default());
    let error = series.read(range(0, 4_000)).await.unwrap_err();
    assert!(!error.is_transient(), "{error}");
    let venue_error = error.venue_error().unwrap();
    assert_eq!(venue_error.kind(), VenueErrorKind::Unsupported, "{venue_error}");
    assert!(venue_error.message().contains("its newest rows alone"), "{venue_error}");

    let all = range(0, 4_000).with_completeness(Completeness::BestEffort);
    let reading = series.read(all).await.unwrap();
    assert_eq!(rows(&reading), world.expected(3_280, 4_000));
    let report = reading.report();
    assert_eq!((report.present, report.missing_slots()), (720, 3_280));
    assert_eq!((report.empty, report.before_listing), (0, 0), "nothing is said of them");
    // Two pages have the newest 720, and the listing is asked for by a call for candles, too.
    let calls = world.venue.calls().klines;
    assert!(calls <= 3, "{calls}");
    // However often, and long after.
    for _ in 0..10 {
        world.clock.advance(Duration::from_secs(1_000));
        let again = series.read(range(0, 3_000).with_completeness(Completeness::BestEffort));
        assert_eq!(again.await.unwrap().len(), 0);
    }
    assert_eq!(world.venue.calls().klines, calls);
}

/// What was read once is kept after the exchange has let it go.
#[tokio::test]
async fn what_was_read_in_time_is_kept() {
    let world = World::start(&LONG, |history| history).await;
    world.pass(Duration::from_secs(30));
    let first = world.minutes(Retry::NEVER).read(range(3_300, 3_980)).await.unwrap();
    assert_eq!(rows(&first), world.expected(3_300, 3_980));
    world.pass(Duration::from_millis((1_000 * MINUTE_MS).unsigned_abs()));
    let calls = world.venue.calls().klines;
    let again = world.minutes(Retry::NEVER).read(range(3_300, 3_980)).await.unwrap();
    assert_eq!(again.rows_from(Source::Database), 680);
    assert_eq!((rows(&again), world.venue.calls().klines), (rows(&first), calls));
    // Between then and what is answered now there is a part that is lost. Of its page more had come
    // with it at first.
    let all = range(3_300, 5_000).with_completeness(Completeness::BestEffort);
    let all = world.minutes(Retry::NEVER).read(all).await.unwrap();
    let mut expected = world.expected(3_300, 4_000);
    expected.extend(world.expected(4_280, 5_000));
    assert_eq!((rows(&all), all.report().missing_slots()), (expected, 280));
}

/// Minutes without a trade are flat rows, which are rows like others.
#[tokio::test]
async fn a_hole_is_flat_and_asked_for_once() {
    let (from, to) = (350, 390);
    let hole = |minute: i64| at(minute).unix_ms();
    let world = World::start(&KRAKEN, |history| history.without(hole(from), hole(to))).await;
    let reading = world.minutes(Retry::NEVER).read(range(300, 420)).await.unwrap();
    let close = world.expected(from - 1, from)[0].1[3];
    let flat = (from..to).map(|minute| (hole(minute), [close, close, close, close, 0.0]));
    let mut expected = world.expected(300, from);
    expected.extend(flat);
    expected.extend(world.expected(to, 420));
    assert_eq!(rows(&reading), expected);
    assert_eq!(world.venue.calls().klines, 1);
    let again = world.minutes(Retry::NEVER).read(range(300, 420)).await.unwrap();
    assert_eq!(again.rows_from(Source::Database), 120);
    assert_eq!(world.venue.calls().klines, 1);
}

/// A pair that is younger than what the exchange reaches back to: its history is whole, however far
/// back it is asked for.
#[tokio::test]
async fn what_lies_before_the_listing_is_told_apart() {
    let day = Interval::named("1d").unwrap();
    let day_ms = day.next_after(0);
    let world = World::start(&KRAKEN, |history| history).await;
    world.venue.list("XBTUSD", History::generated(day, START_MS, 200, 5));
    world.pass(Duration::from_millis((100 * day_ms).unsigned_abs()));
    let days = KRAKEN.key(Timeframe::Day1);
    let read = async |days_before: i64| {
        let series = world.cache(Retry::NEVER).series(&days).unwrap();
        let since = Time::from_unix_ms(START_MS - days_before * day_ms);
        let until = Time::from_unix_ms(START_MS + 100 * day_ms);
        let reading = series.read(Request::range(since, until)).await.unwrap();
        let report = reading.report();
        assert_eq!((reading.len(), report.missing_slots()), (100, 0), "{days_before}");
        (report.empty, report.before_listing)
    };
    // Within reach nothing was traded before, and nobody has to know why.
    assert_eq!(read(500).await, (500, 0));
    // Beyond it, it matters since when it is traded.
    let (empty, before_listing) = read(3_000).await;
    assert_eq!(empty + before_listing, 3_000);
    assert!(before_listing > 2_000, "{before_listing}");
    let calls = world.venue.calls().klines;
    let (empty, before_listing) = read(2_000).await;
    assert_eq!(empty + before_listing, 2_000);
    assert_eq!(world.venue.calls().klines, calls, "it is known");
}
