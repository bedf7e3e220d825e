use std::sync::atomic::{AtomicU16, Ordering};

use super::links::{Links, List, NONE};
use super::{Capacity, Hit, Policy, Slots};

const VISITED: u16 = 1;

/// A hand goes from the oldest to the youngest and takes the first that was not used since it last
/// came. After Zhang and others, NSDI 2024.
#[derive(Debug)]
pub(crate) struct Sieve {
    links: Links,
    list: List,
    /// Whom it looks at next; the oldest if that is nobody.
    hand: u32,
    capacity: Capacity,
}

impl Sieve {
    pub(crate) fn new(capacity: Capacity) -> Self {
        Self { links: Links::default(), list: List::default(), hand: NONE, capacity }
    }
}

impl Policy for Sieve {
    fn hit(&self, meta: &AtomicU16) -> Hit {
        if meta.load(Ordering::Relaxed) != VISITED {
            meta.store(VISITED, Ordering::Relaxed);
        }
        Hit::Known
    }

    fn admit(&mut self, slot: u32, slots: &impl Slots) {
        slots.meta(slot).store(0, Ordering::Relaxed);
        let slots_max = self.capacity.slots_max();
        self.list.push_back(&mut self.links, slot, slots.weight(slot), slots_max);
    }

    fn evict(&mut self, slots: &impl Slots) -> Option<u32> {
        let oldest = self.list.front()?;
        let mut slot = if self.hand == NONE { oldest } else { self.hand };
        while slots.meta(slot).load(Ordering::Relaxed) == VISITED {
            slots.meta(slot).store(0, Ordering::Relaxed);
            slot = self.list.after(&self.links, slot);
            if slot == NONE {
                slot = self.list.front()?;
            }
        }
        self.hand = slot;
        // Moves the hand on.
        self.remove(slot, slots);
        Some(slot)
    }

    fn remove(&mut self, slot: u32, slots: &impl Slots) {
        if self.hand == slot {
            self.hand = self.list.after(&self.links, slot);
        }
        self.list.unlink(&mut self.links, slot, slots.weight(slot));
    }

    fn reweigh(&mut self, slot: u32, weight: u64, slots: &impl Slots) {
        self.list.reweigh(slots.weight(slot), weight);
    }

    fn resize(&mut self, capacity: Capacity) {
        self.capacity = capacity;
    }
}
