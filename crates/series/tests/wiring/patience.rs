//! What a request can be answered without is waited for once, however much of it there is.

use cache_series::cache::{Reading, Series, SeriesError};
use cache_series::request::Request;
use cache_series::row::Candle;
use cache_series::time::{Slots, Time};
use cache_series::venue::{Limits, Listing};

use crate::venue::{TestVenue, candle};
use crate::world::{NOW, World, at, plain_options, range, rows};

async fn others_go_on() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

/// Four pages.
const KNOWN: Slots = Slots::new(NOW / 100 * 100 - 400, NOW / 100 * 100);

/// All of `KNOWN` is, and due to be checked, by a call at once.
async fn due(page: u32) -> World {
    let venue = TestVenue::new(KNOWN.iter());
    venue.change(|said| (said.limits, said.page) = (Limits::calls(1), page));
    let world = World::with(venue, plain_options().with_revised_last(600));
    world.series().read(range(KNOWN)).await.unwrap();
    world.advance(60_000);
    world.venue.calls();
    world
}

type Answer = tokio::task::JoinHandle<Result<Reading<Candle>, SeriesError>>;

fn begin(series: Series<Candle>, request: Request) -> Answer {
    tokio::spawn(async move { series.read(request).await })
}

/// It is answered when two seconds have passed, and not before.
async fn after_two_seconds(world: &World, reading: Answer) -> Vec<(i64, Candle)> {
    others_go_on().await;
    world.advance(1);
    others_go_on().await;
    assert!(!reading.is_finished());
    world.advance(1);
    others_go_on().await;
    assert!(reading.is_finished(), "it waits for more");
    rows(&reading.await.unwrap().unwrap())
}

fn candles(slots: Slots) -> Vec<(i64, Candle)> {
    slots.iter().map(|slot| (slot, candle(slot))).collect()
}

#[tokio::test]
async fn checks_of_several_pages_are_waited_for_together() {
    let world = due(100).await;
    world.venue.change(|said| said.holds = true);
    let reading = begin(world.series(), range(KNOWN));
    assert_eq!(after_two_seconds(&world, reading).await, candles(KNOWN));
    assert_eq!(world.venue.calls().len(), 1);
    // None of the others is waited for by the next either, for a while.
    let next = begin(world.series(), range(KNOWN));
    others_go_on().await;
    assert!(next.is_finished());
    // They are made in the end.
    world.venue.release();
    for _ in 0..10 {
        world.advance(1);
        world.series().read(range(KNOWN)).await.unwrap();
    }
    assert_eq!(world.venue.calls().len(), 3);
}

/// They take nothing from what is needed: that is waited for, and they are made beside it.
#[tokio::test]
async fn what_is_needed_is_waited_for_as_long_as_it_takes() {
    let world = due(100).await;
    world.venue.change(|said| {
        said.holds = true;
        said.rows.extend((KNOWN.end..KNOWN.end + 20).map(|slot| (slot, candle(slot))));
    });
    let more = Slots::new(KNOWN.start, KNOWN.end + 20);
    let reading = begin(world.series(), range(more));
    for _ in 0..20 {
        others_go_on().await;
        world.advance(1);
    }
    assert!(!reading.is_finished());
    world.venue.release();
    assert_eq!(rows(&reading.await.unwrap().unwrap()), candles(more));
}

#[tokio::test]
async fn a_look_at_the_clock_and_a_check_are_waited_for_as_one() {
    let options = plain_options().with_clock_interval(std::time::Duration::from_secs(30));
    let world = World::with(TestVenue::new(NOW - 50..NOW), options);
    let last = Slots::new(NOW - 10, NOW);
    let request = Request::since(at(last.start), Some(10));
    world.series().read(request).await.unwrap();
    assert_eq!(world.venue.look(|said| said.clock_calls), 1);
    // The next look is due, and so is the newest row.
    world.advance(41);
    let theirs = at(NOW).after(std::time::Duration::from_secs(90));
    world.venue.change(|said| {
        (said.clock_holds, said.holds, said.server_time) = (true, true, Some(theirs));
    });
    world.venue.calls();
    let reading = begin(world.series(), request);
    assert_eq!(after_two_seconds(&world, reading).await, candles(last));
    // The look goes on without anybody who waits for it, and nobody does.
    let next = begin(world.series(), request);
    others_go_on().await;
    assert!(next.is_finished());
    world.venue.release();
    others_go_on().await;
    assert_eq!(world.venue.look(|said| said.clock_calls), 2);
    // It was looked at in the middle of two seconds, a second ago.
    assert_eq!(world.series().now(), theirs.after(std::time::Duration::from_secs(1)));
}

/// Nobody knows the time yet, and the venue does not tell it.
#[tokio::test]
async fn the_first_look_at_the_clock_is_not_waited_for_longer() {
    let mut world = World::new(TestVenue::new(NOW - 50..NOW));
    let last = Slots::new(NOW - 10, NOW - 2);
    world.series().read(range(last)).await.unwrap();
    world.restart();
    world.venue.change(|said| said.clock_holds = true);
    let request = Request::since(at(last.start), Some(8));
    let readings = [begin(world.series(), request), begin(world.series(), request)];
    for reading in readings {
        others_go_on().await;
        if !reading.is_finished() {
            assert_eq!(after_two_seconds(&world, reading).await, candles(last));
        }
    }
    assert_eq!(world.venue.look(|said| said.clock_calls), 2);
}

/// A history that is only to be checked is not held up by the question when it began.
#[tokio::test]
async fn the_listing_is_not_waited_for_longer_where_all_is_known() {
    let mut world = due(10).await;
    world.restart();
    world.venue.change(|said| (said.listing_holds, said.holds) = (true, true));
    let asked = world.venue.look(|said| said.listing_calls);
    let reading = begin(world.series(), range(KNOWN));
    assert_eq!(after_two_seconds(&world, reading).await, candles(KNOWN));
    assert_eq!(world.venue.look(|said| said.listing_calls), asked + 1);
    world.venue.change(|said| {
        said.listing = Listing { first: Some(at(KNOWN.start)), last: None };
    });
    world.venue.release();
    others_go_on().await;
    let first: Option<Time> = world.series().listing().await.unwrap().first;
    assert_eq!(first, Some(at(KNOWN.start)), "its answer is kept");
}
