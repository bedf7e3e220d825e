use std::sync::Arc;

use crate::config::Policy as Name;
use crate::policy::{AnyPolicy, Capacity, Choice, Hashes, Hit, Policy as _, Slots as _};

/// A cache of hashes alone, which tells how one of another size or policy would do.
#[derive(Debug)]
pub(super) struct Simulation {
    hashes: Hashes,
    policy: AnyPolicy,
    choice: Arc<Choice>,
    entries_max: usize,
}

/// Another hash for each, for those sampled have some bits in common. After MurmurHash3's finalizers.
fn mixed(hash: u32) -> u32 {
    let hash = (hash ^ hash >> 16).wrapping_mul(0x85EB_CA6B);
    let hash = (hash ^ hash >> 13).wrapping_mul(0xC2B2_AE35);
    hash ^ hash >> 16
}

/// The same with twice the bits, for the choice of the adaptive policy.
fn widened(hash: u32) -> u64 {
    let hash = (u64::from(hash) | 1 << 32).wrapping_mul(0xFF51_AFD7_ED55_8CCD);
    hash ^ hash >> 33
}

impl Simulation {
    pub(super) fn new(policy: Name, entries_max: u64) -> Self {
        let is_adaptive = policy == Name::Adaptive;
        let choice = Arc::new(Choice::new(if is_adaptive { entries_max } else { 0 }));
        Self {
            hashes: Hashes::default(),
            policy: AnyPolicy::new(policy, Capacity::Entries(entries_max), &choice),
            choice,
            entries_max: usize::try_from(entries_max).unwrap_or(usize::MAX),
        }
    }

    /// Asks for a hash, and brings it in if it is not there. Says whether it was.
    pub(super) fn access(&mut self, hash: u32) -> bool {
        let hash = mixed(hash);
        if let Some(slot) = self.hashes.find(hash) {
            match self.policy.hit(self.hashes.slots().meta(slot)) {
                Hit::Known => {}
                Hit::Noted => self.choice.on_hit(widened(hash)),
                Hit::InOrder => self.policy.hit_in_order(slot, self.hashes.slots()),
            }
            return true;
        }
        if self.hashes.len() >= self.entries_max {
            let Some(gone) = self.policy.evict(self.hashes.slots()) else { return false };
            self.hashes.remove(gone);
        }
        let slot = self.hashes.insert(hash);
        self.policy.admit(slot, self.hashes.slots());
        self.choice.on_insert(widened(hash));
        false
    }

    /// Takes out a hash, if it is there.
    pub(super) fn remove(&mut self, hash: u32) {
        let hash = mixed(hash);
        if let Some(slot) = self.hashes.find(hash) {
            self.policy.remove(slot, self.hashes.slots());
            self.hashes.remove(slot);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_policy_misses_as_it_would() {
        let misses = |policy, entries| {
            let (mut simulation, mut misses) = (Simulation::new(policy, entries), 0);
            for round in 0..20 {
                misses += (0..100).filter(|hash| !simulation.access(*hash)).count();
                assert!(simulation.hashes.len() <= entries as usize, "{policy} in round {round}");
            }
            misses
        };
        for policy in Name::ALL {
            assert_eq!(misses(policy, 100), 100, "{policy}: all have room");
        }
        assert_eq!((misses(Name::Lru, 99), misses(Name::Fifo, 99)), (2000, 2000));
        assert!(misses(Name::Adaptive, 90) < 1200, "{}", misses(Name::Adaptive, 90));
    }

    #[test]
    fn what_is_removed_is_missed_again() {
        for policy in Name::ALL {
            let mut simulation = Simulation::new(policy, 10);
            let hits = [1, 2, 1, 2].map(|hash| simulation.access(hash));
            assert_eq!(hits, [false, false, true, true], "{policy}");
            simulation.remove(1);
            simulation.remove(7);
            assert_eq!([1, 2].map(|hash| simulation.access(hash)), [false, true], "{policy}");
        }
    }
}
