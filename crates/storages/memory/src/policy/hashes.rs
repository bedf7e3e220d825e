use std::sync::atomic::AtomicU16;

use hashbrown::HashTable;

use super::Slots;

/// What a simulated cache holds: hashes alone, by slot.
#[derive(Debug, Default)]
pub(crate) struct Hashes {
    table: HashTable<u32>,
    held: Held,
    free: Vec<u32>,
}

/// What a policy may know of them.
#[derive(Debug, Default)]
pub(crate) struct Held(Vec<(u32, AtomicU16)>);

/// The table takes bits of both ends.
fn spread(hash: u32) -> u64 {
    u64::from(hash) << 32 | u64::from(hash)
}

impl Hashes {
    pub(crate) fn len(&self) -> usize {
        self.table.len()
    }

    pub(crate) fn slots(&self) -> &Held {
        &self.held
    }

    pub(crate) fn find(&self, hash: u32) -> Option<u32> {
        self.table.find(spread(hash), |slot| self.held.hash(*slot) == hash).copied()
    }

    /// Brings in a hash that is not there; gives its slot.
    pub(crate) fn insert(&mut self, hash: u32) -> u32 {
        let held = &mut self.held;
        let slot = match self.free.pop() {
            Some(slot) => {
                held.0[slot as usize].0 = hash;
                slot
            }
            None => {
                held.0.push((hash, AtomicU16::new(0)));
                (held.0.len() - 1) as u32
            }
        };
        self.table.insert_unique(spread(hash), slot, |slot| spread(held.hash(*slot)));
        slot
    }

    /// Takes out what is in a slot.
    pub(crate) fn remove(&mut self, slot: u32) {
        let hash = self.held.hash(slot);
        if let Ok(place) = self.table.find_entry(spread(hash), |held| *held == slot) {
            place.remove();
            self.free.push(slot);
        }
    }
}

impl Slots for Held {
    fn meta(&self, slot: u32) -> &AtomicU16 {
        &self.0[slot as usize].1
    }

    fn hash(&self, slot: u32) -> u32 {
        self.0[slot as usize].0
    }

    fn weight(&self, _: u32) -> u64 {
        1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_out_makes_room() {
        let mut hashes = Hashes::default();
        let slots: Vec<u32> = (10..14).map(|hash| hashes.insert(hash)).collect();
        assert_eq!(hashes.find(12), Some(slots[2]));
        hashes.remove(slots[2]);
        hashes.remove(slots[2]);
        assert_eq!((hashes.find(12), hashes.len()), (None, 3));
        assert_eq!((hashes.insert(99), hashes.insert(98)), (slots[2], 4));
        assert_eq!(hashes.slots().hash(2), 99);
    }
}
