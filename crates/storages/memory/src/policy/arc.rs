use std::sync::atomic::{AtomicU16, Ordering};

use super::history::History;
use super::links::{Links, List};
use super::{Capacity, Hit, Policy, Slots};

/// Beside the entry: it is among those that were used more than once.
const FREQUENT: u16 = 1;

/// Two lists by recency, of what was used once and of what was used more often, and a memory of what
/// was evicted from each: what is found there shifts the target between the lists. After Megiddo and
/// Modha, FAST 2003.
///
/// An entry is let go before the newcomer is known here, so that a newcomer found in the memory
/// moves the target for the next eviction, not for its own.
#[derive(Debug)]
pub(crate) struct ArcCache {
    links: Links,
    recent: List,
    frequent: List,
    recent_gone: History,
    frequent_gone: History,
    /// How much the recent ones are to have.
    target: u64,
    capacity: Capacity,
}

impl ArcCache {
    pub(crate) fn new(capacity: Capacity) -> Self {
        Self {
            links: Links::default(),
            recent: List::default(),
            frequent: List::default(),
            recent_gone: History::default(),
            frequent_gone: History::default(),
            target: 0,
            capacity,
        }
    }

    fn list(&mut self, slot: u32, slots: &impl Slots) -> (&mut List, &mut Links) {
        let is_frequent = slots.meta(slot).load(Ordering::Relaxed) == FREQUENT;
        let list = if is_frequent { &mut self.frequent } else { &mut self.recent };
        (list, &mut self.links)
    }

    fn put(&mut self, slot: u32, is_frequent: bool, slots: &impl Slots) {
        slots.meta(slot).store(u16::from(is_frequent), Ordering::Relaxed);
        let slots_max = self.capacity.slots_max();
        let (list, links) = self.list(slot, slots);
        list.push_back(links, slot, slots.weight(slot), slots_max);
    }

    fn held(&self) -> u64 {
        match self.capacity {
            Capacity::Entries(entries) => entries,
            Capacity::Weight => self.recent.weight() + self.frequent.weight(),
        }
    }
}

impl Policy for ArcCache {
    fn hit(&self, _: &AtomicU16) -> Hit {
        Hit::InOrder
    }

    fn hit_in_order(&mut self, slot: u32, slots: &impl Slots) {
        self.remove(slot, slots);
        self.put(slot, true, slots);
    }

    fn admit(&mut self, slot: u32, slots: &impl Slots) {
        let (hash, weight) = (slots.hash(slot), slots.weight(slot));
        let (recent, frequent) = (self.recent_gone.len().max(1), self.frequent_gone.len().max(1));
        let was_recent = self.recent_gone.take(hash);
        let was_frequent = !was_recent && self.frequent_gone.take(hash);
        if was_recent {
            let step = (frequent / recent).max(1).saturating_mul(weight);
            self.target = self.target.saturating_add(step).min(self.held());
        } else if was_frequent {
            let step = (recent / frequent).max(1).saturating_mul(weight);
            self.target = self.target.saturating_sub(step);
        }
        self.put(slot, was_recent || was_frequent, slots);
    }

    fn evict(&mut self, slots: &impl Slots) -> Option<u32> {
        let is_recent = self.recent.weight() > self.target || self.frequent.is_empty();
        let list = if is_recent { &self.recent } else { &self.frequent };
        let slot = list.front().or(self.frequent.front()).or(self.recent.front())?;
        let is_frequent = slots.meta(slot).load(Ordering::Relaxed) == FREQUENT;
        let held = u64::from(self.recent.len()) + u64::from(self.frequent.len());
        let gone = if is_frequent { &mut self.frequent_gone } else { &mut self.recent_gone };
        gone.push(slots.hash(slot));
        self.remove(slot, slots);
        // The recent ones and their memory together as many as are held, all four twice that.
        let recent = u64::from(self.recent.len());
        self.recent_gone.shrink(held.saturating_sub(recent).max(1));
        let all = held + self.recent_gone.len();
        self.frequent_gone.shrink((held * 2).saturating_sub(all).max(1));
        Some(slot)
    }

    fn remove(&mut self, slot: u32, slots: &impl Slots) {
        let weight = slots.weight(slot);
        let (list, links) = self.list(slot, slots);
        list.unlink(links, slot, weight);
    }

    fn reweigh(&mut self, slot: u32, weight: u64, slots: &impl Slots) {
        let (list, _) = self.list(slot, slots);
        list.reweigh(slots.weight(slot), weight);
    }

    fn resize(&mut self, capacity: Capacity) {
        self.capacity = capacity;
        self.target = self.target.min(self.held());
    }
}
