//! What is asked for, how often, and what it answers.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use cache_core::storage::StorageErrorKind;
use cache_core::testing::Operation;
use cache_series::admit::Rules;
use cache_series::cache::{Retry, SeriesCache, SeriesError, Source};
use cache_series::coverage::{Backoff, Kind};
use cache_series::fill::{Fill, Volume};
use cache_series::key::Environment;
use cache_series::request::{Completeness, Request, RequestError, Verdict};
use cache_series::session::SessionCalendar;
use cache_series::store::{Scope, Store};
use cache_series::time::{Alignment, Slots, Timeframe};
use cache_series::venue::{Limits, Listing, VenueErrorKind};

use crate::venue::{TestVenue, candle};
use crate::world::{MINUTES, NOW, World, at, key, plain_options, range, rows, slots_of};

/// A hundred requests that overlap, at once: each page is asked for once, and everybody gets what
/// the venue has.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_readers_at_once_ask_for_each_page_once() {
    let present = |slot: &i64| slot % 7 != 0 && !(NOW - 9_000..NOW - 8_500).contains(slot);
    let world = World::new(TestVenue::new((NOW - 20_000..NOW).filter(present)));
    world.venue.change(|said| said.page = 250);
    let mut pages = BTreeSet::new();
    let mut readers = Vec::new();
    let mut random = fastrand::Rng::with_seed(7);
    for _ in 0..100 {
        let start = NOW - random.i64(1_000..15_000);
        let slots = Slots::new(start, (start + random.i64(1..6_000)).min(NOW - 1));
        pages.extend(slots.iter().map(|slot| slot.div_euclid(250)));
        let series = world.series();
        readers
            .push(tokio::spawn(async move { (slots, series.read(range(slots)).await.unwrap()) }));
    }
    for reader in readers {
        let (slots, reading) = reader.await.unwrap();
        let expected: Vec<_> =
            slots.iter().filter(present).map(|slot| (slot, candle(slot))).collect();
        assert_eq!(rows(&reading), expected);
        assert_eq!(reading.verdict(), Verdict::Complete);
    }
    let calls = world.venue.calls();
    let asked: BTreeSet<i64> = calls.iter().map(|slots| slots.start.div_euclid(250)).collect();
    assert_eq!(asked, pages);
    assert_eq!(calls.len(), pages.len(), "no page twice");
    let stats = world.cache.stats(&Scope::all());
    assert_eq!((stats.reads, stats.page_calls), (100, pages.len() as u64));
    assert!(stats.page_joins > 0 && stats.series == 1, "{stats:?}");
}

/// A recorded history read twice: the second time nobody is asked, not even for what is known to be
/// empty or lies before the listing, and neither after a restart.
#[tokio::test]
async fn a_history_read_again_makes_no_call() {
    let traded = NOW - 5_000..NOW;
    let has = |slot: &i64| slot % 11 != 0 && !(NOW - 3_000..NOW - 1_000).contains(slot);
    let mut world = World::new(TestVenue::new(traded.clone().filter(has)));
    world.venue.change(|said| said.listing = Listing::since(at(NOW - 5_000)));
    let whole = range(Slots::new(NOW - 50_000, NOW - 1));
    let first = rows(&world.series().read(whole).await.unwrap());
    assert_eq!(first.len(), traded.clone().filter(has).filter(|slot| *slot < NOW - 1).count());
    let calls = world.venue.calls();
    assert!(calls.len() <= 52, "none before the listing: {}", calls.len());
    assert_eq!(world.venue.look(|said| said.listing_calls), 1);
    for restarts in [false, true] {
        if restarts {
            world.restart();
        }
        let again = world.series().read(whole).await.unwrap();
        assert_eq!(rows(&again), first);
        let source = if restarts { Source::Database } else { Source::Memory };
        assert_eq!(again.rows_from(source), first.len() as u64);
        assert_eq!(again.report().before_listing, 45_000);
        assert_eq!(again.report().missing_slots(), 0);
    }
    assert_eq!(world.venue.calls(), []);
    assert_eq!(world.venue.look(|said| said.listing_calls), 1);
}

#[tokio::test]
async fn an_answer_tells_where_its_parts_came_from() {
    let mut world = World::new(TestVenue::new(NOW - 4_000..NOW));
    let near = range(Slots::new(NOW - 2_000, NOW - 1_900));
    world.series().read(near).await.unwrap();
    world.restart();
    let start = (NOW - 2_000).div_euclid(100) * 100;
    let slots = Slots::new(start - 100, start + 200);
    let reading = world.series().read(range(slots)).await.unwrap();
    let sources = reading.sources();
    assert!(sources.contains(&(Slots::new(start - 100, start), Source::Venue)), "{sources:?}");
    assert_eq!(reading.rows_from(Source::Venue) + reading.rows_from(Source::Database), 300);
    assert!(reading.rows_from(Source::Database) >= 100);
    let warm = world.series().read(range(slots)).await.unwrap();
    assert_eq!(warm.sources(), [(slots, Source::Memory)]);
}

#[tokio::test]
async fn answers_that_are_cut_off_are_asked_on() {
    for ascending in [true, false] {
        let world = World::new(TestVenue::new(NOW - 1_000..NOW));
        world.venue.change(|said| (said.rows_max, said.ascending) = (30, ascending));
        let slots = Slots::new(NOW - 700, NOW - 350);
        let reading = world.series().read(range(slots)).await.unwrap();
        assert_eq!(slots_of(&reading), slots.iter().collect::<Vec<_>>());
        assert!(world.venue.calls().iter().all(|asked| asked.len() <= 100));
    }
}

/// An answer that was cut off and has no row says nothing: it is a failure, and not asked for ever.
#[tokio::test]
async fn an_answer_that_says_nothing_is_a_failure() {
    let world = World::new(TestVenue::new(NOW - 1_000..NOW));
    world.venue.change(|said| said.rows_max = 0);
    let error = world.series().read(range(Slots::new(NOW - 50, NOW - 20))).await.unwrap_err();
    let venue = error.venue_error().expect("it names the venue");
    assert_eq!(venue.kind(), VenueErrorKind::Malformed);
    assert!(world.venue.calls().len() <= 2);
}

/// Rows that all begin between the slots say that the venue's slots lie elsewhere.
#[tokio::test]
async fn an_answer_without_an_aligned_row_is_a_failure() {
    let world = World::new(TestVenue::new([]));
    let time = at(NOW - 20).after(Duration::from_secs(7));
    world.venue.change(|said| said.besides = Some((time, candle(0))));
    let slots = Slots::new(NOW - 30, NOW - 10);
    let error = world.series().read(range(slots)).await.unwrap_err();
    assert_eq!(error.venue_error().map(|error| error.kind()), Some(VenueErrorKind::Malformed));
    assert_eq!(error.report().map(|report| report.failed), Some(20));
    // One that lies elsewhere among others does no harm.
    world.venue.change(|said| said.rows.extend((NOW - 100..NOW).map(|slot| (slot, candle(slot)))));
    world.advance(2);
    assert_eq!(world.series().read(range(slots)).await.unwrap().len(), 20);
}

#[tokio::test]
async fn counted_requests_reach_as_far_as_they_need() {
    let has = |slot: &i64| slot % 10 == 3;
    let world = World::new(TestVenue::new((NOW - 20_000..NOW).filter(has)));
    world.venue.change(|said| said.listing = Listing::since(at(NOW - 20_000)));
    let series = world.series();
    let all: Vec<i64> = (NOW - 20_000..NOW).filter(has).collect();
    let last = series.read(Request::last(150)).await.unwrap();
    assert_eq!(slots_of(&last), all[all.len() - 150..]);
    let until = series.read(Request::until(at(NOW - 5_000), Some(20))).await.unwrap();
    let before: Vec<i64> = all.iter().copied().filter(|slot| *slot < NOW - 5_000).collect();
    assert_eq!(slots_of(&until), before[before.len() - 20..]);
    let since = series.read(Request::since(at(NOW - 15_000), Some(33))).await.unwrap();
    let after: Vec<i64> = all.iter().copied().filter(|slot| *slot >= NOW - 15_000).collect();
    assert_eq!(slots_of(&since), after[..33]);
    let more = series.read(Request::last(1_000_000)).await.unwrap();
    assert_eq!(slots_of(&more), all, "as many as there are");
}

/// A symbol that the venue has no row of, and of which it does not tell when it was listed.
#[tokio::test]
async fn counting_rows_that_are_not_there_ends() {
    let options = plain_options().with_pages_without_rows_max(10);
    let world = World::with(TestVenue::new([]), options);
    let error = world.series().read(Request::last(5)).await.unwrap_err();
    assert!(error.report().is_some(), "{error:?}");
    assert_eq!(world.venue.calls().len(), 10);
    let best = Request::last(5).with_completeness(Completeness::BestEffort);
    assert!(world.series().read(best).await.unwrap().is_empty());
    let further = world.venue.calls();
    assert_eq!(further.len(), 10);
    assert!(further.iter().all(|asked| asked.end <= NOW - 1_000 + 100), "it goes on from there");
}

#[tokio::test]
async fn what_failed_is_a_typed_error_with_a_report() {
    let world = World::new(TestVenue::new(NOW - 1_000..NOW));
    let page = (NOW - 500).div_euclid(100);
    let outage = Slots::new(page * 100, page * 100 + 100);
    world.venue.change(|said| said.outage = outage);
    let slots = Slots::new(outage.start - 200, outage.end + 200);
    let error = world.series().read(range(slots)).await.unwrap_err();
    let SeriesError::Incomplete { report, cause, .. } = &error else { panic!("{error:?}") };
    assert_eq!(report.failed, 100);
    assert_eq!(cause.as_ref().map(|cause| cause.kind()), Some(VenueErrorKind::Unavailable));
    assert!(error.is_transient());
    // What failed is left alone for a while; the rest is asked for by who takes what there is.
    world.venue.calls();
    let best = range(slots).with_completeness(Completeness::BestEffort);
    let reading = world.series().read(best).await.unwrap();
    assert_eq!((reading.len(), reading.verdict()), (400, Verdict::Tolerated));
    assert_eq!(reading.report().missing, [outage]);
    assert!(reading.failure().is_some());
    assert!(world.venue.calls().iter().all(|asked| asked.intersection(outage).is_empty()));
    let tolerant = Completeness::Tolerant { missing_max: 100, tail_max: Duration::ZERO };
    assert!(world.series().read(range(slots).with_completeness(tolerant)).await.is_ok());
    // Later it is tried again.
    world.venue.change(|said| said.outage = Slots::default());
    assert!(world.series().read(range(slots)).await.is_err());
    world.advance(2);
    assert_eq!(world.series().read(range(slots)).await.unwrap().len(), 500);
}

#[tokio::test]
async fn calls_that_fail_in_passing_are_made_again_after_a_pause() {
    let retry = Retry::times(3).with_pause(Backoff::new(
        Duration::from_secs(2),
        2,
        Duration::from_secs(60),
    ));
    let world = World::with(TestVenue::new(NOW - 1_000..NOW), plain_options().with_retry(retry));
    world.venue.fail_next(2, VenueErrorKind::Timeout);
    let series = world.series();
    let reading =
        tokio::spawn(async move { series.read(range(Slots::new(NOW - 30, NOW - 5))).await });
    for (calls, pause) in [(1, 2), (2, 4)] {
        while world.venue.look(|said| said.calls.len()) < calls || world.clock.sleepers() == 0 {
            tokio::task::yield_now().await;
        }
        // The call's own timeout has gone by then, and its pause is what waits.
        tokio::task::yield_now().await;
        world.advance(pause - 1);
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
        assert_eq!(world.venue.look(|said| said.calls.len()), calls, "not before its time");
        world.advance(1);
    }
    assert_eq!(reading.await.unwrap().unwrap().len(), 25);
    let stats = world.series().stats();
    assert_eq!((stats.page_calls, stats.page_failures, stats.page_retries), (3, 2, 2));
    // What cannot be mended is not tried again.
    world.venue.fail_next(1, VenueErrorKind::UnknownSymbol);
    let error = world.series().read(range(Slots::new(NOW - 300, NOW - 250))).await.unwrap_err();
    assert!(!error.is_transient());
    assert_eq!(world.series().stats().page_calls, 4);
}

#[tokio::test]
async fn a_venue_that_wants_to_be_left_alone_is_by_all() {
    let world = World::new(TestVenue::new(NOW - 1_000..NOW));
    let error = cache_series::venue::VenueError::new("test", VenueErrorKind::Banned, "go away")
        .with_retry_after(Duration::from_secs(600));
    world.venue.change(|said| said.failures.push_back(error));
    let hours = key().with_timeframe(Timeframe::Hour1);
    let hours = world.cache.series(&hours).unwrap();
    assert!(world.series().read(Request::last(10)).await.is_err());
    let refused = hours.read(Request::last(10)).await.unwrap_err();
    assert_eq!(refused.venue_error().unwrap().kind(), VenueErrorKind::Banned);
    assert_eq!(world.venue.calls().len(), 1, "the other series did not ask");
    world.advance(600);
    assert!(world.series().read(Request::last(10)).await.is_ok());
}

#[tokio::test]
async fn no_more_calls_at_once_than_the_venue_allows_nor_heavier_ones() {
    let venue = TestVenue::new(NOW - 5_000..NOW);
    venue.change(|said| {
        said.limits = Limits::calls(3).with_allowance(10, Duration::from_secs(60));
        said.holds = true;
    });
    let world = World::new(venue);
    let series = world.series();
    let start = (NOW - 3_000).div_euclid(100) * 100;
    let reading =
        tokio::spawn(async move { series.read(range(Slots::new(start, start + 1_500))).await });
    for _ in 0..200 {
        tokio::task::yield_now().await;
    }
    assert_eq!(world.venue.look(|said| said.under_way), 3);
    world.venue.release();
    for _ in 0..500 {
        tokio::task::yield_now().await;
    }
    // Two of ten were the listing's and the clock's.
    assert_eq!(world.venue.look(|said| said.calls.len()), 8);
    world.advance(60);
    assert_eq!(reading.await.unwrap().unwrap().len(), 1_500);
    assert_eq!(world.venue.look(|said| (said.calls.len(), said.under_way_max)), (15, 3));
}

#[tokio::test]
async fn offline_nobody_is_asked() {
    let mut world = World::new(TestVenue::new(NOW - 10_000..NOW));
    let slots = Slots::new(NOW - 6_000, NOW - 5_000);
    world.series().read(range(slots)).await.unwrap();
    world.restart();
    world.venue.calls();
    let read = |request: Request| {
        let series = world.series();
        async move { series.read(request.offline()).await }
    };
    assert_eq!(read(range(slots)).await.unwrap().len(), 1_000);
    let error = read(range(Slots::new(NOW - 6_000, NOW - 4_000))).await.unwrap_err();
    assert!(error.report().unwrap().unknown >= 900);
    let best = |request: Request| read(request.with_completeness(Completeness::BestEffort));
    let last = best(Request::last(10)).await.unwrap();
    let known = last.view().last().unwrap().0;
    assert_eq!(slots_of(&last), (known - 9..=known).collect::<Vec<_>>(), "those that there are");
    let many = best(Request::last(100_000)).await.unwrap();
    assert!(many.len() >= 1_000 && many.len() < 1_400, "{}", many.len());
    let since = best(Request::since(at(NOW - 7_000), Some(50))).await.unwrap();
    assert_eq!(since.len(), 50);
    let none = best(Request::until(at(NOW - 9_000_000), Some(5))).await.unwrap();
    assert!(none.is_empty() && none.report().unknown > 0);
    // Without a connector everything is so.
    let stored = world.cache.stored(&key(), Alignment::UTC).unwrap();
    assert_eq!(stored.read(range(slots)).await.unwrap().len(), 1_000);
    assert_eq!(world.venue.calls(), []);
    let misplaced = world.cache.stored(&key(), Alignment::offset(3_600_000));
    assert!(matches!(misplaced, Err(SeriesError::Alignment { .. })));
}

#[tokio::test]
async fn a_fill_is_seeded_from_before_the_range_and_never_stored() {
    let has = |slot: &i64| slot % 5 == 0 && !(NOW - 500..NOW - 380).contains(slot);
    let mut world = World::new(TestVenue::new((NOW - 5_000..NOW).filter(has)));
    let page = (NOW - 400).div_euclid(100) * 100;
    let slots = Slots::new(page, page + 100);
    let request = range(slots).with_fill(Fill::PreviousClose(Volume::Zero));
    let reading = world.series().read(request).await.unwrap();
    let calls = world.venue.calls();
    assert_eq!(calls, [slots, Slots::new(page - 100, page)], "and the page before, once");
    let filled = reading.filled();
    let before = (slots.start - 200..slots.start).rfind(|slot| has(slot) && *slot >= page - 100);
    if before.is_some() {
        assert_eq!(filled.slots[0], slots.start);
    }
    assert!(filled.synthetic.iter().filter(|made| **made).count() > 50);
    assert_eq!(
        filled.slots.len() as u64 - reading.len(),
        filled.synthetic.iter().filter(|made| **made).count() as u64
    );
    world.restart();
    let plain = world.series().read(range(slots)).await.unwrap();
    assert_eq!(slots_of(&plain), slots.iter().filter(has).collect::<Vec<_>>());
    assert_eq!(world.venue.calls(), []);
}

#[tokio::test]
async fn closed_sessions_are_not_asked_for() {
    let calendar = SessionCalendar::builder("UTC0").unwrap();
    let calendar = calendar.weekdays(1..=5, "09:00", "17:00").unwrap().build();
    let open = |slot: &i64| calendar.is_open(at(*slot));
    let world = World::new(TestVenue::new((NOW - 10_000..NOW).filter(open)));
    let (storage, clock) = (world.storage.second_client(), Arc::new(world.clock.clone()));
    let store = Store::new(Arc::new(storage), clock, "sessions").unwrap();
    let cache = SeriesCache::builder(store)
        .venue(Arc::new(world.venue.clone()))
        .calendar(Scope::all().of_venue("test"), Arc::new(calendar.clone()))
        .options(plain_options())
        .build();
    let series = cache.series(&key()).unwrap();
    // Over a weekend.
    let slots = Slots::new(NOW - 7_000, NOW - 400);
    let reading = series.read(range(slots)).await.unwrap();
    let expected: Vec<i64> = slots.iter().filter(open).collect();
    assert_eq!(slots_of(&reading), expected);
    assert!(reading.report().closed > 3_000, "{:?}", reading.report());
    for asked in world.venue.calls() {
        assert!(
            open(&asked.start) && open(&(asked.end - 1)),
            "no call begins or ends while closed"
        );
    }
    let rows = series.read(Request::last(600)).await.unwrap();
    assert_eq!(rows.len(), 600, "counted over closed hours");
}

#[tokio::test]
async fn a_longer_timeframe_is_made_of_a_shorter_one() {
    let has = |slot: &i64| slot % 97 != 0;
    let world = World::new(TestVenue::new((NOW - 5_000..NOW).filter(has)));
    world.venue.change(|said| said.listing = Listing::since(at(NOW - 5_000)));
    let series = world.series();
    let found = series.read_resampled(Timeframe::Hour1, Request::last(24)).await.unwrap();
    assert_eq!(found.resampled.rows.len(), 24);
    let (slot, last) = found.resampled.rows[23];
    assert_eq!(slot, found.grid.closed_end(MINUTES.start_of(NOW)) - 1);
    let minutes = MINUTES.slots_in(found.grid.start_of(slot), found.grid.end_of(slot));
    let of: Vec<_> = minutes.iter().filter(has).map(candle).collect();
    assert_eq!((last.open, last.close), (of[0].open, of[of.len() - 1].close));
    assert_eq!(last.volume, 2.0 * of.len() as f64);
    let more = series.read_resampled(Timeframe::Hour1, Request::last(10_000)).await.unwrap();
    assert!((80..=84).contains(&more.resampled.rows.len()), "{}", more.resampled.rows.len());
    let since = Request::since(at(NOW - 3_000), Some(5));
    assert_eq!(
        series.read_resampled(Timeframe::Hour1, since).await.unwrap().resampled.rows.len(),
        5
    );
    let whole = Request::until(at(NOW), None);
    let whole = series.read_resampled(Timeframe::Hour4, whole).await.unwrap();
    assert!(whole.resampled.rows.len() >= 19, "{}", whole.resampled.rows.len());
    let weeks = series.read_resampled(Timeframe::Second30, Request::last(1)).await;
    assert!(matches!(weeks, Err(SeriesError::Resample { .. })));
}

/// A fetch shows how far it has come; cancelled, it keeps what has come and what was asked for.
#[tokio::test]
async fn a_cancelled_fetch_goes_on_where_it_was() {
    let world = World::new(TestVenue::new(NOW - 10_000..NOW));
    let slots = Slots::new((NOW - 8_000).div_euclid(100) * 100, NOW.div_euclid(100) * 100 - 500);
    let pages = slots.len() / 100;
    let fetch = world.series().fetch(range(slots));
    let mut progress = fetch.progress();
    let halfway = progress.wait_for(|progress| progress.pages_done >= pages / 2).await.unwrap();
    assert_eq!(halfway.pages, pages);
    drop(halfway);
    fetch.cancel();
    assert!(matches!(fetch.await, Err(SeriesError::Cancelled { .. })));
    // What was sent is let come.
    while world.venue.look(|said| said.under_way) > 0 {
        tokio::task::yield_now().await;
    }
    let first = world.venue.look(|said| said.calls.len() as u64);
    assert!(first < pages);
    let again = world.series().fetch(range(slots)).await.unwrap();
    assert_eq!(again.len(), slots.len());
    assert_eq!(world.venue.look(|said| said.calls.len() as u64), pages, "no page twice");
}

#[tokio::test]
async fn a_request_that_is_dropped_before_its_call_is_sent_makes_none() {
    let venue = TestVenue::new(NOW - 1_000..NOW);
    venue.change(|said| (said.limits, said.holds) = (Limits::calls(1), true));
    let world = World::new(venue);
    let (first, second) = (world.series(), world.series());
    let first =
        tokio::spawn(async move { first.read(range(Slots::new(NOW - 900, NOW - 890))).await });
    while world.venue.look(|said| said.under_way) == 0 {
        tokio::task::yield_now().await;
    }
    let second =
        tokio::spawn(async move { second.read(range(Slots::new(NOW - 500, NOW - 490))).await });
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
    second.abort();
    assert!(second.await.unwrap_err().is_cancelled());
    world.venue.release();
    assert_eq!(first.await.unwrap().unwrap().len(), 10);
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
    assert_eq!(world.venue.calls().len(), 1);
}

#[tokio::test]
async fn a_database_that_fails_is_an_error_and_loses_no_call() {
    let world = World::new(TestVenue::new(NOW - 1_000..NOW));
    let slots = Slots::new(NOW - 90, NOW - 20);
    world.storage.fail_next(Operation::Get, 1, StorageErrorKind::Unavailable);
    let error = world.series().read(range(slots)).await.unwrap_err();
    assert!(matches!(error, SeriesError::Store(_)) && error.is_transient(), "{error}");
    world.storage.fail_next(Operation::GetMany, 1, StorageErrorKind::Unavailable);
    assert!(matches!(world.series().read(range(slots)).await, Err(SeriesError::Store(_))));
    assert_eq!(world.venue.calls(), [], "nobody is asked for what may be there");
    // What was paid for is answered although it could not be kept, and is in memory.
    world.storage.fail_next(Operation::Write, 2, StorageErrorKind::Full);
    let reading = world.series().read(range(slots)).await.unwrap();
    assert_eq!(reading.len(), 70);
    assert!(reading.unsaved().is_some());
    world.storage.heal();
    let calls = world.venue.calls().len();
    assert_eq!(world.series().read(range(slots)).await.unwrap().len(), 70);
    assert_eq!((world.venue.calls().len(), calls > 0), (0, true));
    assert!(world.series().stats().store_failures > 0);
}

#[tokio::test]
async fn what_is_settled_to_be_empty_lies_in_the_head() {
    let mut rules = Rules::DEFAULT;
    rules.empty = Backoff::EMPTY.with_checks_max(1);
    let options = plain_options().with_rules(rules);
    let mut world = World::with(TestVenue::new([NOW - 20_000, NOW - 100]), options);
    world.venue.change(|said| said.page = 2_048);
    let slots = Slots::new(NOW - 15_000, NOW - 5_000);
    world.series().read(range(slots)).await.unwrap();
    assert_eq!(world.series().known(at(slots.start), at(slots.end)).await.unwrap().len(), 1);
    let records = world.storage.keys().len();
    assert!(records <= 4, "the edges and the head, not ten chunks: {records}");
    world.restart();
    world.venue.calls();
    let reading = world.series().read(range(slots)).await.unwrap();
    assert_eq!((reading.report().empty, world.venue.calls().len()), (10_000, 0));
    // What memory forgets the database knows.
    world.cache.forget(&Scope::all());
    let reading = world.series().read(range(slots)).await.unwrap();
    assert_eq!((reading.report().empty, world.venue.calls().len()), (10_000, 0));
    assert!(world.series().stats().chunks_loaded <= 6);
}

#[tokio::test]
async fn coverage_can_be_looked_at() {
    let world = World::new(TestVenue::new((NOW - 1_000..NOW).filter(|slot| slot % 50 != 0)));
    world.venue.change(|said| said.listing = Listing::since(at(NOW - 1_000)));
    let page = (NOW - 300).div_euclid(100) * 100;
    world.venue.change(|said| said.outage = Slots::new(page, page + 100));
    let request = range(Slots::new(page - 400, page + 100));
    let series = world.series();
    let _ = series.read(request.with_completeness(Completeness::BestEffort)).await.unwrap();
    let _ = series.read(Request::until(at(page - 390), None)).await.unwrap();
    let (from, to) = (at(NOW - 1_100), at(page + 150));
    let known = series.known(from, to).await.unwrap();
    assert!(known.windows(2).all(|two| two[0].to == two[1].from && two[0].kind != two[1].kind));
    let count = |kind: Kind| -> u64 {
        known.iter().filter(|span| span.kind == kind).map(|span| span.slots.len()).sum()
    };
    assert_eq!(count(Kind::BeforeListing), 100);
    assert_eq!((count(Kind::Failed), count(Kind::Unknown)), (100, 50));
    let gaps = series.gaps(from, to).await.unwrap();
    let empty: Vec<i64> =
        gaps.iter().filter(|gap| gap.kind == Kind::Empty).map(|gap| gap.slots.start).collect();
    assert!(empty.iter().all(|slot| slot % 50 == 0) && empty.len() as u64 == count(Kind::Empty));
    assert_eq!(series.listing().await.unwrap(), Listing::since(at(NOW - 1_000)));
}

#[tokio::test]
async fn the_venues_clock_says_what_is_over() {
    let venue = TestVenue::new(NOW - 100..NOW + 10);
    // Five minutes ahead of this machine.
    venue.change(|said| said.server_time = Some(at(NOW + 5)));
    let world = World::new(venue);
    let reading = world.series().read(Request::last(3)).await.unwrap();
    assert_eq!(slots_of(&reading), [NOW + 1, NOW + 2, NOW + 3], "patience is kept");
    assert_eq!(world.series().now(), at(NOW + 5));
}

#[tokio::test]
async fn requests_that_cannot_be_answered_are_refused() {
    let world = World::new(TestVenue::new(NOW - 100..NOW));
    let series = world.series();
    let unlisted = series.read(Request::until(at(NOW), None)).await.unwrap_err();
    assert!(matches!(unlisted, SeriesError::Request { source: RequestError::ListingUnknown, .. }));
    assert_eq!(world.venue.look(|said| said.listing_calls), 1);
    let long = series.read(range(Slots::new(0, NOW)).with_slots_max(1_000)).await.unwrap_err();
    assert!(matches!(long, SeriesError::Request { source: RequestError::TooLong { .. }, .. }));
    let demo = key().with_environment(Environment::Demo);
    assert!(matches!(world.cache.series(&demo), Err(SeriesError::UnknownVenue(_))));
    assert_eq!(world.venue.calls(), []);
}
