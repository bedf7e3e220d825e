//! Many threads at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use cache_core::fence::{cell_of_digest, cell_of_tag};
use cache_core::memory::{MemoryEngine, MemorySelector};

use super::kit::{Kit, Spec, probe, tag};
use crate::{Memory, Policy};

const NODES: u64 = 4;

/// Reads the source and fills, over and over.
fn load(kit: &Kit, sources: &[AtomicU64], stop: &AtomicBool, mut turn: u64) {
    while !stop.load(Ordering::Relaxed) {
        turn += 1;
        let id = turn % NODES;
        let stamp = kit.fence.stamp();
        let value = sources[id as usize].load(Ordering::SeqCst);
        let spec = Spec::default().value(value).stamp(stamp).digest(id + 100);
        kit.insert(&probe(&id), spec.tags(&["every node", &format!("node {id}")]));
    }
}

/// Changes the source and invalidates, then looks: what it finds must be what it wrote.
fn nothing_stale_is_found(invalidate: impl Fn(&Kit, u64)) {
    let kit = Kit::with(Memory::builder().max_entries(3));
    let sources: Vec<AtomicU64> = (0..NODES).map(|_| AtomicU64::new(0)).collect();
    let stop = AtomicBool::new(false);
    let mut stale = None;
    thread::scope(|scope| {
        for seed in 0..3 {
            let (kit, sources, stop) = (&kit, &sources, &stop);
            scope.spawn(move || load(kit, sources, stop, seed));
        }
        for turn in 1..=2_000 {
            let id = turn % NODES;
            sources[id as usize].store(turn, Ordering::SeqCst);
            invalidate(&kit, id);
            let found = kit.value(&probe(&id));
            stale = stale.or(found.filter(|found| *found != turn));
        }
        stop.store(true, Ordering::Relaxed);
    });
    assert_eq!(stale, None, "this was found after it had been invalidated");
    kit.memory.maintain();
    let (members, digests, tags) = kit.sizes();
    assert!(members <= 3);
    assert_eq!((digests, tags), (members, 2 * members), "the index has leaked");
    kit.remove(&MemorySelector::All);
    assert_eq!(kit.sizes(), (0, 0, 0));
}

#[test]
fn nothing_stale_is_found_after_an_invalidation_by_node() {
    nothing_stale_is_found(|kit, id| {
        kit.fence.raise([cell_of_digest(id + 100)]);
        kit.remove(&MemorySelector::Node(&probe(&id)));
    });
}

#[test]
fn nothing_stale_is_found_after_an_invalidation_by_digest() {
    nothing_stale_is_found(|kit, id| {
        kit.fence.raise([cell_of_digest(id + 100)]);
        kit.remove(&MemorySelector::Digest(id + 100));
    });
}

#[test]
fn nothing_stale_is_found_after_an_invalidation_by_tag() {
    nothing_stale_is_found(|kit, id| {
        let tag = tag(&format!("node {id}"));
        kit.fence.raise([cell_of_tag(&tag)]);
        kit.remove(&MemorySelector::AnyTag(&[tag]));
    });
}

#[test]
fn nothing_stale_is_found_after_an_invalidation_of_all() {
    nothing_stale_is_found(|kit, _| {
        kit.fence.raise_floor();
        kit.remove(&MemorySelector::All);
    });
}

#[test]
fn bound_and_index_hold_under_inserts_from_many_threads() {
    const THREADS: u64 = 4;
    for (policy, builder) in [
        (Policy::Lru, Memory::builder().max_entries(200)),
        (Policy::TinyLfu, Memory::builder().max_entries(200)),
        (Policy::TinyLfu, Memory::builder().max_bytes(2000)),
    ] {
        let kit = Kit::with(builder.policy(policy));
        // A thirty-second part is put off, and each thread has one entry in hand.
        let most = 200 + 200 / 32 + THREADS;
        let highest = AtomicU64::new(0);
        thread::scope(|scope| {
            for thread in 0..THREADS {
                let (kit, highest) = (&kit, &highest);
                scope.spawn(move || {
                    for turn in 0..3_000 {
                        let id = (turn * 7 + thread * 13) % 1000;
                        let spec = Spec::default().weight(10).digest(id).tags(&["t"]);
                        kit.insert(&probe(&id), spec);
                        highest.fetch_max(kit.memory.stats().entries, Ordering::Relaxed);
                        kit.value(&probe(&(id / 2)));
                    }
                });
            }
        });
        let highest = highest.into_inner();
        assert!(highest <= most, "{policy}: {highest} entries were held at once");
        kit.memory.maintain();
        let (stats, held) = (kit.memory.stats(), kit.sizes().0);
        assert!(stats.entries <= 200 && stats.entries as usize == held);
        assert_eq!(stats.weight_bytes, 10 * stats.entries);
        assert_eq!(kit.sizes(), (held, held, held), "{policy}: the index has leaked");
        assert!(stats.evicted_size > 0);
        // What the index holds is what the map holds.
        let mut found = 0;
        kit.memory.for_each(&mut |key, entry| {
            let same = kit.memory.get(&key.probe()).is_some_and(|held| Arc::ptr_eq(&held, entry));
            found += usize::from(same);
        });
        assert_eq!(found, held);
    }
}
