//! Histories that are taken out of one cache and brought into another.

use std::collections::BTreeMap;

use cache_series::cache::Reading;
use cache_series::coverage::Kind;
use cache_series::request::Completeness;
use cache_series::row::Candle;
use cache_series::time::Slots;
use cache_series::transfer::OnDifference;
use proptest::prelude::*;

use crate::venue::TestVenue;
use crate::world::{NOW, World, at, range, rows};

/// Where [`any_history`] has its candles.
pub(crate) const SPAN: Slots = Slots::new(NOW - 6_000, NOW - 10);

pub(crate) async fn kinds(world: &World, slots: Slots) -> Vec<(Slots, Kind)> {
    let spans = world.series().known(at(slots.start), at(slots.end)).await.unwrap();
    spans.iter().map(|span| (span.slots, span.kind)).collect()
}

/// What is known here of some slots; nobody is asked.
pub(crate) async fn reading(world: &World, slots: Slots) -> Reading<Candle> {
    let request = range(slots).offline().with_completeness(Completeness::BestEffort);
    world.series().read(request).await.unwrap()
}

/// The rows that are stored, by a process that has nothing in memory and asks nobody.
pub(crate) async fn stored(world: &World, slots: Slots) -> Vec<(i64, Candle)> {
    rows(&reading(&world.beside(), slots).await)
}

/// Candles of all numbers that candles can have: minus zero and subnormal prices, volumes that are not
/// known, and many slots without one.
pub(crate) fn any_history() -> impl Strategy<Value = BTreeMap<i64, Candle>> {
    use proptest::num::f64::{NORMAL, SUBNORMAL, ZERO};
    let candle = (NORMAL | SUBNORMAL | ZERO, any::<Option<f64>>()).prop_map(|(price, volume)| {
        let volume = volume.map_or(f64::NAN, f64::abs);
        Candle::flat(price, if volume.is_infinite() { 0.0 } else { volume })
    });
    proptest::collection::btree_map(SPAN.start..SPAN.end, candle, 0..60)
}

/// A cache that has these candles and knows nothing else.
pub(crate) async fn holding(candles: &BTreeMap<i64, Candle>) -> World {
    let world = World::new(TestVenue::new([]));
    let given = candles.iter().map(|(slot, candle)| (at(*slot), *candle));
    world.series().import(given, OnDifference::Keep).await.unwrap();
    world
}

pub(crate) fn bits(rows: impl IntoIterator<Item = (i64, Candle)>) -> Vec<(i64, [u64; 5])> {
    let of = |Candle { open, high, low, close, volume }: Candle| {
        [open, high, low, close, volume].map(f64::to_bits)
    };
    rows.into_iter().map(|(slot, candle)| (slot, of(candle))).collect()
}

/// Both caches know the same of the same slots, bit by bit.
pub(crate) async fn assert_same(one: &World, other: &World) {
    assert_eq!(bits(stored(one, SPAN).await), bits(stored(other, SPAN).await));
    assert_eq!(kinds(one, SPAN).await, kinds(other, SPAN).await);
}

pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}
