use cache_exchanges::coinbase::Coinbase;
use cache_series::cache::{Retry, Source};
use cache_series::key::{Environment, SeriesKey};
use cache_series::row::Candle;
use cache_series::time::{Slots, Time, Timeframe};
use cache_series::venue::{Listing, Venue, VenueErrorKind};
use tiers_local_venue::{Fault, History, Interval, LocalVenue};

use super::setup::{COINBASE, coinbase};
use crate::suite::{self, MINUTE_MS, START_MS, World, range, rows};

const FIRST: i64 = START_MS / MINUTE_MS;

async fn venue() -> (LocalVenue, Coinbase, History) {
    let venue = LocalVenue::start(START_MS + 2_000 * MINUTE_MS + 30_000).await.unwrap();
    let history = History::generated(Interval::MINUTE, START_MS, 4_000, 11);
    venue.list("BTC-USD", history.clone());
    let coinbase = coinbase(&venue);
    (venue, coinbase, history)
}

fn key() -> SeriesKey {
    COINBASE.key(Timeframe::Minute1)
}

fn named(symbol: &str) -> SeriesKey {
    let key = SeriesKey::new("coinbase", symbol, Timeframe::Minute1).unwrap();
    key.with_environment(Environment::Replay)
}

#[tokio::test]
async fn a_call_asks_for_its_slots_and_is_answered_newest_first() {
    suite::a_call_asks_for_its_slots_and_is_answered_newest_first(&COINBASE, "ONE_MINUTE", 1_000)
        .await;
}

/// Bug 6 of the model: minutes in which nobody traded were asked for again for ever.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bug_6_minutes_without_a_trade_are_asked_for_once() {
    let world = World::start(&COINBASE, |history| history.quiet(0.6)).await;
    // Over eight pages, of which none is answered with as many rows as it has minutes; for more
    // the listing would be looked for.
    let (from, to) = (100, 2_300);
    let reading = world.minutes(Retry::NEVER).read(range(from, to)).await.unwrap();
    assert_eq!(rows(&reading), world.expected(from, to));
    assert!((500..1_500).contains(&reading.len()), "{}", reading.len());
    let calls = world.venue.calls().klines;
    assert_eq!(calls, world.pages(from, to));
    // Another process, within the hour in which nothing is looked at again.
    let again = world.minutes(Retry::NEVER).read(range(from, to)).await.unwrap();
    assert_eq!(rows(&again), world.expected(from, to));
    assert_eq!(again.rows_from(Source::Database), again.len());
    assert_eq!(world.venue.calls().klines, calls);
}

#[tokio::test]
async fn the_listing_is_that_of_the_first_day() {
    let (venue, coinbase, _) = venue().await;
    let day = Interval::named("1d").unwrap();
    let time = |text: &str| text.parse::<Time>().unwrap();
    for (symbol, first, expected) in [
        ("ETC-USD", "2015-09-01T00:00:00Z", "2015-09-01T00:00:00Z"),
        // From the first day there is, before which there are minutes.
        ("LTC-USD", "2015-07-20T00:00:00Z", "2015-01-01T00:00:00Z"),
    ] {
        venue.list(symbol, History::generated(day, time(first).unix_ms(), 900, 3));
        let listing = coinbase.listing(&named(symbol)).await.unwrap();
        assert_eq!(listing, Listing::since(time(expected)), "{symbol}");
    }
    assert_eq!((venue.calls().klines, venue.calls().others), (2, 4));
    // Found in the second span, and then not in the first once more.
    venue.list("ETH-USD", History::generated(day, time("2016-05-18T00:00:00Z").unix_ms(), 9, 3));
    let listing = coinbase.listing(&named("ethusd")).await.unwrap();
    assert_eq!(listing, Listing::since(time("2016-05-18T00:00:00Z")));
    let error = coinbase.listing(&named("NOSUCH-USD")).await.unwrap_err();
    assert_eq!(error.kind(), VenueErrorKind::UnknownSymbol);
    assert_eq!(venue.calls().klines, 5);
}

/// One answer that is empty by mistake moved it to where days were found next, for a day.
#[tokio::test]
async fn one_empty_answer_moves_no_listing() {
    let (venue, coinbase, _) = venue().await;
    let day = Interval::named("1d").unwrap();
    let first: Time = "2015-09-01T00:00:00Z".parse().unwrap();
    venue.list("ETC-USD", History::generated(day, first.unix_ms(), 900, 3));
    venue.fail_next(Fault::EmptyList);
    let listing = coinbase.listing(&named("ETC-USD")).await.unwrap();
    assert_eq!((listing, venue.calls().klines), (Listing::since(first), 3));
}

#[tokio::test]
async fn the_clock_is_told() {
    let (venue, coinbase, _) = venue().await;
    let time = Venue::<Candle>::server_time(&coinbase).await.unwrap().unwrap();
    assert_eq!(time.unix_ms(), venue.now_ms());
}

#[tokio::test]
async fn what_the_exchange_does_not_have_is_told_apart() {
    let (venue, coinbase, _) = venue().await;
    let slots = Slots::new(FIRST, FIRST + 3);
    for timeframe in [Timeframe::Minute3, Timeframe::Hour12, Timeframe::Week1, Timeframe::Month1] {
        let key = key().with_timeframe(timeframe);
        assert_eq!(
            coinbase.page(&key, slots).await.unwrap_err().kind(),
            VenueErrorKind::Unsupported
        );
    }
    assert_eq!(venue.calls().klines, 0);
    // The venue has days, and says that it has no such granularity.
    venue.list("ETH-USD", History::generated(Interval::named("1d").unwrap(), START_MS, 3, 1));
    let error = coinbase.page(&named("ETH-USD"), slots).await.unwrap_err();
    assert_eq!(error.kind(), VenueErrorKind::Unsupported, "{error}");
}
