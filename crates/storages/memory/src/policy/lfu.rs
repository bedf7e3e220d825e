use std::sync::atomic::AtomicU16;

use super::links::{Links, List, NONE};
use super::{Capacity, Hit, Policy, Slots};

/// The least often used goes; of these, the one that was so first. Counts stand still at 65,535.
///
/// A hit allocates nothing: room for counts that nobody had is made when something is brought in, for
/// twice as many as there are. Where hits alone come, and spread over more counts than that, they are
/// not counted until then.
#[derive(Debug)]
pub(crate) struct Lfu {
    links: Links,
    counts: Vec<Count>,
    /// The lowest of the counts that somebody has.
    lowest: u32,
    /// Places in `counts` that are free.
    free: Vec<u32>,
    /// Where each slot's count is.
    place_of: Vec<u32>,
    capacity: Capacity,
}

/// Those with one count, in the order in which they came to it.
#[derive(Debug)]
struct Count {
    count: u16,
    list: List,
    lower: u32,
    higher: u32,
}

/// So many more counts there is room for at least, whenever something has been brought in: all hits
/// that wait to be told of may come to one of their own.
const SPARE_MIN: usize = 64;

impl Lfu {
    pub(crate) fn new(capacity: Capacity) -> Self {
        Self {
            links: Links::default(),
            counts: Vec::new(),
            lowest: NONE,
            free: Vec::new(),
            place_of: Vec::new(),
            capacity,
        }
    }

    fn at(&mut self, place: u32) -> &mut Count {
        &mut self.counts[place as usize]
    }

    /// Makes room for as many counts again, and for a slot.
    fn make_room(&mut self, slot: u32) {
        let used = self.counts.len() - self.free.len();
        let spare = self.counts.capacity() - used;
        let wanted = used.max(SPARE_MIN);
        if spare < wanted {
            self.counts.reserve_exact(2 * wanted + self.free.len());
            let places = self.counts.capacity();
            self.free.reserve_exact(places - self.free.len());
        }
        if self.place_of.len() <= slot as usize {
            let wanted = slot as usize + 1;
            super::reserve(&mut self.place_of, wanted, self.capacity.slots_max());
            self.place_of.resize(wanted, NONE);
        }
    }

    /// The place of a count behind that at `lower`, or in front of all; `None` if there is no room
    /// for it.
    fn place_behind(&mut self, lower: u32, count: u16) -> Option<u32> {
        let next = if lower == NONE { self.lowest } else { self.at(lower).higher };
        if next != NONE && self.at(next).count == count {
            return Some(next);
        }
        let new = Count { count, list: List::default(), lower, higher: next };
        let place = match self.free.pop() {
            Some(place) => {
                *self.at(place) = new;
                place
            }
            None if self.counts.len() < self.counts.capacity() => {
                self.counts.push(new);
                (self.counts.len() - 1) as u32
            }
            None => return None,
        };
        if lower == NONE {
            self.lowest = place;
        } else {
            self.at(lower).higher = place;
        }
        if next != NONE {
            self.at(next).lower = place;
        }
        Some(place)
    }

    fn put(&mut self, slot: u32, place: u32, slots: &impl Slots) {
        let slots_max = self.capacity.slots_max();
        let Self { links, counts, .. } = self;
        counts[place as usize].list.push_back(links, slot, slots.weight(slot), slots_max);
        self.place_of[slot as usize] = place;
    }

    /// Takes a slot out of its list; the count stays, were it nobody's.
    fn take(&mut self, slot: u32, slots: &impl Slots) -> u32 {
        let place = self.place_of[slot as usize];
        let Self { links, counts, .. } = self;
        counts[place as usize].list.unlink(links, slot, slots.weight(slot));
        place
    }

    /// Frees a count that is nobody's any more.
    fn leave(&mut self, place: u32) {
        let Count { lower, higher, list, .. } = &self.counts[place as usize];
        if !list.is_empty() {
            return;
        }
        let (lower, higher) = (*lower, *higher);
        if lower == NONE {
            self.lowest = higher;
        } else {
            self.at(lower).higher = higher;
        }
        if higher != NONE {
            self.at(higher).lower = lower;
        }
        // There is room for all places.
        self.free.push(place);
    }
}

impl Policy for Lfu {
    fn hit(&self, _: &AtomicU16) -> Hit {
        Hit::InOrder
    }

    fn hit_in_order(&mut self, slot: u32, slots: &impl Slots) {
        let from = self.place_of[slot as usize];
        let count = self.at(from).count.saturating_add(1);
        if count == self.at(from).count {
            self.take(slot, slots);
            self.put(slot, from, slots);
            return;
        }
        if let Some(to) = self.place_behind(from, count) {
            self.take(slot, slots);
            self.put(slot, to, slots);
            self.leave(from);
        }
    }

    fn admit(&mut self, slot: u32, slots: &impl Slots) {
        self.make_room(slot);
        if let Some(place) = self.place_behind(NONE, 1) {
            self.put(slot, place, slots);
        }
    }

    fn evict(&mut self, slots: &impl Slots) -> Option<u32> {
        let lowest = self.counts.get(self.lowest as usize)?;
        let slot = lowest.list.front()?;
        self.remove(slot, slots);
        Some(slot)
    }

    fn remove(&mut self, slot: u32, slots: &impl Slots) {
        let place = self.take(slot, slots);
        self.leave(place);
    }

    fn reweigh(&mut self, slot: u32, weight: u64, slots: &impl Slots) {
        let place = self.place_of[slot as usize];
        self.at(place).list.reweigh(slots.weight(slot), weight);
    }

    fn resize(&mut self, capacity: Capacity) {
        self.capacity = capacity;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::hashes::Hashes;

    #[test]
    fn counts_come_and_go_and_hits_make_no_room() {
        let (mut hashes, mut lfu) = (Hashes::default(), Lfu::new(Capacity::Entries(1000)));
        for hash in 0..200 {
            let slot = hashes.insert(hash);
            lfu.admit(slot, hashes.slots());
        }
        let room = (lfu.counts.capacity(), lfu.free.capacity(), lfu.place_of.capacity());
        // Each to a count of its own, as far as there is room.
        for slot in 0..200 {
            (0..slot).for_each(|_| lfu.hit_in_order(slot, hashes.slots()));
        }
        let after = (lfu.counts.capacity(), lfu.free.capacity(), lfu.place_of.capacity());
        assert_eq!(room, after);
        let order: Vec<u32> = (0..64).filter_map(|_| lfu.evict(hashes.slots())).collect();
        assert_eq!(order, (0..64).collect::<Vec<_>>());
        (64..200).for_each(|slot| lfu.remove(slot, hashes.slots()));
        assert_eq!((lfu.evict(hashes.slots()), lfu.counts.len()), (None, lfu.free.len()));
        // Once something has come, there is room for all of them to have counts of their own.
        lfu.admit(0, hashes.slots());
        lfu.hit_in_order(0, hashes.slots());
        lfu.admit(1, hashes.slots());
        assert_eq!(lfu.evict(hashes.slots()), Some(1));
    }
}
