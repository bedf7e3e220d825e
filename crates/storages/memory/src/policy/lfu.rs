use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU16, Ordering};

use super::links::{Links, List};
use super::{Capacity, Hit, Policy, Slots};

/// The least often used goes; of these, the one that was so first. Counts stand still at 65,535.
#[derive(Debug)]
pub(crate) struct Lfu {
    links: Links,
    /// Those with each count, in the order in which they came to it.
    lists: BTreeMap<u16, List>,
    capacity: Capacity,
}

impl Lfu {
    pub(crate) fn new(capacity: Capacity) -> Self {
        Self { links: Links::default(), lists: BTreeMap::new(), capacity }
    }

    fn put(&mut self, slot: u32, count: u16, slots: &impl Slots) {
        slots.meta(slot).store(count, Ordering::Relaxed);
        let list = self.lists.entry(count).or_default();
        let slots_max = self.capacity.slots_max();
        list.push_back(&mut self.links, slot, slots.weight(slot), slots_max);
    }

    /// Gives its count, which lies beside the entry.
    fn take(&mut self, slot: u32, slots: &impl Slots) -> u16 {
        let (count, weight) = (slots.meta(slot).load(Ordering::Relaxed), slots.weight(slot));
        if let Some(list) = self.lists.get_mut(&count) {
            list.unlink(&mut self.links, slot, weight);
            if list.is_empty() {
                self.lists.remove(&count);
            }
        }
        count
    }
}

impl Policy for Lfu {
    fn hit(&self, _: &AtomicU16) -> Hit {
        Hit::InOrder
    }

    fn hit_in_order(&mut self, slot: u32, slots: &impl Slots) {
        let count = self.take(slot, slots);
        self.put(slot, count.saturating_add(1), slots);
    }

    fn admit(&mut self, slot: u32, slots: &impl Slots) {
        self.put(slot, 1, slots);
    }

    fn evict(&mut self, slots: &impl Slots) -> Option<u32> {
        let slot = self.lists.first_key_value()?.1.front()?;
        self.take(slot, slots);
        Some(slot)
    }

    fn remove(&mut self, slot: u32, slots: &impl Slots) {
        self.take(slot, slots);
    }

    fn reweigh(&mut self, slot: u32, weight: u64, slots: &impl Slots) {
        if let Some(list) = self.lists.get_mut(&slots.meta(slot).load(Ordering::Relaxed)) {
            list.reweigh(slots.weight(slot), weight);
        }
    }

    fn resize(&mut self, capacity: Capacity) {
        self.capacity = capacity;
    }
}
