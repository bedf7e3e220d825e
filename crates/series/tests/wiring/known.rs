//! What can be looked at without asking anybody.

use cache_core::testing::Operation;
use cache_series::cache::SeriesError;
use cache_series::coverage::Kind;
use cache_series::request::{Request, RequestError};
use cache_series::time::{Slots, Time};

use crate::venue::{TestVenue, candle};
use crate::world::{NOW, World, at, range};

#[tokio::test]
async fn what_is_not_over_is_neither_known_nor_a_gap() {
    let world = World::new(TestVenue::new(NOW - 200..NOW));
    let series = world.series();
    series.read(Request::last(100)).await.unwrap();
    world.venue.calls();
    let known = series.known(at(NOW - 10), Time::MAX).await.unwrap();
    let spans: Vec<(Slots, Kind)> = known.iter().map(|span| (span.slots, span.kind)).collect();
    assert_eq!(spans, [(Slots::new(NOW - 10, NOW), Kind::Present)]);
    assert_eq!(series.gaps(at(NOW - 10), Time::MAX).await.unwrap(), []);
    assert_eq!(series.known(at(NOW + 5), at(NOW + 9)).await.unwrap(), []);
    // One that has just ended is none until it is final, or the feed tells of it.
    world.advance(41);
    assert_eq!(series.gaps(at(NOW), Time::MAX).await.unwrap(), []);
    let live = series.subscribe(Request::last(1)).await.unwrap();
    world.venue.connected().await;
    let stored = series.stats().chunks_stored;
    world.venue.tell(at(NOW), candle(NOW), true);
    while series.stats().chunks_stored == stored {
        tokio::task::yield_now().await;
    }
    let told = series.known(at(NOW), Time::MAX).await.unwrap();
    assert_eq!((told.len(), told[0].slots, told[0].kind), (1, Slots::one(NOW), Kind::Present));
    drop(live);
    world.advance(62);
    let gaps = series.gaps(at(NOW), Time::MAX).await.unwrap();
    assert_eq!((gaps.len(), gaps[0].slots, gaps[0].kind), (1, Slots::one(NOW + 1), Kind::Unknown));
}

#[tokio::test]
async fn more_than_can_be_looked_at_is_refused() {
    let world = World::new(TestVenue::new([]));
    let series = world.series();
    for (from, to) in [(Time::MIN, Time::MAX), (Time::EPOCH, at(NOW))] {
        let known = series.known(from, to).await.unwrap_err();
        let gaps = series.gaps(from, to).await.unwrap_err();
        for error in [known, gaps] {
            let SeriesError::Request { source: RequestError::TooLong { slots_max, .. }, .. } =
                error
            else {
                panic!("{error:?}");
            };
            assert_eq!(slots_max, Request::SLOTS_MAX);
        }
    }
    assert_eq!(world.storage.calls().get_many, 0);
}

/// Many chunks are loaded in several goes; of two who want them at once, each is read by one.
#[tokio::test]
async fn what_two_load_at_once_is_read_once() {
    let world = World::new(TestVenue::new([]));
    let slots = Slots::new((NOW / 1_024 - 300) * 1_024, (NOW / 1_024 - 100) * 1_024);
    let look = || {
        let series = world.series();
        async move { series.known(at(slots.start), at(slots.end)).await.unwrap().len() }
    };
    let read = |series: cache_series::cache::Series<_>| async move {
        series.read(range(slots).offline()).await.unwrap_err()
    };
    // All of them want all of it before the first has it.
    let gate = world.storage.hold(Operation::GetMany);
    let begin = async {
        gate.arrived(1).await;
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
        gate.open();
    };
    let (one, other, _, ()) = tokio::join!(look(), look(), read(world.series()), begin);
    assert_eq!((one, other), (1, 1));
    let stats = world.series().stats();
    assert_eq!((stats.chunks_loaded, stats.chunk_loads), (200, 4), "64 at once");
    // What was forgotten is read again, and no more.
    world.cache.forget(&cache_series::store::Scope::all());
    look().await;
    assert_eq!(world.series().stats().chunks_loaded, 400);
}
