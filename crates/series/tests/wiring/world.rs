//! A cache, its venue, its storage and its clock.

use std::sync::Arc;
use std::time::Duration;

use cache_core::clock::ManualClock;
use cache_core::testing::TestStorage;
use cache_series::cache::{MemoryBounds, Reading, Retry, Series, SeriesCache, SeriesOptions};
use cache_series::key::SeriesKey;
use cache_series::row::Candle;
use cache_series::store::Store;
use cache_series::time::{Alignment, Grid, Slots, Time, Timeframe};

use crate::venue::TestVenue;

pub(crate) const MINUTES: Grid = Grid::new(Timeframe::Minute1, Alignment::UTC);
/// The slot that is growing when a world begins; a third of it has passed.
pub(crate) const NOW: i64 = 28_333_333;

pub(crate) struct World {
    pub(crate) venue: TestVenue,
    pub(crate) storage: TestStorage,
    pub(crate) clock: ManualClock,
    pub(crate) options: SeriesOptions,
    pub(crate) cache: SeriesCache<Candle>,
}

/// No call is made again, nothing goes from memory, and the last minute alone is revised.
pub(crate) fn plain_options() -> SeriesOptions {
    SeriesOptions::default()
        .with_retry(Retry::NEVER)
        .with_memory(MemoryBounds::NONE)
        .with_revised_last(0)
}

pub(crate) fn key() -> SeriesKey {
    SeriesKey::new("TEST", "BTC/USDT", Timeframe::Minute1).unwrap()
}

impl World {
    pub(crate) fn new(venue: TestVenue) -> Self {
        Self::with(venue, plain_options())
    }

    pub(crate) fn with(venue: TestVenue, options: SeriesOptions) -> Self {
        let (storage, clock) = (TestStorage::new(), ManualClock::new());
        let cache = open(&venue, &storage, &clock, options);
        Self { venue, storage, clock, options, cache }
    }

    /// The process ends and begins anew.
    pub(crate) fn restart(&mut self) {
        self.cache = open(&self.venue, &self.storage, &self.clock, self.options);
    }

    /// Another process over the same storage.
    pub(crate) fn beside(&self) -> Self {
        let (venue, storage) = (self.venue.clone(), self.storage.clone());
        let (clock, options) = (self.clock.clone(), self.options);
        let cache = open(&venue, &storage, &clock, options);
        Self { venue, storage, clock, options, cache }
    }

    pub(crate) fn series(&self) -> Series<Candle> {
        self.cache.series(&key()).unwrap()
    }

    pub(crate) fn advance(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }
}

fn open(
    venue: &TestVenue,
    storage: &TestStorage,
    clock: &ManualClock,
    options: SeriesOptions,
) -> SeriesCache<Candle> {
    let clock = Arc::new(clock.clone());
    let store = Store::new(Arc::new(storage.clone()), clock, "history").unwrap();
    SeriesCache::builder(store).venue(Arc::new(venue.clone())).options(options).build()
}

pub(crate) fn at(slot: i64) -> Time {
    MINUTES.start_of(slot)
}

pub(crate) fn range(slots: Slots) -> cache_series::request::Request {
    cache_series::request::Request::range(at(slots.start), at(slots.end))
}

pub(crate) fn rows(reading: &Reading<Candle>) -> Vec<(i64, Candle)> {
    reading.view().iter().collect()
}

pub(crate) fn slots_of(reading: &Reading<Candle>) -> Vec<i64> {
    reading.view().iter().map(|(slot, _)| slot).collect()
}
