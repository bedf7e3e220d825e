//! The default policy: queues in the way of S3-FIFO, whose mode is chosen by trying all modes out
//! on a sample of the accesses.
//!
//! A window of new entries and a main queue with second chances are kept per shard, and a memory of
//! what was evicted. How large the window is, and how hard it is to get from it to the main queue,
//! is the [mode](mode::Mode). Four small caches of keys alone, one a mode, see a sample of the accesses;
//! the mode that hits most there is the mode of all shards.
//!
//! After S3-FIFO (Yang and others, SOSP 2023), with the miniature simulations of Waldspurger and
//! others (USENIX ATC 2017) to choose.

mod choice;
mod ghost;
mod mini;
mod mode;
mod queues;
mod word;

use std::sync::Arc;
use std::sync::atomic::AtomicU16;

pub(crate) use choice::Choice;
use queues::Queues;

use super::{Capacity, Hit, Policy, Slots};

/// The queues of one shard, and what is chosen for all.
#[derive(Debug)]
pub(crate) struct Adaptive {
    queues: Queues,
    choice: Arc<Choice>,
}

impl Adaptive {
    pub(crate) fn new(capacity: Capacity, choice: Arc<Choice>) -> Self {
        Self { queues: Queues::new(capacity), choice }
    }
}

impl Policy for Adaptive {
    #[inline]
    fn hit(&self, meta: &AtomicU16) -> Hit {
        self.choice.hit(meta)
    }

    fn admit(&mut self, slot: u32, slots: &impl Slots) {
        self.queues.admit(slot, self.choice.turn(), slots);
    }

    fn evict(&mut self, slots: &impl Slots) -> Option<u32> {
        self.queues.evict(self.choice.turn(), slots)
    }

    fn remove(&mut self, slot: u32, slots: &impl Slots) {
        self.queues.remove(slot, slots);
    }

    fn reweigh(&mut self, slot: u32, weight: u64, slots: &impl Slots) {
        self.queues.reweigh(slot, weight, slots);
    }

    fn resize(&mut self, capacity: Capacity) {
        self.queues.resize(capacity);
    }
}
