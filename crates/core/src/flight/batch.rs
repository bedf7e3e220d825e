use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use tokio::sync::Semaphore;

use super::answer::{Answer, Origin};
use super::map::{Landing, Led};
use crate::cache::Binding;
use crate::clock::Tick;
use crate::entry::Entry;
use crate::error::Error;
use crate::fence::Stamp;
use crate::key::{Key, Tags};
use crate::node::Node;
use crate::source::Previous;

/// The flights that one task leads. Whatever ends the task, dropping the batch brings down what is
/// still in the air, so that nobody waits for nothing.
pub(super) struct Batch<N: Node> {
    pub(super) binding: Arc<Binding<N>>,
    pub(super) items: Vec<Item<N>>,
    /// What the source names as likely next; `None` where nobody asks it to, for a prefetch.
    pub(super) next: Option<Vec<N>>,
    /// Who loads below all other work loads one after the other, where the source loads one at a
    /// time: it has one place in all. `None`: as many as there are places.
    pub(super) turns: Option<Arc<Semaphore>>,
}

/// One flight of a batch, with what is known of it on the way.
pub(super) struct Item<N: Node> {
    pub(super) led: Led<N, N::Value>,
    pub(super) key: Key,
    /// From each storage tier's own miss; a tier without one is not filled.
    pub(super) stamps: Vec<Option<Stamp>>,
    /// An older copy, where the source may want to compare.
    pub(super) stale: Option<StaleCopy<N>>,
    /// Whether a storage has told that it has no entry, or which one.
    pub(super) told: bool,
}

/// What a reload may go by.
pub(super) struct StaleCopy<N: Node> {
    /// As a storage holds it, and which one; `None` where memory is the only tier.
    pub(super) stored: Option<(usize, Entry)>,
    pub(super) tags: Tags,
    pub(super) previous: Previous<N::Value>,
    /// Until when memory keeps it, where it comes from there.
    pub(super) kept_until: Tick,
}

impl<N: Node> Batch<N> {
    /// Makes the keys; flights whose node makes none land at once with the reason.
    pub(super) fn new(binding: Arc<Binding<N>>, led: Vec<Led<N, N::Value>>) -> Self {
        let mut items = Vec::with_capacity(led.len());
        for mut led in led {
            match binding.key(&led.node) {
                Ok(key) => {
                    let stamps = vec![None; binding.tiers.len()];
                    items.push(Item { led, key, stamps, stale: None, told: false });
                }
                Err(error) => binding.flights_of(&led).land(&mut led, Err(error)),
            }
        }
        Self { binding, items, next: Some(Vec::new()), turns: None }
    }

    /// One batch for each flight that is still in the air.
    pub(super) fn part(&mut self) -> Vec<Self> {
        let items = std::mem::take(&mut self.items);
        let flying = items.into_iter().filter(|item| !item.led.is_landed());
        flying.map(|item| self.with(item)).collect()
    }

    /// Takes these flights out, one batch for each; their places rise.
    pub(super) fn part_off(&mut self, places: &[usize]) -> Vec<Self> {
        if places.is_empty() {
            return Vec::new();
        }
        let items = std::mem::take(&mut self.items);
        let (mut left, mut parted) = (Vec::new(), Vec::with_capacity(places.len()));
        let mut places = places.iter().peekable();
        for (at, item) in items.into_iter().enumerate() {
            if places.next_if(|place| **place == at).is_some() {
                parted.push(item);
            } else {
                left.push(item);
            }
        }
        self.items = left;
        parted.into_iter().map(|item| self.with(item)).collect()
    }

    fn with(&self, item: Item<N>) -> Self {
        Self {
            binding: Arc::clone(&self.binding),
            items: vec![item],
            next: self.next.as_ref().map(|_| Vec::new()),
            turns: self.turns.clone(),
        }
    }

    /// The places of the flights that are still in the air.
    pub(super) fn flying(&self) -> Vec<usize> {
        (0..self.items.len()).filter(|at| !self.items[*at].led.is_landed()).collect()
    }

    /// Tells that the source is asked in the place of the tiers.
    pub(super) fn tell_misses(&self, flying: &[usize]) {
        let reads = flying.iter().map(|at| &self.items[*at]).filter(|item| item.led.is_read());
        reads.for_each(|item| self.binding.tell_miss(&item.key));
    }

    /// Brings one flight down.
    pub(super) fn land(&mut self, at: usize, landing: Landing<N::Value>) {
        let item = &mut self.items[at];
        if landing.is_err() && self.binding.behind.is_on {
            let throttle = self.binding.definition.stale.throttle;
            // Memory's copy is not kept alive where a storage has told that there is none.
            let keeps = item.led.is_behind() && (!item.told || item.stale.is_some());
            self.binding.put_off_in_memory(&item.led.node, throttle, keeps);
        }
        self.binding.flights_of(&item.led).land(&mut item.led, landing);
    }

    /// Brings one flight down with an answer.
    pub(super) fn land_answer(&mut self, at: usize, answer: Answer<N::Value>) {
        let value = answer.value.clone().filter(|_| answer.origin != Origin::Memory);
        self.land(at, Ok(answer));
        let Self { binding, items, next: Some(next), .. } = self else { return };
        if let Some(value) = value.filter(|_| items[at].led.is_read()) {
            let node = &items[at].led.node;
            // It is a hint: a panic in it takes no answer along.
            let named = AssertUnwindSafe(|| binding.source.likely_next(node, &value));
            next.extend(catch_unwind(named).unwrap_or_default());
        }
    }

    /// Brings down all that is still in the air.
    pub(super) fn land_rest(&mut self, error: impl Fn(Key) -> Error) {
        for at in self.flying() {
            let key = self.items[at].key.clone();
            self.land(at, Err(error(key)));
        }
    }
}

// By hand, for a derive would ask for `N::Value: Clone`.
impl<N: Node> Clone for StaleCopy<N> {
    fn clone(&self) -> Self {
        let Previous { value, created } = &self.previous;
        Self {
            stored: self.stored.clone(),
            tags: self.tags.clone(),
            previous: Previous { value: value.clone(), created: *created },
            kept_until: self.kept_until,
        }
    }
}

impl<N: Node> Drop for Batch<N> {
    fn drop(&mut self) {
        let left = self.flying().len() as u64;
        if left > 0 {
            self.binding.recorder.loads_failed(left);
            self.land_rest(|key| Error::LoadCancelled { key });
        }
    }
}
