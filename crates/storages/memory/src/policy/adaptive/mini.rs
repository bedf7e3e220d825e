use super::mode::Turn;
use super::queues::Queues;
use super::word::Word;
use crate::policy::{Capacity, Hashes, Slots};

/// A small cache of hashes alone, which tells how a mode would do.
#[derive(Debug)]
pub(super) struct Mini {
    hashes: Hashes,
    queues: Queues,
    entries_max: usize,
}

impl Mini {
    pub(super) fn new(entries_max: u64) -> Self {
        Self {
            hashes: Hashes::default(),
            queues: Queues::new(Capacity::Entries(entries_max)),
            entries_max: usize::try_from(entries_max).unwrap_or(usize::MAX),
        }
    }

    /// Asks for a hash, and brings it in if it is not there. Says whether it was.
    pub(super) fn access(&mut self, hash: u32, turn: Turn) -> bool {
        if let Some(slot) = self.hashes.find(hash) {
            let meta = self.hashes.slots().meta(slot);
            Word::of(meta).hit(turn.epoch).store(meta);
            return true;
        }
        if self.hashes.len() >= self.entries_max {
            let Some(gone) = self.queues.evict(turn, self.hashes.slots()) else { return false };
            self.hashes.remove(gone);
        }
        let slot = self.hashes.insert(hash);
        self.queues.admit(slot, turn, self.hashes.slots());
        false
    }
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
                assert!(mini.hashes.len() <= 10);
            }
        }
    }
}
