//! A venue that answers its newest slots alone.

use std::sync::Arc;

use async_trait::async_trait;
use cache_series::admit::Answer;
use cache_series::cache::SeriesCache;
use cache_series::key::SeriesKey;
use cache_series::plan::Paging;
use cache_series::request::Completeness;
use cache_series::row::Candle;
use cache_series::store::Store;
use cache_series::time::Slots;
use cache_series::venue::{Venue, VenueError, VenueErrorKind};

use crate::venue::TestVenue;
use crate::world::{NOW, World, key, plain_options, range, slots_of};

const DEPTH: i64 = 1_000;

#[derive(Debug)]
struct Shallow(TestVenue);

#[async_trait]
impl Venue<Candle> for Shallow {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn paging(&self, key: &SeriesKey) -> Result<Paging, VenueError> {
        self.0.paging(key)
    }

    fn depth(&self, _: &SeriesKey) -> Option<u64> {
        Some(DEPTH.unsigned_abs())
    }

    async fn page(&self, key: &SeriesKey, slots: Slots) -> Result<Answer<Candle>, VenueError> {
        self.0.page(key, slots).await
    }
}

#[tokio::test]
async fn what_lies_before_the_depth_is_not_asked_for_and_stays_missing() {
    let world = World::new(TestVenue::new(NOW - 9_000..NOW));
    let store =
        Store::new(Arc::new(world.storage.clone()), Arc::new(world.clock.clone()), "history");
    let cache = SeriesCache::builder(store.unwrap())
        .venue(Arc::new(Shallow(world.venue.clone())))
        .options(plain_options())
        .build();
    let series = cache.series(&key()).unwrap();
    let whole = Slots::new(NOW - 8_000, NOW - 5);
    let error = series.read(range(whole)).await.unwrap_err();
    assert_eq!(error.venue_error().unwrap().kind(), VenueErrorKind::Unsupported, "{error}");
    assert!(!error.is_transient());

    let request = range(whole).with_completeness(Completeness::BestEffort);
    let reading = series.read(request).await.unwrap();
    let reached = NOW - DEPTH;
    let calls = world.venue.calls();
    assert!(!calls.is_empty() && calls.iter().all(|asked| asked.end > reached), "{calls:?}");
    let read = slots_of(&reading);
    assert!(read.first().is_some_and(|first| *first <= reached) && read.last() == Some(&(NOW - 6)));
    let report = reading.report();
    assert_eq!(report.missing_slots(), whole.len() - read.len() as u64);
    assert_eq!((report.empty, report.before_listing), (0, 0));

    // What was in reach stays when it is not any more, and nobody is asked for what never was.
    let old = range(Slots::new(NOW - 8_000, NOW - 100)).with_completeness(Completeness::BestEffort);
    let before = slots_of(&series.read(old).await.unwrap());
    for _ in 0..5 {
        world.advance(86_400);
        assert_eq!(slots_of(&series.read(old).await.unwrap()), before);
    }
    assert_eq!(world.venue.calls(), [], "since then");
}
