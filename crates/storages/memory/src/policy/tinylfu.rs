use std::sync::atomic::{AtomicU16, Ordering};

use super::links::{Links, List};
use super::sketch::Sketch;
use super::{Capacity, Hit, Policy, Slots};

/// A twentieth for what is new.
const WINDOW_PART: u64 = 20;
/// Of the rest, four fifths at most for what was used there.
const PROTECTED_OF_TEN: u64 = 8;

const WINDOW: u16 = 0;
const PROBATION: u16 = 1;
const PROTECTED: u16 = 2;

/// A window by recency, and behind it a main part by recency in two segments, into which only who
/// was used more often than its next victim gets. After Einziger, Eytan, Friedman and Manes,
/// Middleware 2018.
#[derive(Debug)]
pub(crate) struct TinyLfu {
    links: Links,
    lists: [List; 3],
    sketch: Sketch,
    capacity: Capacity,
}

impl TinyLfu {
    pub(crate) fn new(capacity: Capacity) -> Self {
        let mut made = Self {
            links: Links::default(),
            lists: Default::default(),
            sketch: Sketch::default(),
            capacity,
        };
        made.resize(capacity);
        made
    }

    fn put(&mut self, slot: u32, list: u16, slots: &impl Slots) {
        slots.meta(slot).store(list, Ordering::Relaxed);
        let slots_max = self.capacity.slots_max();
        let list = &mut self.lists[usize::from(list)];
        list.push_back(&mut self.links, slot, slots.weight(slot), slots_max);
    }

    fn front(&self, list: u16) -> Option<u32> {
        self.lists[usize::from(list)].front()
    }

    fn weight(&self, list: u16) -> u64 {
        self.lists[usize::from(list)].weight()
    }

    fn held(&self) -> u64 {
        self.lists.iter().map(List::weight).sum()
    }

    fn move_to(&mut self, slot: u32, list: u16, slots: &impl Slots) {
        self.remove(slot, slots);
        self.put(slot, list, slots);
    }

    fn capacity(&self) -> u64 {
        match self.capacity {
            Capacity::Entries(entries) => entries,
            Capacity::Weight => self.held(),
        }
    }

    /// Where the capacity is a weight, how many entries that is shows with time.
    fn fit_sketch(&mut self) {
        let entries: u64 = self.lists.iter().map(|list| u64::from(list.len())).sum();
        if self.sketch.room() < entries {
            self.sketch = Sketch::new(entries * 2);
        }
    }
}

impl Policy for TinyLfu {
    fn hit(&self, _: &AtomicU16) -> Hit {
        Hit::InOrder
    }

    fn hit_in_order(&mut self, slot: u32, slots: &impl Slots) {
        self.sketch.add(slots.hash(slot));
        let list = slots.meta(slot).load(Ordering::Relaxed);
        if list != PROBATION {
            return self.lists[usize::from(list)].move_to_back(&mut self.links, slot);
        }
        self.move_to(slot, PROTECTED, slots);
        let main = self.weight(PROBATION) + self.weight(PROTECTED);
        while self.weight(PROTECTED) > (main * PROTECTED_OF_TEN / 10).max(1) {
            let Some(demoted) = self.front(PROTECTED).filter(|demoted| *demoted != slot) else {
                break;
            };
            self.move_to(demoted, PROBATION, slots);
        }
    }

    fn admit(&mut self, slot: u32, slots: &impl Slots) {
        if self.capacity == Capacity::Weight {
            self.fit_sketch();
        }
        self.sketch.add(slots.hash(slot));
        self.put(slot, WINDOW, slots);
        // Who leaves the window while there is room goes on without a look.
        let window = (self.capacity() / WINDOW_PART).max(1);
        while self.weight(WINDOW) > window && self.held() < self.capacity() {
            let Some(oldest) = self.front(WINDOW).filter(|oldest| *oldest != slot) else { break };
            self.move_to(oldest, PROBATION, slots);
        }
    }

    fn evict(&mut self, slots: &impl Slots) -> Option<u32> {
        let window = (self.capacity() / WINDOW_PART).max(1);
        let victim = self.front(PROBATION).or(self.front(PROTECTED));
        let candidate = self.front(WINDOW).filter(|_| self.weight(WINDOW) >= window);
        let gone = match (candidate, victim) {
            (Some(candidate), Some(victim)) => {
                let wins = self.sketch.count(slots.hash(candidate))
                    > self.sketch.count(slots.hash(victim));
                if wins {
                    self.move_to(candidate, PROBATION, slots);
                    victim
                } else {
                    candidate
                }
            }
            (candidate, victim) => candidate.or(victim).or(self.front(WINDOW))?,
        };
        self.remove(gone, slots);
        Some(gone)
    }

    fn remove(&mut self, slot: u32, slots: &impl Slots) {
        let list = slots.meta(slot).load(Ordering::Relaxed);
        let weight = slots.weight(slot);
        self.lists[usize::from(list)].unlink(&mut self.links, slot, weight);
    }

    fn reweigh(&mut self, slot: u32, weight: u64, slots: &impl Slots) {
        let list = slots.meta(slot).load(Ordering::Relaxed);
        self.lists[usize::from(list)].reweigh(slots.weight(slot), weight);
    }

    fn resize(&mut self, capacity: Capacity) {
        self.capacity = capacity;
        if let Capacity::Entries(entries) = capacity {
            self.sketch = Sketch::new(entries);
        }
    }
}
