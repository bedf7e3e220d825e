use std::sync::Arc;

use super::answer::Answer;
use super::map::{Landing, Led};
use crate::cache::Binding;
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
}

/// One flight of a batch, with what is known of it on the way.
pub(super) struct Item<N: Node> {
    pub(super) led: Led<N, N::Value>,
    pub(super) key: Key,
    /// From each storage tier's own miss; a tier without one is not filled.
    pub(super) stamps: Vec<Option<Stamp>>,
    /// An older copy, where the source may want to compare.
    pub(super) stale: Option<StaleCopy<N>>,
}

/// What a reload may go by.
pub(super) struct StaleCopy<N: Node> {
    /// As a storage holds it; `None` where memory is the only tier.
    pub(super) entry: Option<Entry>,
    pub(super) tags: Tags,
    pub(super) previous: Previous<N::Value>,
}

impl<N: Node> Batch<N> {
    /// Makes the keys; flights whose node makes none land at once with the reason.
    pub(super) fn new(binding: Arc<Binding<N>>, led: Vec<Led<N, N::Value>>) -> Self {
        let mut items = Vec::with_capacity(led.len());
        for mut led in led {
            match binding.key(&led.node) {
                Ok(key) => {
                    let stamps = vec![None; binding.tiers.len()];
                    items.push(Item { led, key, stamps, stale: None });
                }
                Err(error) => binding.flights_of(&led).land(&mut led, Err(error)),
            }
        }
        Self { binding, items }
    }

    /// One batch for each flight that is still in the air.
    pub(super) fn part(&mut self) -> Vec<Self> {
        let items = std::mem::take(&mut self.items);
        let flying = items.into_iter().filter(|item| !item.led.is_landed());
        let part = |item| Self { binding: Arc::clone(&self.binding), items: vec![item] };
        flying.map(part).collect()
    }

    /// The places of the flights that are still in the air.
    pub(super) fn flying(&self) -> Vec<usize> {
        (0..self.items.len()).filter(|at| !self.items[*at].led.is_landed()).collect()
    }

    /// Brings one flight down.
    pub(super) fn land(&mut self, at: usize, landing: Landing<N::Value>) {
        let item = &mut self.items[at];
        self.binding.flights_of(&item.led).land(&mut item.led, landing);
    }

    /// Brings one flight down with an answer.
    pub(super) fn land_answer(&mut self, at: usize, answer: Answer<N::Value>) {
        self.land(at, Ok(answer));
    }

    /// Brings down all that is still in the air.
    pub(super) fn land_rest(&mut self, error: impl Fn(Key) -> Error) {
        for at in self.flying() {
            let key = self.items[at].key.clone();
            self.land(at, Err(error(key)));
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
