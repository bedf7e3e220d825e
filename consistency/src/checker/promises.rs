//! What was promised of which versions, by when.

use std::collections::HashMap;

use crate::history::{Event, History, Place};

/// Versions that were promised, by when; each holds from its time on.
#[derive(Debug, Default)]
pub(super) struct Promises(HashMap<Place, Vec<Promise>>);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Promise {
    /// When the invalidation returned, and began.
    at: u64,
    began: u64,
    version: u64,
    /// The highest version up to this one.
    highest: u64,
}

impl Promises {
    pub(super) fn add(&mut self, began: u64, at: u64, place: Place, version: u64) {
        let promise = Promise { at, began, version, highest: version };
        self.0.entry(place).or_default().push(promise);
    }

    /// Sorts by time, and notes the highest version up to each.
    pub(super) fn settle(&mut self) {
        for promises in self.0.values_mut() {
            promises.sort_unstable();
            let mut highest = 0;
            for promise in promises {
                highest = highest.max(promise.version);
                promise.highest = highest;
            }
        }
    }

    /// The promise that is broken if this version was found by what began at this time: when it was
    /// given, and of which version.
    pub(super) fn broken_by(
        &self,
        place: Place,
        began: u64,
        version: u64,
        brought: &Brought,
    ) -> Option<(u64, u64)> {
        let promises = self.0.get(&place)?;
        let before = &promises[..promises.partition_point(|promise| promise.at < began)];
        let last = before.last().filter(|last| version < last.highest)?;
        let Some(brought_at) = brought.0.get(&(place, version)) else {
            return Some((last.at, last.highest));
        };
        // One that had begun when it was brought promises nothing of it.
        let is_broken =
            |promise: &&Promise| version < promise.version && *brought_at < promise.began;
        let broken = before.iter().rev().find(is_broken)?;
        Some((broken.at, broken.version))
    }

    /// When an invalidation had returned, before this read began, that had begun after this time.
    pub(super) fn since(&self, place: Place, accepted: u64, read: u64) -> Option<u64> {
        let mut promises = self.0.get(&place)?.iter();
        promises.find(|one| accepted < one.began && one.at < read).map(|one| one.at)
    }
}

/// By when versions were brought by their callers, to be written to the storages later. Whoever brings
/// one that is older than what has been invalidated by then has it stored.
#[derive(Debug, Default)]
pub(super) struct Brought(HashMap<(Place, u64), u64>);

impl Brought {
    pub(super) fn of(histories: &[History]) -> Self {
        let mut brought = HashMap::new();
        for event in histories.iter().flat_map(|history| &history.events) {
            match event {
                // If nobody is told more, it was killed meanwhile.
                Event::Brings { place, version } => {
                    brought.entry((*place, *version)).or_insert(u64::MAX);
                }
                Event::Brought { at, place, version } => {
                    brought.insert((*place, *version), *at);
                }
                Event::NotBrought { place, version } => {
                    brought.remove(&(*place, *version));
                }
                _ => {}
            }
        }
        Self(brought)
    }
}
