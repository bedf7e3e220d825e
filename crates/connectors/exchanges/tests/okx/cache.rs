//! Ranges: over the border of what is held newest, with holes, while the venue is down.

use std::time::Duration;

use cache_series::cache::{Retry, Source};
use cache_series::key::{Environment, Market, PriceType};
use cache_series::time::Timeframe;
use cache_series::venue::{Venue, VenueErrorKind};
use tiers_local_venue::Fault;

use crate::setup::{
    MINUTE_MS, MINUTES, START_MS, SWAP, World, at, expected, history, key, range, rows, until,
};

/// Pages that begin 1,200 minutes ago or later are asked for where only 1,440 are held, older ones
/// of the history: each once, and together they have every row.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_range_over_the_border_is_read_whole_and_once() {
    let world = World::of(history()).await;
    let cache = world.cache(Retry::NEVER);
    let readers: Vec<_> = (0..20)
        .map(|_| {
            let series = cache.series(&key()).unwrap();
            tokio::spawn(async move { rows(&series.read(range(3_000, 4_980)).await.unwrap()) })
        })
        .collect();
    for reader in readers {
        assert_eq!(reader.await.unwrap(), expected(&history(), 3_000, 4_980));
    }
    // From 2,940 on, in steps of 300.
    assert_eq!(world.venue.calls().klines, 7);

    let again = world.cache(Retry::NEVER).series(&key()).unwrap();
    let reading = again.read(range(2_940, 4_980)).await.unwrap();
    assert_eq!(reading.rows_from(Source::Database), 2_040);
    assert_eq!(world.venue.calls().klines, 7);
}

/// What may be held no more must not be asked for among the newest: the venue would leave it out
/// without a word.
#[tokio::test]
async fn no_row_is_missing_wherever_the_border_is() {
    for minutes_later in [0, 37, 299] {
        let world = World::of(history()).await;
        world.advance("NOBODY-LISTENS", minutes_later);
        let now = MINUTES + minutes_later;
        let series = world.cache(Retry::NEVER).series(&key()).unwrap();
        let reading = series.read(range(now - 2_000, now - 1)).await.unwrap();
        assert_eq!(rows(&reading), expected(&history(), now - 2_000, now - 1), "{minutes_later}");
    }
}

/// A time in which the exchange stood still is known as such, and not asked for again.
#[tokio::test]
async fn a_hole_is_known_as_one() {
    let hole = |from: i64, to: i64| (START_MS + from * MINUTE_MS, START_MS + to * MINUTE_MS);
    let mut broken = history();
    // Within a page of the history, within one of the newest, and where such a page begins.
    for (from_ms, to_ms) in [hole(3_000, 3_100), hole(3_900, 3_950), hole(4_440, 4_460)] {
        broken = broken.without(from_ms, to_ms);
    }
    let world = World::of(broken.clone()).await;
    let series = world.cache(Retry::NEVER).series(&key()).unwrap();
    // What lies before the last one is known by then: nobody asks whether that was the listing.
    series.read(range(2_940, 4_400)).await.unwrap();
    let reading = series.read(range(2_940, 4_980)).await.unwrap();
    assert_eq!(rows(&reading), expected(&broken, 2_940, 4_980));
    assert_eq!(reading.len(), 2_040 - 100 - 50 - 20);
    // The last of them might have been held no more, and is asked for by itself.
    assert_eq!(world.venue.calls().klines, 8);
    let again = world.cache(Retry::NEVER).series(&key()).unwrap();
    assert_eq!(again.read(range(2_940, 4_980)).await.unwrap().len(), 1_870);
    assert_eq!(world.venue.calls().klines, 8);
}

/// Bug 8 of the model: an error was an empty list.
#[tokio::test]
async fn bug_8_an_outage_is_an_error_and_passes() {
    let world = World::of(history()).await;
    world.venue.fail_span(START_MS, START_MS + 300 * MINUTE_MS, Fault::unavailable());
    let series = world.cache(Retry::NEVER).series(&key()).unwrap();
    let error = series.read(range(250, 1_000)).await.unwrap_err();
    assert_eq!(error.venue_error().map(|error| error.kind()), Some(VenueErrorKind::Unavailable));
    assert!(error.is_transient());
    world.venue.clear_faults();
    world.clock.advance(Duration::from_secs(2));
    let reading = series.read(range(250, 1_000)).await.unwrap();
    assert_eq!(rows(&reading), expected(&history(), 250, 1_000));
}

/// The refusal has status 200, and an empty list beside its code.
#[tokio::test]
async fn an_exchange_that_wants_to_be_left_alone_is() {
    let world = World::of(history()).await;
    world.venue.fail_next(Fault::rate_limited(9));
    let series = world.cache(Retry::default()).series(&key()).unwrap();
    let reading = tokio::spawn(async move { series.read(range(300, 500)).await });
    let mut waited = Duration::ZERO;
    let step = Duration::from_millis(250);
    while !reading.is_finished() {
        tokio::time::sleep(Duration::from_millis(2)).await;
        if world.venue.calls().failed == 1 {
            // Nobody asks before the two seconds are over by which calls are counted.
            let is_early = waited < Duration::from_millis(1_750);
            assert!(!is_early || world.venue.calls().klines == 1, "after {waited:?}");
            world.clock.advance(step);
            waited += step;
        }
    }
    assert_eq!(rows(&reading.await.unwrap().unwrap()), expected(&history(), 300, 500));
    assert_eq!(world.venue.calls().klines, 2);
}

/// Bug 6 of the model: what lies before the listing was asked for again for ever.
#[tokio::test]
async fn bug_6_what_lies_before_the_first_month_is_not_asked_for() {
    let world = World::of(history()).await;
    let series = world.cache(Retry::NEVER).series(&key()).unwrap();
    let reader = series.clone();
    let reading = tokio::spawn(async move { reader.read(range(-30_000, 600)).await.unwrap() });
    // More calls than the exchange allows at once.
    until(&world, || reading.is_finished()).await;
    assert_eq!(rows(&reading.await.unwrap()), expected(&history(), 0, 600));
    let listing = series.listing().await.unwrap();
    // The first of November.
    assert_eq!(listing.first.map(|first| first.unix_ms()), Some(1_698_796_800_000));
    let calls = world.venue.calls();
    series.read(range(-200_000, 600)).await.unwrap();
    assert_eq!(world.venue.calls(), calls, "it is known that there is nothing");
}

#[tokio::test]
async fn what_was_delivered_is_traded_no_more() {
    let world = World::of(history()).await;
    let future = "BTC-USDT-231117";
    world.venue.list(future, history());
    let key = |symbol: &str| {
        let key = cache_series::key::SeriesKey::new("okx", symbol, Timeframe::Minute1).unwrap();
        key.with_market(Market::Linear).with_environment(Environment::Replay)
    };
    let told = async |symbol: &str| Venue::listing(&world.okx, &key(symbol)).await;
    assert_eq!(told(future).await.unwrap().last, None);
    // Its end is known before it comes, and is none until then.
    world.venue.deliver(future, at(MINUTES + 60).unix_ms());
    assert_eq!(told(future).await.unwrap().last, None);
    world.clock.advance(Duration::from_secs(7_200));
    assert_eq!(told(future).await.unwrap().last, Some(at(MINUTES + 60)));
    // By the venue's clock it is over now, and it is told of no more; its candles stay.
    world.venue.set_now(at(MINUTES + 120).unix_ms());
    let listing = told(future).await.unwrap();
    assert_eq!((listing.first.is_some(), listing.last), (true, None));
    let error = told("BTC-USDT-231118").await.unwrap_err();
    assert_eq!(error.kind(), VenueErrorKind::UnknownSymbol);
}

/// Contracts count contracts in their first column, of which a hundred are a bitcoin here.
#[tokio::test]
async fn volumes_are_in_the_base_currency_everywhere() {
    let world = World::of(history()).await;
    let cache = world.cache(Retry::NEVER);
    let swap = key().with_market(Market::Linear);
    for key in [key(), swap.clone()] {
        let reading = cache.series(&key).unwrap().read(range(300, 320)).await.unwrap();
        assert_eq!(rows(&reading), expected(&history(), 300, 320), "{key}");
    }
    assert_eq!(world.venue.asked().last().unwrap().symbol, SWAP);
    let mark = cache.series(&swap.with_price(PriceType::Mark)).unwrap();
    let reading = mark.read(range(4_000, 4_500)).await.unwrap();
    let closes = |rows: &[(cache_series::time::Time, cache_series::row::Candle)]| -> Vec<f64> {
        rows.iter().map(|(_, row)| row.close).collect()
    };
    assert_eq!(closes(&rows(&reading)), closes(&expected(&history(), 4_000, 4_500)));
    assert!(rows(&reading).iter().all(|(_, row)| row.volume.is_nan()));
    assert_eq!(world.venue.asked().last().unwrap().limit, Some(100));
}

#[tokio::test]
async fn longer_candles_are_those_of_utc() {
    let world = World::of(history()).await;
    let cache = world.cache(Retry::NEVER);
    for (timeframe, bar, minutes) in [
        (Timeframe::Hour1, "1H", 60),
        (Timeframe::Hour12, "12Hutc", 720),
        (Timeframe::Day1, "1Dutc", 1_440),
    ] {
        let series = cache.series(&key().with_timeframe(timeframe)).unwrap();
        let reading = series.read(range(0, 2_880)).await.unwrap();
        assert_eq!(reading.len(), 2_880 / minutes, "{timeframe}");
        assert!(world.venue.asked().iter().any(|asked| asked.interval == bar), "{bar}");
        let first = reading.view().first().unwrap().1;
        assert_eq!(first.open, expected(&history(), 0, 1)[0].1.open);
    }
}
