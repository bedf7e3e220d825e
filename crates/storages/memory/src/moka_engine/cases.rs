//! What holds for moka alone.

use std::sync::Arc;

use cache_core::memory::{MemoryEngine, MemorySelector};

use super::index::Member;
use super::tests::kit::{Kit, Spec, probe};
use crate::{Memory, Policy};

#[test]
fn what_is_just_being_evicted_is_found_by_a_removal() {
    // The map has let go of it already, and its listener has not told the index yet.
    let kit = Kit::new();
    let index = kit.memory.moka().expect("it is moka").index();
    let entry = Arc::new(Spec::default().digest(1).entry(&kit.clock));
    let key = Arc::new(probe(&1).to_key());
    let id = index.next_id();
    index.enroll(key.hash, 1, &entry.tags);
    index.put(Member { key, entry, id, is_expired: false });
    assert!(kit.memory.get(&probe(&1)).is_some());
    assert_eq!(kit.remove(&MemorySelector::Digest(1)), 1);
    assert!(kit.memory.get(&probe(&1)).is_none());
}

#[test]
fn what_is_asked_for_in_vain_gains_a_place() {
    let kit = Kit::with(Memory::builder().max_entries(100).policy(Policy::TinyLfu));
    for id in 0..100 {
        kit.insert(&probe(&id), Spec::default());
    }
    kit.memory.maintain();
    for id in 0..100 {
        kit.memory.get(&probe(&id));
        kit.memory.get(&probe(&id));
    }
    for _ in 0..10 {
        assert!(kit.memory.get(&probe(&100)).is_none());
    }
    kit.memory.maintain();
    for id in [100, 101] {
        kit.insert(&probe(&id), Spec::default());
    }
    kit.memory.maintain();
    let held = [100, 101].map(|id| kit.memory.peek(&probe(&id)).is_some());
    assert_eq!(held, [true, false]);
}
