use std::sync::atomic::AtomicU16;

use hashbrown::HashTable;

use super::mode::Turn;
use super::queues::Queues;
use super::word::Word;
use crate::policy::{Capacity, Slots};

/// A small cache of hashes alone, which tells how a mode would do.
#[derive(Debug)]
pub(super) struct Mini {
    table: HashTable<u32>,
    held: Held,
    queues: Queues,
    entries_max: usize,
}

#[derive(Debug, Default)]
struct Held(Vec<(u32, AtomicU16)>);

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

impl Mini {
    pub(super) fn new(entries_max: u64) -> Self {
        let room = usize::try_from(entries_max).unwrap_or(usize::MAX);
        Self {
            table: HashTable::new(),
            held: Held::default(),
            queues: Queues::new(Capacity::Entries(entries_max)),
            entries_max: room,
        }
    }

    /// Asks for a hash, and brings it in if it is not there. Says whether it was.
    pub(super) fn access(&mut self, hash: u32, turn: Turn) -> bool {
        let found = self
            .table
            .find(u64::from(hash) << 32 | u64::from(hash), |slot| self.held.hash(*slot) == hash);
        if let Some(slot) = found {
            let meta = self.held.meta(*slot);
            Word::of(meta).hit(turn.epoch).store(meta);
            return true;
        }
        let slot = if self.held.0.len() < self.entries_max {
            self.held.0.push((hash, AtomicU16::new(0)));
            (self.held.0.len() - 1) as u32
        } else {
            let Some(slot) = self.queues.evict(turn, &self.held) else { return false };
            let gone = self.held.hash(slot);
            let place = self.table.find_entry(spread(gone), |held| *held == slot);
            if let Ok(place) = place {
                place.remove();
            }
            self.held.0[slot as usize].0 = hash;
            slot
        };
        let held = &self.held;
        self.table.insert_unique(spread(hash), slot, |slot| spread(held.hash(*slot)));
        self.queues.admit(slot, turn, &self.held);
        false
    }
}

/// The table takes bits of both ends.
fn spread(hash: u32) -> u64 {
    u64::from(hash) << 32 | u64::from(hash)
}

#[cfg(test)]
mod tests {
    use super::super::mode::Mode;
    use super::*;

    #[test]
    fn it_holds_as_many_as_it_may() {
        for mode in Mode::ALL {
            let mut mini = Mini::new(10);
            let turn = Turn { mode, epoch: 0 };
            for hash in 0..1000_u32 {
                assert!(!mini.access(hash.wrapping_mul(0x9E37_79B9), turn));
                assert!(mini.access(hash.wrapping_mul(0x9E37_79B9), turn), "{mode:?}");
                assert!(mini.table.len() <= 10 && mini.held.0.len() <= 10);
            }
        }
    }
}
