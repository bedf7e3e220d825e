use std::sync::atomic::AtomicU16;

use super::links::{Links, List};
use super::{Capacity, Hit, Policy, Slots};

/// The least recently used goes.
#[derive(Debug)]
pub(crate) struct Lru {
    links: Links,
    list: List,
    capacity: Capacity,
}

impl Lru {
    pub(crate) fn new(capacity: Capacity) -> Self {
        Self { links: Links::default(), list: List::default(), capacity }
    }
}

impl Policy for Lru {
    fn hit(&self, _: &AtomicU16) -> Hit {
        Hit::InOrder
    }

    fn hit_in_order(&mut self, slot: u32, _: &impl Slots) {
        self.list.move_to_back(&mut self.links, slot);
    }

    fn admit(&mut self, slot: u32, slots: &impl Slots) {
        let slots_max = self.capacity.slots_max();
        self.list.push_back(&mut self.links, slot, slots.weight(slot), slots_max);
    }

    fn evict(&mut self, slots: &impl Slots) -> Option<u32> {
        let slot = self.list.front()?;
        self.remove(slot, slots);
        Some(slot)
    }

    fn remove(&mut self, slot: u32, slots: &impl Slots) {
        self.list.unlink(&mut self.links, slot, slots.weight(slot));
    }

    fn reweigh(&mut self, slot: u32, weight: u64, slots: &impl Slots) {
        self.list.reweigh(slots.weight(slot), weight);
    }

    fn resize(&mut self, capacity: Capacity) {
        self.capacity = capacity;
    }
}
