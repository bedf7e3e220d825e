//! Venues that do not answer: what is known is read as fast as ever, and they are left alone.

use std::time::Duration;

use cache_series::cache::{Retry, Series, SeriesError, SeriesOptions};
use cache_series::coverage::Kind;
use cache_series::key::SeriesKey;
use cache_series::request::Request;
use cache_series::row::Candle;
use cache_series::time::{Slots, Timeframe};
use cache_series::venue::{Limits, UsedWeight, VenueErrorKind};

use crate::venue::{Said, TestVenue, candle};
use crate::world::{NOW, World, at, plain_options, range, rows};

/// The last page that is over as a whole.
const KNOWN: Slots = Slots::new(NOW / 100 * 100 - 100, NOW / 100 * 100);

/// All of `KNOWN` is; the newer half of it is due to be checked. One call at once.
async fn warm(options: SeriesOptions) -> World {
    let venue = TestVenue::new(NOW - 500..NOW);
    venue.change(|said| said.limits = Limits::calls(1));
    let world = World::with(venue, options.with_revised_last(100));
    world.series().read(range(KNOWN)).await.unwrap();
    world.advance(7_200);
    world.venue.calls();
    world
}

fn everything() -> Slots {
    Slots::new(0, NOW + 10_000)
}

/// The newest row as the venue has revised it.
fn revise(world: &World) -> Candle {
    let revised = Candle::flat(9.5, 3.0);
    world.venue.change(|said| {
        said.rows.insert(KNOWN.end - 1, revised);
    });
    revised
}

async fn others_go_on() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_check_that_fails_is_made_once_and_less_and_less_often() {
    let world = warm(plain_options().with_retry(Retry::times(3))).await;
    world.venue.change(|said| said.outage = everything());
    let mut asked = Vec::new();
    for second in 0..600 {
        let series = world.series();
        let reading = tokio::spawn(async move { series.read(range(KNOWN)).await });
        others_go_on().await;
        assert!(reading.is_finished(), "it waits for nothing, {second}");
        let reading = reading.await.unwrap().unwrap();
        assert_eq!((reading.len(), reading.report().missing_slots()), (100, 0));
        asked.extend(world.venue.calls().iter().map(|_| second));
        world.advance(1);
    }
    assert_eq!(asked, [0, 1, 3, 7, 15, 31, 63, 127, 255, 511]);
    let revised = revise(&world);
    world.venue.change(|said| said.outage = Slots::default());
    world.advance(300);
    for calls in [1, 0] {
        let reading = world.series().read(range(KNOWN)).await.unwrap();
        assert_eq!(rows(&reading)[99], (KNOWN.end - 1, revised));
        assert_eq!(world.venue.calls().len(), calls);
        world.advance(300);
    }
}

/// Nobody can tell whether the venue's clock agrees; what is known is counted nevertheless.
#[tokio::test]
async fn rows_are_counted_on_over_a_check_that_was_not_made_for_want_of_a_clock() {
    let mut world = warm(plain_options()).await;
    world.restart();
    world.venue.change(|said| said.clock_failures = 1_000);
    let request = Request::since(at(KNOWN.start), Some(100));
    let reading = world.series().read(request).await.unwrap();
    assert_eq!(rows(&reading), KNOWN.iter().map(|slot| (slot, candle(slot))).collect::<Vec<_>>());
    assert_eq!(world.venue.calls(), []);
}

/// One that fails takes nothing from a request that needs another page.
#[tokio::test]
async fn a_check_that_fails_ends_no_request() {
    let world = warm(plain_options()).await;
    world.venue.change(|said| said.outage = KNOWN);
    // The check comes first.
    let slots = Slots::new(KNOWN.start, KNOWN.end + 20);
    let reading = world.series().read(range(slots)).await.unwrap();
    let expected: Vec<_> = slots.iter().map(|slot| (slot, candle(slot))).collect();
    assert_eq!(rows(&reading), expected);
    assert_eq!(world.venue.calls().len(), 2);
}

#[tokio::test]
async fn a_check_is_not_waited_for_long_and_kept_when_it_comes() {
    let world = warm(plain_options().with_check_wait(Duration::from_secs(2))).await;
    let revised = revise(&world);
    world.venue.change(|said| said.holds = true);
    let series = world.series();
    let reading = tokio::spawn(async move { series.read(range(KNOWN)).await });
    others_go_on().await;
    assert_eq!((reading.is_finished(), world.venue.calls().len()), (false, 1));
    world.advance(2);
    others_go_on().await;
    assert!(reading.is_finished());
    let reading = reading.await.unwrap().unwrap();
    assert_eq!(rows(&reading)[99], (KNOWN.end - 1, candle(KNOWN.end - 1)));
    // Nobody else waits for it meanwhile.
    assert_eq!(world.series().read(range(KNOWN)).await.unwrap().len(), 100);
    world.venue.release();
    others_go_on().await;
    let reading = world.series().read(range(KNOWN)).await.unwrap();
    assert_eq!(rows(&reading)[99], (KNOWN.end - 1, revised));
    assert_eq!(world.venue.calls(), []);
}

/// However many have waited for it, and although it has failed at last.
#[tokio::test]
async fn a_check_that_fails_counts_once() {
    let world = warm(plain_options()).await;
    world.venue.change(|said| (said.holds, said.outage) = (true, everything()));
    let readers: Vec<_> = (0..5)
        .map(|_| {
            let series = world.series();
            tokio::spawn(async move { series.read(range(KNOWN)).await })
        })
        .collect();
    others_go_on().await;
    world.advance(2);
    others_go_on().await;
    assert!(readers.iter().all(|reader| reader.is_finished()), "they wait no longer");
    world.venue.release();
    others_go_on().await;
    assert_eq!(world.venue.calls().len(), 1);
    let mut asked = Vec::new();
    for second in 2..40 {
        assert_eq!(world.series().read(range(KNOWN)).await.unwrap().len(), 100);
        asked.extend(world.venue.calls().iter().map(|_| second));
        world.advance(1);
    }
    assert_eq!(asked, [3, 5, 9, 17, 33]);
}

/// While it is under way, others are answered at once, however long that takes.
#[tokio::test]
async fn a_check_is_waited_for_in_vain_once() {
    let world = warm(plain_options()).await;
    let revised = revise(&world);
    world.venue.change(|said| said.holds = true);
    for round in 0..10 {
        let series = world.series();
        let reading = tokio::spawn(async move { series.read(range(KNOWN)).await });
        others_go_on().await;
        assert_eq!(reading.is_finished(), round > 0, "{round}");
        world.advance(2);
        assert_eq!(reading.await.unwrap().unwrap().len(), 100);
    }
    world.venue.release();
    others_go_on().await;
    let reading = world.series().read(range(KNOWN)).await.unwrap();
    assert_eq!(rows(&reading)[99], (KNOWN.end - 1, revised));
    assert_eq!(world.venue.calls().len(), 1);
}

/// Although there is more in its page that nobody knows yet.
#[tokio::test]
async fn a_check_of_what_is_read_is_not_waited_for_long() {
    let world = World::new(TestVenue::new(NOW - 500..NOW));
    let newest = Slots::new(NOW - 20, NOW);
    world.series().read(range(newest)).await.unwrap();
    world.advance(120);
    world.venue.change(|said| said.holds = true);
    let series = world.series();
    let reading = tokio::spawn(async move { series.read(range(newest)).await });
    others_go_on().await;
    world.advance(2);
    others_go_on().await;
    assert!(reading.is_finished());
    assert_eq!(reading.await.unwrap().unwrap().len(), 20);
    let gaps = world.series().gaps(at(NOW), at(NOW + 2)).await.unwrap();
    assert!(gaps.iter().all(|gap| gap.kind == Kind::Unknown) && !gaps.is_empty(), "{gaps:?}");
}

/// Rows that are needed are waited for.
#[tokio::test]
async fn what_is_not_known_is_waited_for() {
    let world = warm(plain_options()).await;
    world.venue.change(|said| said.holds = true);
    let series = world.series();
    let reading = tokio::spawn(async move { series.read(range(Slots::new(NOW - 300, NOW))).await });
    others_go_on().await;
    world.advance(20);
    others_go_on().await;
    assert!(!reading.is_finished());
    world.venue.release();
    assert_eq!(reading.await.unwrap().unwrap().len(), 300);
}

/// Reads what the series does not have; answers how many calls were made for it.
async fn ask(world: &World, series: Series<Candle>) -> Result<usize, SeriesError> {
    let result = series.read(range(Slots::new(NOW - 20, NOW - 10))).await;
    let calls = world.venue.calls().len();
    result.map(|_| calls).inspect_err(|error| {
        let venue = error.venue_error().unwrap();
        assert_eq!(venue.kind(), VenueErrorKind::Unavailable);
        assert_eq!(venue.retry_after().is_some(), calls == 0, "{venue}");
    })
}

#[tokio::test]
async fn a_venue_that_does_not_answer_is_left_alone_by_all_series() {
    let world = World::new(TestVenue::new(NOW - 500..NOW));
    world.venue.change(|said| said.outage = everything());
    let series = |symbol: usize| {
        let key = SeriesKey::new("test", &format!("S{symbol}"), Timeframe::Minute1).unwrap();
        world.cache.series(&key).unwrap()
    };
    for symbol in 0..3 {
        assert_eq!(series(symbol).stats().page_calls, 0);
        ask(&world, series(symbol)).await.unwrap_err();
        assert_eq!(series(symbol).stats().page_calls, 1);
        world.advance(u64::from(symbol < 2));
    }
    // It is left alone for a second, and then for two.
    let mut symbol = 3;
    let mut calls = Vec::new();
    for _ in 0..8 {
        ask(&world, series(symbol)).await.unwrap_err();
        calls.push(series(symbol).stats().page_calls);
        symbol += 1;
        world.advance(1);
    }
    assert_eq!(calls, [0, 1, 0, 1, 0, 0, 0, 1]);
    world.venue.change(|said| said.outage = Slots::default());
    ask(&world, series(symbol)).await.unwrap_err();
    world.advance(8);
    assert_eq!(ask(&world, series(symbol)).await.unwrap(), 1);
    // It has answered: one failure is no outage.
    world.venue.fail_next(1, VenueErrorKind::Unavailable);
    ask(&world, series(symbol + 1)).await.unwrap_err();
    assert_eq!(ask(&world, series(symbol + 2)).await.unwrap(), 1);
}

/// Whoever comes while one call tries it gets the error at once.
#[tokio::test]
async fn one_call_tries_a_venue_that_was_out() {
    let world = World::with(TestVenue::new(NOW - 500..NOW), plain_options().with_outage_after(1));
    world.venue.change(|said| said.outage = everything());
    let series = |symbol: usize| {
        let key = SeriesKey::new("test", &format!("S{symbol}"), Timeframe::Minute1).unwrap();
        world.cache.series(&key).unwrap()
    };
    ask(&world, series(0)).await.unwrap_err();
    for (still_out, pause) in [(true, 1), (false, 2)] {
        world.advance(pause);
        world.venue.change(|said| said.holds = true);
        let symbols = if still_out { 1..5 } else { 5..9 };
        let readers: Vec<_> = symbols
            .map(|symbol| {
                let series = series(symbol);
                let request = range(Slots::new(NOW - 20, NOW - 10));
                tokio::spawn(async move { series.read(request).await })
            })
            .collect();
        others_go_on().await;
        assert_eq!(world.venue.calls().len(), 1);
        if !still_out {
            world.venue.change(|said| said.outage = Slots::default());
        }
        let finished = readers.iter().filter(|reader| reader.is_finished()).count();
        assert_eq!(finished, 3, "one waits for the answer");
        world.venue.release();
        let mut answered = 0;
        for reader in readers {
            match reader.await.unwrap() {
                Ok(reading) => answered += reading.len(),
                Err(error) => {
                    let venue = error.venue_error().unwrap();
                    assert_eq!(venue.kind(), VenueErrorKind::Unavailable);
                    assert!(still_out || venue.retry_after().is_some(), "{venue}");
                }
            }
        }
        assert_eq!(answered, if still_out { 0 } else { 10 });
        assert_eq!(world.venue.calls(), []);
    }
    // It has answered, so that all go on.
    for symbol in 9..12 {
        assert_eq!(ask(&world, series(symbol)).await.unwrap(), 1);
    }
}

/// A venue that tells of no clock and no listings may not have been called for them.
#[tokio::test]
async fn what_a_venue_does_not_have_tries_nothing() {
    let clock_interval = Duration::from_secs(1);
    let options = plain_options().with_outage_after(1).with_clock_interval(clock_interval);
    // Of few pages the clock alone is looked at before, of many the listing.
    let many = range(Slots::new(NOW - 1_500, NOW - 100));
    for (request, is_many) in [(Request::last(350), false), (many, true)] {
        let world = World::with(TestVenue::new(NOW - 500..NOW), options);
        world.venue.change(|said| said.outage = everything());
        ask(&world, world.series()).await.unwrap_err();
        world.advance(1);
        world.venue.change(|said| said.holds = true);
        let series = world.series();
        let reading = tokio::spawn(async move { series.read(request).await });
        others_go_on().await;
        let asked = |said: &Said| match is_many {
            true => said.listing_calls,
            false => said.clock_calls - 1,
        };
        assert_eq!(world.venue.look(asked), 1);
        assert_eq!(world.venue.calls().len(), 1);
        assert!(reading.is_finished(), "the other pages have failed");
        reading.await.unwrap().unwrap_err();
    }
}

/// What is known is told while the venue is left alone, without a look at its clock either.
#[tokio::test]
async fn what_is_known_is_read_while_a_venue_is_out() {
    let world = warm(plain_options().with_outage_after(1)).await;
    world.venue.change(|said| (said.outage, said.clock_failures) = (everything(), 1));
    let last = world.series().read(Request::last(10)).await;
    assert!(last.is_err(), "the newest are missing");
    let looks = world.venue.look(|said| said.clock_calls);
    for _ in 0..5 {
        assert_eq!(world.series().read(range(KNOWN)).await.unwrap().len(), 100);
        let _ = world.series().read(Request::since(at(NOW - 5), None)).await.unwrap_err();
    }
    assert_eq!(world.venue.look(|said| said.clock_calls), looks);
    assert_eq!(world.venue.calls(), []);
}

/// Another program calls from the same address, and the venue says so.
#[tokio::test]
async fn what_others_have_used_of_the_allowance_is_not_used_again() {
    let venue = TestVenue::new(NOW - 500..NOW);
    venue.change(|said| {
        said.limits = Limits::calls(1).with_allowance(10, Duration::from_secs(60));
        said.used_weight = Some(UsedWeight::new(8, Duration::ZERO));
    });
    let world = World::new(venue);
    let page = |back: i64| range(Slots::new(KNOWN.start - back * 100, KNOWN.end - back * 100));
    world.series().read(page(0)).await.unwrap();
    world.venue.change(|said| said.used_weight = None);
    // Of the eight two were its own, so that one more fits, and nothing before a minute has passed.
    world.series().read(page(1)).await.unwrap();
    let series = world.series();
    let reading = tokio::spawn(async move { series.read(page(2)).await });
    others_go_on().await;
    assert_eq!(world.venue.calls().len(), 2);
    world.advance(59);
    others_go_on().await;
    assert_eq!(world.venue.calls(), []);
    world.advance(1);
    assert_eq!(reading.await.unwrap().unwrap().len(), 100);
    assert_eq!(world.venue.calls().len(), 1);
}
