//! Machines whose clock is wrong: what is over is what the venue's clock says.

use cache_series::request::Request;
use cache_series::time::Slots;
use cache_series::venue::{VenueError, VenueErrorKind};

use crate::venue::TestVenue;
use crate::world::{NOW, World, at, range, slots_of};

/// This machine is ten minutes ahead; the venue's newest row grows.
fn behind() -> World {
    let venue = TestVenue::new(NOW - 500..=NOW - 10);
    venue.change(|said| said.server_time = Some(at(NOW - 10)));
    World::new(venue)
}

/// The last that is over by the venue's clock, with some patience.
const LAST: [i64; 3] = [NOW - 14, NOW - 13, NOW - 12];

async fn others_go_on() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn all_who_read_first_wait_until_it_is_known() {
    let world = behind();
    world.venue.change(|said| said.clock_holds = true);
    let readers: Vec<_> = (0..3)
        .map(|_| {
            let series = world.series();
            tokio::spawn(async move { series.read(Request::last(3)).await })
        })
        .collect();
    others_go_on().await;
    assert_eq!(world.venue.calls(), [], "nobody knows yet what is over");
    world.venue.release();
    for reader in readers {
        assert_eq!(slots_of(&reader.await.unwrap().unwrap()), LAST);
    }
    assert_eq!(world.venue.look(|said| said.clock_calls), 1);
    let calls = world.venue.calls();
    assert!(calls.iter().all(|slots| slots.end <= NOW - 11), "{calls:?}");
}

#[tokio::test]
async fn nothing_is_asked_for_before_it_is_known_and_it_is_looked_at_again_soon() {
    let world = behind();
    world.venue.change(|said| said.clock_failures = 1);
    let error = world.series().read(Request::last(3)).await.unwrap_err();
    let kind = error.venue_error().map(|error| error.kind());
    assert_eq!(kind, Some(VenueErrorKind::Unavailable), "{error:?}");
    assert_eq!(world.venue.calls(), []);
    world.advance(2);
    let reading = world.series().read(Request::last(3)).await.unwrap();
    assert_eq!(slots_of(&reading), LAST);
    assert_eq!(world.venue.look(|said| said.clock_calls), 2);
}

#[tokio::test]
async fn one_that_goes_away_leaves_the_look_to_those_who_come_after() {
    let world = behind();
    world.venue.change(|said| said.clock_holds = true);
    let series = world.series();
    let first = tokio::spawn(async move { series.read(Request::last(3)).await });
    others_go_on().await;
    first.abort();
    assert!(first.await.unwrap_err().is_cancelled());
    world.venue.release();
    let reading = world.series().read(Request::last(3)).await.unwrap();
    assert_eq!(slots_of(&reading), LAST);
    assert_eq!(world.venue.look(|said| said.clock_calls), 1, "it went on");
}

/// What is over and known is read without the venue, though nobody has told the time.
#[tokio::test]
async fn it_is_not_looked_at_where_nothing_is_missing() {
    let mut world = behind();
    let past = range(Slots::new(NOW - 300, NOW - 200));
    world.series().read(past).await.unwrap();
    assert_eq!(world.venue.look(|said| said.clock_calls), 1, "before a page");
    world.restart();
    for _ in 0..2 {
        assert_eq!(world.series().read(past).await.unwrap().len(), 100);
        world.advance(7_200);
    }
    assert_eq!(world.venue.look(|said| said.clock_calls), 1);
    // What is over by this machine's clock alone is not taken to be.
    let theirs = at(NOW - 10).after(std::time::Duration::from_secs(14_400));
    world.venue.change(|said| {
        said.server_time = Some(theirs);
        said.rows = (NOW - 500..NOW + 230).map(|slot| (slot, crate::venue::candle(slot))).collect();
    });
    let ahead = range(Slots::new(NOW + 220, NOW + 235));
    let reading = world.series().read(ahead).await.unwrap();
    assert_eq!(slots_of(&reading), (NOW + 220..NOW + 229).collect::<Vec<_>>());
    assert!(world.venue.calls().iter().all(|slots| slots.end <= NOW + 229));
}

/// What was known stays if a later look fails.
#[tokio::test]
async fn a_later_look_that_fails_changes_nothing() {
    let world = behind();
    world.series().read(Request::last(3)).await.unwrap();
    world.advance(7_200);
    world.venue.change(|said| said.clock_failures = 1);
    world.series().read(range(Slots::new(NOW - 200, NOW - 190))).await.unwrap();
    assert_eq!(world.venue.look(|said| said.clock_failures), 0);
    assert_eq!(world.series().now(), at(NOW + 110));
}

/// A look at the clock is a call like others: none while the venue wants to be left alone.
#[tokio::test]
async fn the_clock_of_a_venue_that_wants_to_be_left_alone_is_not_looked_at() {
    let world = behind();
    world.series().read(Request::last(3)).await.unwrap();
    // The next look is due, and the page before it is refused.
    world.advance(3_500);
    let banned = VenueError::new("test", VenueErrorKind::Banned, "enough")
        .with_retry_after(std::time::Duration::from_secs(600));
    world.venue.change(|said| said.failures.push_back(banned));
    let _ = world.series().read(range(Slots::new(NOW - 400, NOW - 390))).await.unwrap_err();
    world.advance(200);
    let _ = world.series().read(range(Slots::new(NOW - 300, NOW - 290))).await.unwrap_err();
    assert_eq!(world.venue.look(|said| said.clock_calls), 1);
    world.advance(600);
    let theirs = at(NOW - 10).after(std::time::Duration::from_secs(4_300));
    world.venue.change(|said| said.server_time = Some(theirs));
    world.series().read(range(Slots::new(NOW - 300, NOW - 290))).await.unwrap();
    assert_eq!(world.venue.look(|said| said.clock_calls), 2);
}
