//! The eleven bugs of the model that this cache was made after, each shown not to be here.

use std::sync::Arc;

use cache_series::cache::{SeriesError, Source};
use cache_series::fill::{Fill, Volume};
use cache_series::key::Environment;
use cache_series::request::{Completeness, Request};
use cache_series::row::Candle;
use cache_series::time::{Slots, Time, Timeframe};
use cache_series::venue::{Listing, VenueErrorKind};

use crate::venue::{TestVenue, candle};
use crate::world::{NOW, World, at, key, range, rows, slots_of};

/// A request with only a begin or only an end fetched nothing.
#[tokio::test]
async fn bug_01_a_request_open_at_one_side_fetches() {
    let world = World::new(TestVenue::new(NOW - 350..NOW));
    world.venue.change(|said| said.listing = Listing::since(at(NOW - 350)));
    let since = world.series().read(Request::since(at(NOW - 100), None)).await.unwrap();
    assert_eq!(slots_of(&since), (NOW - 100..NOW).collect::<Vec<_>>());
    let until = world.series().read(Request::until(at(NOW - 200), None)).await.unwrap();
    assert_eq!(slots_of(&until), (NOW - 350..NOW - 200).collect::<Vec<_>>());
}

/// A request for the last so many never read the database.
#[tokio::test]
async fn bug_02_a_request_by_count_alone_reads_the_database() {
    let mut world = World::new(TestVenue::new(NOW - 350..NOW));
    world.series().read(Request::last(200)).await.unwrap();
    world.restart();
    world.venue.calls();
    world.venue.change(|said| said.outage = Slots::new(0, NOW));
    let last = world.series().read(Request::last(150)).await.unwrap();
    assert_eq!(slots_of(&last), (NOW - 150..NOW).collect::<Vec<_>>());
    assert_eq!(last.rows_from(Source::Database), 150);
    assert_eq!(world.venue.calls(), []);
}

/// Keys were lower-cased: minutes and months were one series.
#[tokio::test]
async fn bug_03_minutes_and_months_are_kept_apart() {
    let mut world = World::new(TestVenue::new((NOW - 350..NOW).chain(600..646)));
    let months = key().with_timeframe(Timeframe::Month1);
    world.series().read(Request::last(100)).await.unwrap();
    world.cache.series(&months).unwrap().read(Request::last(20)).await.unwrap();
    world.restart();
    world.venue.calls();
    let minutes = world.series().read(Request::last(100)).await.unwrap();
    let months = world.cache.series(&months).unwrap().read(Request::last(20)).await.unwrap();
    assert_eq!(slots_of(&minutes), (NOW - 100..NOW).collect::<Vec<_>>());
    assert_eq!(slots_of(&months).last(), Some(&645), "October 2023");
    assert_eq!(world.venue.calls(), []);
}

/// Holes were filled before completeness was looked at, and so were hidden.
#[tokio::test]
async fn bug_04_a_fill_hides_no_hole() {
    let world = World::new(TestVenue::new(NOW - 1_000..NOW));
    let page = (NOW - 500).div_euclid(100) * 100;
    let hole = Slots::new(page, page + 100);
    world.venue.change(|said| said.outage = hole);
    let request =
        range(Slots::new(page - 100, page + 200)).with_fill(Fill::PreviousClose(Volume::Zero));
    let error = world.series().read(request).await.unwrap_err();
    assert_eq!(error.report().unwrap().failed, 100);
    let best =
        world.series().read(request.with_completeness(Completeness::BestEffort)).await.unwrap();
    assert_eq!(best.report().missing, [hole]);
    assert!(best.filled().slots.iter().all(|slot| !hole.contains(*slot)));
}

/// A candle that was still growing when it was fetched was kept as if it were final.
#[tokio::test]
async fn bug_05_a_growing_candle_is_not_kept() {
    let mut world = World::new(TestVenue::new(NOW - 350..NOW));
    let growing = Candle::flat(1.0, 0.1);
    world.venue.change(|said| said.besides = Some((at(NOW), growing)));
    let last = world.series().read(Request::last(10)).await.unwrap();
    assert_eq!(slots_of(&last).last(), Some(&(NOW - 1)));
    assert_eq!(last.open(), Some((NOW, &growing)), "it is told apart");
    world.venue.change(|said| {
        said.besides = None;
        said.rows.insert(NOW, candle(NOW));
    });
    world.advance(60);
    for _ in 0..2 {
        let last = world.series().read(Request::last(1)).await.unwrap();
        assert_eq!(rows(&last), [(NOW, candle(NOW))]);
        world.restart();
    }
}

/// It could not be said that a span is known to be empty, so it was asked for for ever.
#[tokio::test]
async fn bug_06_what_is_known_to_be_empty_is_believed_in_time() {
    let mut world = World::new(TestVenue::new((NOW - 9_000..NOW - 4_000).chain(NOW - 500..NOW)));
    let page = (NOW - 2_000).div_euclid(100) * 100;
    let empty = range(Slots::new(page, page + 100));
    let mut asked = Vec::new();
    for hour in 0..200 {
        let reading = world.series().read(empty).await.unwrap();
        assert_eq!((reading.len(), reading.report().empty), (0, 100));
        if !world.venue.calls().is_empty() {
            asked.push(hour);
        }
        world.advance(3_600);
        world.restart();
    }
    assert_eq!(asked, [0, 1, 25]);
    // Single minutes without a trade among others are asked for once and never again.
    world.venue.change(|said| said.rows.retain(|slot, _| slot % 3 != 0 || slot % 100 == 99));
    let sparse = range(Slots::new(NOW - 8_000, NOW - 7_700));
    let rows = world.series().read(sparse).await.unwrap().len();
    assert!((200..210).contains(&rows));
    world.venue.calls();
    world.advance(86_400 * 30);
    world.restart();
    assert_eq!(world.series().read(sparse).await.unwrap().len(), rows);
    assert_eq!(world.venue.calls(), []);
}

/// More than the venue answers at once was never asked for.
#[tokio::test]
async fn bug_07_what_is_longer_than_a_page_is_asked_for_page_by_page() {
    let world = World::new(TestVenue::new(NOW - 5_000..NOW));
    let slots = Slots::new(NOW - 4_950, NOW - 50);
    let reading = world.series().read(range(slots)).await.unwrap();
    assert_eq!(slots_of(&reading), slots.iter().collect::<Vec<_>>());
    let calls = world.venue.calls();
    let pages =
        slots.iter().map(|slot| slot.div_euclid(100)).collect::<std::collections::BTreeSet<_>>();
    assert_eq!(calls.len(), pages.len());
    assert!(calls.iter().all(|asked| asked.len() <= 100));
}

/// A failure was an empty list.
#[tokio::test]
async fn bug_08_a_failure_is_an_error_to_everybody_who_waits() {
    let world = World::new(TestVenue::new(NOW - 500..NOW));
    world.venue.change(|said| said.holds = true);
    world.venue.fail_next(1, VenueErrorKind::Unavailable);
    let start = (NOW - 300).div_euclid(100) * 100;
    let mut waiting = Vec::new();
    for offset in 0..10 {
        let series = world.series();
        let slots = Slots::new(start + offset, start + 50);
        waiting.push(tokio::spawn(async move { series.read(range(slots)).await }));
    }
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
    world.venue.release();
    for waiter in waiting {
        let error = waiter.await.unwrap().unwrap_err();
        assert!(matches!(&error, SeriesError::Incomplete { cause: Some(_), .. }), "{error:?}");
        assert_eq!(error.venue_error().unwrap().kind(), VenueErrorKind::Unavailable);
    }
    assert_eq!(world.venue.calls().len(), 1);
}

/// Every gap was a call of its own, one after the other, and everybody made them.
#[tokio::test]
async fn bug_09_gaps_of_a_page_are_one_call_whoever_asks() {
    let world = World::new(TestVenue::new(NOW - 5_000..NOW));
    let page = (NOW - 300).div_euclid(100) * 100;
    // Parts of a page are known, as from a feed that was lost again and again.
    let live = world.series().subscribe(Request::last(1)).await.unwrap();
    world.venue.connected().await;
    let told: Vec<i64> =
        (page..page + 100).filter(|slot| (10..20).contains(&(slot % 25))).collect();
    told.iter().for_each(|slot| world.venue.tell(at(*slot), candle(*slot), true));
    while world.series().stats().chunks_stored <= told.len() as u64 {
        tokio::task::yield_now().await;
    }
    drop(live);
    world.advance(30);
    world.venue.calls();
    let mut readers = Vec::new();
    for _ in 0..20 {
        let series = world.series();
        let slots = Slots::new(page, page + 100);
        readers.push(tokio::spawn(async move { series.read(range(slots)).await }));
    }
    for reader in readers {
        assert_eq!(reader.await.unwrap().unwrap().len(), 100);
    }
    assert_eq!(world.venue.calls(), [Slots::new(page, page + 100)]);
}

/// What a test venue said was kept under the key of the live one.
#[tokio::test]
async fn bug_10_what_a_test_venue_says_is_kept_as_its_own() {
    let mut world = World::new(TestVenue::new(NOW - 500..NOW));
    let fake = TestVenue::new([]).in_environment(Environment::Testnet);
    let wrong = Candle::flat(6.66, 1.0);
    fake.change(|said| said.rows = (NOW - 500..NOW).map(|slot| (slot, wrong)).collect());
    let request = range(Slots::new(NOW - 100, NOW - 50));
    let other = world.cache.series_of(Arc::new(fake.clone()), &key()).unwrap();
    assert_eq!(other.key().environment(), Environment::Testnet, "whatever was asked with");
    let told = other.read(request).await.unwrap();
    assert!(rows(&told).iter().all(|(_, row)| *row == wrong));
    for _ in 0..2 {
        let live = world.series().read(request).await.unwrap();
        assert!(rows(&live).iter().all(|(slot, row)| *row == candle(*slot)));
        world.restart();
    }
    assert_eq!((world.venue.calls().len(), fake.calls().len()), (1, 1));
}

/// A request whose edges are no slots' starts was never satisfied, and final candles had a TTL.
#[tokio::test]
async fn bug_11_edges_need_not_be_aligned_and_what_is_final_stays() {
    let mut world = World::new(TestVenue::new(NOW - 500..NOW));
    let time = |slot: i64, ms: i64| Time::from_unix_ms(at(slot).unix_ms() + ms);
    let request = Request::range(time(NOW - 101, 1), time(NOW - 50, 59_999));
    let reading = world.series().read(request).await.unwrap();
    assert_eq!(slots_of(&reading), (NOW - 100..=NOW - 50).collect::<Vec<_>>());
    world.venue.calls();
    for _ in 0..3 {
        world.advance(86_400 * 365);
        world.restart();
        assert_eq!(world.series().read(request).await.unwrap().len(), 51);
    }
    assert_eq!(world.venue.calls(), []);
}

/// What a venue had revised was never seen.
#[tokio::test]
async fn bug_11_the_last_rows_are_looked_at_once_more() {
    let options = crate::world::plain_options().with_revised_last(3);
    let mut world = World::with(TestVenue::new(NOW - 500..NOW), options);
    world.series().read(Request::last(50)).await.unwrap();
    let revised = Candle::flat(9.5, 3.0);
    world.venue.change(|said| {
        said.rows.insert(NOW - 2, revised);
        said.rows.insert(NOW - 30, revised);
    });
    world.restart();
    world.venue.calls();
    let request = range(Slots::new(NOW - 50, NOW));
    world.advance(30);
    let before = world.series().read(request).await.unwrap();
    assert_eq!(
        (before.view().row(48), world.venue.calls().len()),
        (Some((NOW - 2, candle(NOW - 2))), 0)
    );
    world.advance(300);
    let after = rows(&world.series().read(request).await.unwrap());
    assert_eq!(after[48], (NOW - 2, revised));
    assert_eq!(after[20], (NOW - 30, candle(NOW - 30)), "what was final is not looked at");
    let calls = world.venue.calls();
    assert!(calls.iter().all(|asked| asked.start >= NOW - 3) && !calls.is_empty(), "{calls:?}");
    world.advance(86_400);
    world.restart();
    assert_eq!(rows(&world.series().read(request).await.unwrap()), after);
    assert_eq!(world.venue.calls(), [], "once");
}

/// What happened while the connection was lost was never fetched.
#[tokio::test]
async fn bug_11_a_lost_connection_leaves_a_hole_that_the_next_read_fills() {
    let world = World::new(TestVenue::new(NOW - 500..NOW + 50));
    let mut live = world.series().subscribe(Request::last(5)).await.unwrap();
    world.venue.connected().await;
    world.advance(60);
    world.venue.tell(at(NOW), candle(NOW), true);
    assert_eq!(live.next().await.unwrap().slot, NOW);
    world.venue.disconnect();
    world.advance(180);
    drop(live);
    let reading = world.series().read(range(Slots::new(NOW - 5, NOW + 3))).await.unwrap();
    assert_eq!(slots_of(&reading), (NOW - 5..NOW + 3).collect::<Vec<_>>());
}
