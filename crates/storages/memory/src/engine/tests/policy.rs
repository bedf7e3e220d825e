//! The bound, and who goes when it is reached.

use cache_core::memory::{Inserted, MemoryEngine};

use super::kit::{Kit, Spec, probe};
use crate::{Memory, Policy};

#[test]
fn a_memory_bounded_by_entries_asks_for_no_weights() {
    let kit = Kit::with(Memory::builder().max_entries(4).policy(Policy::Lru));
    let nodes: Vec<u64> = (0..5).collect();
    for node in &nodes {
        let heavy = Spec::default().weight(u32::MAX);
        assert_eq!(kit.insert(&probe(node), heavy), Inserted::Stored);
        kit.memory.maintain();
    }
    let stats = kit.memory.stats();
    assert_eq!((stats.entries, stats.weight_bytes), (4, 4 * u64::from(u32::MAX)));
    assert!(kit.value(&probe(&nodes[0])).is_none() && kit.value(&probe(&nodes[4])).is_some());
}

#[test]
fn a_memory_bounded_by_bytes_goes_by_weight() {
    let kit = Kit::with(Memory::builder().max_bytes(1000).policy(Policy::Lru));
    let nodes: Vec<u64> = (0..20).collect();
    for node in &nodes {
        assert_eq!(kit.insert(&probe(node), Spec::default().weight(100)), Inserted::Stored);
        kit.memory.maintain();
    }
    let stats = kit.memory.stats();
    assert_eq!((stats.entries, stats.weight_bytes), (10, 1000));
    assert_eq!(stats.evicted_size, 10);
    assert!(kit.value(&probe(&nodes[9])).is_none() && kit.value(&probe(&nodes[10])).is_some());

    let heavy = &nodes[19];
    assert_eq!(kit.insert(&probe(heavy), Spec::default().weight(1001)), Inserted::TooLarge);
    assert!(kit.value(&probe(heavy)).is_none(), "what it outdates is still there");
    assert_eq!(kit.sizes(), (9, 9, 0));
    kit.fence.raise_floor();
    let late = Spec::default().weight(1001);
    assert_eq!(kit.insert(&probe(&nodes[18]), late), Inserted::Fenced);
    assert!(kit.value(&probe(&nodes[18])).is_some(), "a refused entry outdates nothing");
}

#[test]
fn entries_without_weight_are_bounded_too() {
    let kit = Kit::with(Memory::builder().max_bytes(50));
    for id in 0..200 {
        kit.insert(&probe(&id), Spec::default().weight(0));
    }
    kit.memory.maintain();
    assert!(kit.memory.stats().entries <= 50);
}

#[test]
fn the_least_recently_used_goes_first_and_a_peek_is_no_use() {
    let kit = Kit::with(Memory::builder().max_entries(3).policy(Policy::Lru));
    for id in 0..3 {
        kit.insert(&probe(&id), Spec::default());
    }
    for id in [0, 1, 2, 0] {
        assert!(kit.memory.get(&probe(&id)).is_some());
    }
    assert!(kit.memory.peek(&probe(&1)).is_some());
    let held = || [0, 1, 2, 3, 4].map(|id| kit.memory.peek(&probe(&id)).is_some());
    kit.insert(&probe(&3), Spec::default());
    assert_eq!(held(), [true, false, true, true, false]);
    kit.insert(&probe(&4), Spec::default());
    assert_eq!(held(), [true, false, false, true, true]);
}

#[test]
fn a_large_memory_is_told_of_uses_before_it_evicts() {
    let kit = Kit::with(Memory::builder().max_entries(1000).policy(Policy::Lru));
    for id in 0..1000 {
        kit.insert(&probe(&id), Spec::default());
    }
    kit.memory.maintain();
    for id in 0..500 {
        kit.memory.get(&probe(&id));
    }
    for id in 1000..1500 {
        kit.insert(&probe(&id), Spec::default());
    }
    kit.memory.maintain();
    let left = (0..500_u64).filter(|id| kit.memory.peek(&probe(id)).is_some()).count();
    assert_eq!(left, 500, "what was used has gone before what was not");
}

#[test]
fn tinylfu_keeps_what_is_used_often_from_a_scan() {
    let kit = Kit::with(Memory::builder().max_entries(100).policy(Policy::TinyLfu));
    let hot: Vec<u64> = (0..50).collect();
    for node in &hot {
        kit.insert(&probe(node), Spec::default());
    }
    for _ in 0..10 {
        for node in &hot {
            kit.memory.get(&probe(node));
        }
        kit.memory.maintain();
    }
    for id in 1000..3000 {
        kit.memory.get(&probe(&id));
        kit.insert(&probe(&id), Spec::default());
    }
    kit.memory.maintain();
    let left = hot.iter().filter(|node| kit.memory.peek(&probe(node)).is_some()).count();
    assert!(left >= 45, "{left} of 50 have survived the scan");
}

#[test]
fn the_bound_holds_soon_without_being_asked() {
    for entries_max in [1, 10, 100, 5000] {
        let kit = Kit::with(Memory::builder().max_entries(entries_max));
        for id in 0..entries_max * 3 {
            kit.insert(&probe(&id), Spec::default());
            let put_off = (entries_max / 32).min(64);
            assert!(kit.memory.stats().entries <= entries_max + put_off);
        }
    }
}
