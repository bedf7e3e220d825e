use std::sync::atomic::{AtomicU16, Ordering};

use super::history::History;
use super::links::{Links, List};
use super::{Capacity, Hit, Policy, Slots};

/// The small queue's share of the capacity: a tenth.
const SMALL_PART: u64 = 10;
const USES: u16 = 3;
const MAIN: u16 = 4;

/// New ones wait in a small queue; who was used twice there goes on to the main one, where each use
/// is a round more. Who goes is remembered, and comes back to the main queue. After Yang and others,
/// SOSP 2023.
#[derive(Debug)]
pub(crate) struct S3Fifo {
    links: Links,
    small: List,
    main: List,
    ghost: History,
    capacity: Capacity,
}

fn uses(meta: &AtomicU16) -> u16 {
    meta.load(Ordering::Relaxed) & USES
}

impl S3Fifo {
    pub(crate) fn new(capacity: Capacity) -> Self {
        let (small, main) = (List::default(), List::default());
        Self { links: Links::default(), small, main, ghost: History::default(), capacity }
    }

    fn move_to_main(&mut self, slot: u32, slots: &impl Slots) {
        slots.meta(slot).store(MAIN, Ordering::Relaxed);
        let slots_max = self.capacity.slots_max();
        self.main.push_back(&mut self.links, slot, slots.weight(slot), slots_max);
    }

    fn evict_from_small(&mut self, slots: &impl Slots) -> Option<u32> {
        while let Some(slot) = self.small.front() {
            self.small.unlink(&mut self.links, slot, slots.weight(slot));
            if uses(slots.meta(slot)) < 2 {
                self.ghost.push(slots.hash(slot));
                self.ghost.shrink(u64::from(self.main.len()).max(1));
                return Some(slot);
            }
            self.move_to_main(slot, slots);
        }
        None
    }

    fn evict_from_main(&mut self, slots: &impl Slots) -> Option<u32> {
        loop {
            let slot = self.main.front()?;
            let uses = uses(slots.meta(slot));
            if uses == 0 {
                self.main.unlink(&mut self.links, slot, slots.weight(slot));
                return Some(slot);
            }
            slots.meta(slot).store(MAIN | (uses - 1), Ordering::Relaxed);
            self.main.move_to_back(&mut self.links, slot);
        }
    }
}

impl Policy for S3Fifo {
    fn hit(&self, meta: &AtomicU16) -> Hit {
        let word = meta.load(Ordering::Relaxed);
        if word & USES < USES {
            meta.store(word + 1, Ordering::Relaxed);
        }
        Hit::Known
    }

    fn admit(&mut self, slot: u32, slots: &impl Slots) {
        if self.ghost.take(slots.hash(slot)) {
            return self.move_to_main(slot, slots);
        }
        slots.meta(slot).store(0, Ordering::Relaxed);
        let slots_max = self.capacity.slots_max();
        self.small.push_back(&mut self.links, slot, slots.weight(slot), slots_max);
    }

    fn evict(&mut self, slots: &impl Slots) -> Option<u32> {
        let capacity = match self.capacity {
            Capacity::Entries(entries) => entries,
            Capacity::Weight => self.small.weight() + self.main.weight(),
        };
        let is_full = self.small.weight() >= (capacity / SMALL_PART).max(1);
        let evicted = if is_full { self.evict_from_small(slots) } else { None };
        evicted.or_else(|| self.evict_from_main(slots)).or_else(|| self.evict_from_small(slots))
    }

    fn remove(&mut self, slot: u32, slots: &impl Slots) {
        let is_main = slots.meta(slot).load(Ordering::Relaxed) & MAIN != 0;
        let list = if is_main { &mut self.main } else { &mut self.small };
        list.unlink(&mut self.links, slot, slots.weight(slot));
    }

    fn reweigh(&mut self, slot: u32, weight: u64, slots: &impl Slots) {
        let is_main = slots.meta(slot).load(Ordering::Relaxed) & MAIN != 0;
        let list = if is_main { &mut self.main } else { &mut self.small };
        list.reweigh(slots.weight(slot), weight);
    }

    fn resize(&mut self, capacity: Capacity) {
        self.capacity = capacity;
    }
}
