//! Symbols that end, and begin again.

use std::time::Duration;

use cache_series::request::Request;
use cache_series::time::Slots;
use cache_series::venue::Listing;

use crate::venue::{TestVenue, candle};
use crate::world::{NOW, World, at, plain_options, range, slots_of};

const DAY: u64 = 86_400;

/// A symbol that was traded until a while ago, as the venue has said.
async fn ended() -> World {
    let venue = TestVenue::new(NOW - 1_000..NOW - 100);
    venue.change(|said| said.listing = Listing::since(at(NOW - 1_000)).until(at(NOW - 101)));
    let world = World::with(venue, plain_options().with_listing_interval(Duration::from_secs(DAY)));
    world.series().read(Request::until(at(NOW), None)).await.unwrap();
    assert_eq!(slots_of(&last(&world).await), (NOW - 110..NOW - 100).collect::<Vec<_>>());
    assert_eq!(world.venue.look(|said| said.listing_calls), 1);
    world
}

async fn last(world: &World) -> cache_series::cache::Reading<cache_series::row::Candle> {
    world.series().read(Request::last(10)).await.unwrap()
}

#[tokio::test]
async fn one_that_is_traded_again_is_seen() {
    let world = ended().await;
    world.venue.change(|said| {
        said.rows.extend((NOW..NOW + 2_000).map(|slot| (slot, candle(slot))));
        said.listing = Listing::since(at(NOW - 1_000));
    });
    world.advance(DAY - 60);
    assert_eq!(slots_of(&last(&world).await).last(), Some(&(NOW - 101)), "not yet asked again");
    world.advance(60);
    let newest: Vec<i64> = (NOW + 1_430..NOW + 1_440).collect();
    assert_eq!(slots_of(&last(&world).await), newest);
    assert_eq!(world.venue.look(|said| said.listing_calls), 2);
    let between = world.series().read(range(Slots::new(NOW - 105, NOW + 5))).await.unwrap();
    assert_eq!((between.len(), between.report().empty), (10, 100));
    assert_eq!(world.venue.look(|said| said.listing_calls), 2);
}

#[tokio::test]
async fn one_that_has_ended_is_asked_for_once_a_day_and_only_by_who_wants_more() {
    let world = ended().await;
    world.venue.calls();
    for day in 1..4 {
        world.advance(DAY);
        let before = world.series().read(range(Slots::new(NOW - 500, NOW - 100))).await.unwrap();
        assert_eq!(before.len(), 400);
        assert_eq!(world.venue.look(|said| said.listing_calls), day, "it does not reach that far");
        for _ in 0..3 {
            let reading = last(&world).await;
            assert_eq!(slots_of(&reading).last(), Some(&(NOW - 101)));
        }
        assert_eq!(world.venue.look(|said| said.listing_calls), day + 1);
    }
    assert_eq!(world.venue.calls(), []);
}

/// What was known holds while the venue does not tell, and it is not asked each time.
#[tokio::test]
async fn a_venue_that_does_not_tell_changes_nothing() {
    let world = ended().await;
    world.advance(DAY);
    world.venue.change(|said| said.listing_failures = 2);
    let mut asked = Vec::new();
    for _ in 0..10 {
        assert_eq!(slots_of(&last(&world).await).last(), Some(&(NOW - 101)));
        asked.push(world.venue.look(|said| said.listing_calls));
        world.advance(1);
    }
    assert_eq!(asked, [2, 3, 3, 4, 4, 4, 4, 4, 4, 4], "after a second, and after two more");
}
