//! What an engine promises, case by case. Every engine includes these.

mod interleavings;
pub(super) mod kit;
mod model;
mod policy;
mod stress;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use cache_core::clock::ManualClock;
use cache_core::fence::{Fence, cell_of_digest, cell_of_tag};
use cache_core::memory::{
    EvictionCause, Inserted, MemoryEngine, MemorySelector, MemoryStats, Probe,
};
use cache_core::storage::InvalidationMode::{Expire, Remove};

use self::kit::{Kit, Spec, probe, probe_hashed, tag};
use crate::{EVICTIONS_BUFFERED, EngineKind, Memory, Policy};

#[test]
fn an_entry_is_found_by_its_node_and_by_no_other() {
    let kit = Kit::new();
    let (one, two) = (1_u64, 2_u64);
    assert_eq!(kit.insert(&probe(&one), Spec::default().value(10)), Inserted::Stored);
    assert_eq!(kit.value(&probe(&one)), Some(10));
    assert_eq!(kit.value(&probe(&two)), None);
    // The same number as a node of another type, and in another binding.
    let other_type = 1_u32;
    assert_eq!(kit.value(&Probe { node: &other_type, ..probe(&one) }), None);
    let other_binding = cache_core::memory::BindingId(9);
    assert_eq!(kit.value(&Probe { binding: other_binding, ..probe(&one) }), None);
}

#[test]
fn nodes_with_one_hash_or_one_digest_are_told_apart() {
    let kit = Kit::new();
    let nodes = [1_u64, 2_u64, 3_u64];
    let probes =
        [probe_hashed(&nodes[0], 7), probe_hashed(&nodes[1], 7), probe_hashed(&nodes[2], 8)];
    // The first two share hash and digest, the third shares the digest only.
    for (value, probe) in (1..).zip(&probes) {
        kit.insert(probe, Spec::default().value(value).digest(5).tags(&["t"]));
    }
    assert_eq!(probes.map(|probe| kit.value(&probe)), [Some(1), Some(2), Some(3)]);
    assert_eq!(kit.remove(&MemorySelector::Node(&probes[0])), 1);
    assert_eq!(probes.map(|probe| kit.value(&probe)), [None, Some(2), Some(3)]);
    assert_eq!(kit.sizes(), (2, 2, 2));
    assert_eq!(kit.remove(&MemorySelector::AnyTag(&[tag("t")])), 2);
    assert_eq!(kit.sizes(), (0, 0, 0));

    for probe in &probes {
        kit.insert(probe, Spec::default().digest(5));
    }
    assert_eq!(kit.remove(&MemorySelector::Digest(6)), 0);
    assert_eq!(kit.remove(&MemorySelector::Digest(5)), 3);
    assert_eq!(kit.sizes(), (0, 0, 0));
}

#[test]
fn what_the_fence_has_passed_is_refused() {
    let node = 1_u64;
    let probe = probe(&node);
    let raises: [fn(&Fence); 3] = [
        |fence| _ = fence.raise([cell_of_digest(1)]),
        |fence| _ = fence.raise([cell_of_tag(&tag("t"))]),
        |fence| _ = fence.raise_floor(),
    ];
    for raise in raises {
        let kit = Kit::new();
        let before = Spec::default().digest(1).tags(&["t"]).stamp(kit.fence.stamp());
        assert_eq!(kit.insert(&probe, before.clone()), Inserted::Stored);
        raise(&kit.fence);
        kit.remove(&MemorySelector::All);
        assert_eq!(kit.insert(&probe, before.clone()), Inserted::Fenced);
        assert_eq!(kit.sizes(), (0, 0, 0), "a refused entry left something behind");
        let after = before.stamp(kit.fence.stamp());
        assert_eq!(kit.insert(&probe, after), Inserted::Stored);
    }
}

#[test]
fn an_older_entry_does_not_take_the_place_of_a_newer_one() {
    let kit = Kit::new();
    let node = 1_u64;
    let probe = probe(&node);
    assert_eq!(kit.insert(&probe, Spec::default().value(2).stamp(5)), Inserted::Stored);
    assert_eq!(kit.insert(&probe, Spec::default().value(1).stamp(4)), Inserted::Fenced);
    assert_eq!(kit.value(&probe), Some(2));
    assert_eq!(kit.insert(&probe, Spec::default().value(3).stamp(5)), Inserted::Stored);
    assert_eq!(kit.value(&probe), Some(3));
    assert_eq!(kit.memory.stats().evicted_replaced, 1);
    assert_eq!(kit.sizes(), (1, 1, 0));
}

/// A flight that serves a stale copy may come to memory after another one has loaded the value,
/// under the same stamp.
#[test]
fn a_copy_past_its_freshness_does_not_take_the_place_of_what_was_loaded_since() {
    let kit = Kit::new();
    let node = 1_u64;
    let probe = probe(&node);
    let copy = || Spec::default().value(1).past();
    let [late, same] = [copy().entry(&kit.clock), copy().entry(&kit.clock)];
    assert_eq!(kit.insert(&probe, copy()), Inserted::Stored);
    let insert = |entry| kit.memory.insert(&probe, entry, &kit.fence, &kit.clock);
    assert_eq!(insert(same), Inserted::Stored, "the same copy once more");
    kit.clock.advance(Duration::from_secs(1));
    assert_eq!(kit.insert(&probe, Spec::default().value(2)), Inserted::Stored);
    assert_eq!(insert(late), Inserted::Fenced);
    assert_eq!(kit.value(&probe), Some(2));
}

#[test]
fn an_entry_that_changes_its_tags_is_found_by_the_new_ones_only() {
    let kit = Kit::new();
    let node = 1_u64;
    let probe = probe(&node);
    kit.insert(&probe, Spec::default().tags(&["a", "b"]));
    kit.insert(&probe, Spec::default().tags(&["b", "c"]));
    assert_eq!(kit.sizes(), (1, 1, 2));
    assert_eq!(kit.remove(&MemorySelector::AnyTag(&[tag("a")])), 0);
    assert_eq!(kit.remove(&MemorySelector::AllTags(&[tag("a"), tag("b")])), 0);
    assert_eq!(kit.remove(&MemorySelector::AllTags(&[])), 0);
    assert_eq!(kit.remove(&MemorySelector::AllTags(&[tag("c"), tag("b")])), 1);
    assert_eq!(kit.value(&probe), None);
}

#[test]
fn a_tag_with_many_bearers_is_removed_whole() {
    let kit = Kit::new();
    let nodes: Vec<u64> = (0..3000).collect();
    for (digest, node) in (0..).zip(&nodes) {
        kit.insert(&probe(node), Spec::default().digest(digest).tags(&["hot", "cold"]));
    }
    assert_eq!(kit.remove(&MemorySelector::AnyTag(&[tag("hot"), tag("cold")])), 3000);
    assert_eq!(kit.sizes(), (0, 0, 0));
    assert_eq!(kit.memory.stats().evicted_explicit, 3000);
}

#[test]
fn expired_by_invalidation_it_stays_for_bad_times() {
    let kit = Kit::new();
    let nodes: Vec<u64> = (0..4).collect();
    let refill = || {
        for (digest, node) in (0..).zip(&nodes) {
            kit.insert(&probe(node), Spec::default().digest(digest).tags(&["t"]));
        }
    };
    let fresh = || {
        let held = nodes.iter().map(|node| kit.memory.get(&probe(node)).expect("it is kept"));
        held.filter(|entry| entry.is_fresh(kit.now())).count()
    };
    let first = probe(&nodes[0]);
    let is_second = |key: &cache_core::memory::MemoryKey, _: &_| key.digest == 1;
    for (what, left) in [
        (MemorySelector::Node(&first), 3),
        (MemorySelector::Digest(2), 3),
        (MemorySelector::Where(&is_second), 3),
        (MemorySelector::AnyTag(&[tag("t")]), 0),
        (MemorySelector::All, 0),
    ] {
        refill();
        assert_eq!(fresh(), 4);
        assert_eq!(kit.memory.invalidate(&what, Expire), 4 - left, "{what:?}");
        assert_eq!(fresh() as u64, left, "{what:?}");
    }
}

#[test]
fn only_the_entry_that_was_seen_is_removed_as_expired() {
    let kit = Kit::new();
    let node = 1_u64;
    let probe = probe(&node);
    let mut events = kit.memory.subscribe();
    kit.insert(&probe, Spec::default().value(1));
    let old = kit.memory.peek(&probe).expect("it was stored");
    kit.insert(&probe, Spec::default().value(2));
    kit.memory.remove_expired(&probe, &old);
    assert_eq!(kit.value(&probe), Some(2));
    let new = kit.memory.peek(&probe).expect("it is stored");
    kit.memory.remove_expired(&probe, &new);
    assert_eq!(kit.value(&probe), None);
    let causes: Vec<_> = std::iter::from_fn(|| events.try_recv()).map(|e| e.cause).collect();
    assert_eq!(causes, [EvictionCause::Replaced, EvictionCause::Expired]);
    let stats = kit.memory.stats();
    assert_eq!((stats.evicted_expired, stats.evicted_explicit), (1, 0));
}

#[test]
fn time_on_the_machine_frees_what_nobody_asks_for() {
    let kit = Kit::new();
    let (short, long, dead, manual) = (1_u64, 2_u64, 3_u64, 4_u64);
    let millisecond = Spec::default().kept(Duration::from_millis(1));
    // A clock that stands still ends nothing, however long that takes.
    kit.insert(&probe(&manual), millisecond.clone());
    kit.insert_by_machine(&probe(&short), millisecond.clone());
    kit.insert_by_machine(&probe(&long), millisecond);
    kit.insert_by_machine(&probe(&long), Spec::default().kept(Duration::from_secs(3600)));
    let start = std::time::Instant::now();
    while kit.memory.stats().evicted_expired == 0 {
        assert!(start.elapsed() < Duration::from_secs(60), "nothing was freed");
        std::thread::sleep(Duration::from_millis(20));
        kit.memory.maintain();
    }
    assert_eq!(kit.value(&probe(&short)), None);
    assert!(kit.value(&probe(&long)).is_some() && kit.value(&probe(&manual)).is_some());
    assert_eq!(kit.sizes().0, 2);
    // Renewed up to its end, which has come: it is not kept, nor is what it outdates.
    kit.insert(&probe(&dead), Spec::default());
    kit.insert(&probe(&dead), Spec::default().kept(Duration::ZERO));
    assert!(kit.memory.peek(&probe(&dead)).is_none());
}

#[test]
fn a_renewed_entry_is_kept_to_its_last_end() {
    let kit = Kit::new();
    let node = 1_u64;
    let spec = Spec::default().fresh(Duration::from_millis(1)).kept(Duration::from_secs(3600));
    kit.insert(&probe(&node), spec);
    std::thread::sleep(Duration::from_millis(20));
    kit.memory.maintain();
    let entry = kit.memory.get(&probe(&node)).expect("its last end has not come");
    entry.renew(kit.now().after(Duration::from_secs(60)));
    assert!(kit.memory.get(&probe(&node)).is_some_and(|entry| entry.is_fresh(kit.now())));
}

#[test]
fn keys_are_found_by_digest_whether_or_not_anybody_has_looked_before() {
    let kit = Kit::new();
    for node in [1_u64, 2] {
        kit.insert(&probe(&node), Spec::default().digest(node));
    }
    for _ in 0..2 {
        let mut found = Vec::new();
        kit.memory.with_digest(2, &mut |key| found.extend(key.downcast::<u64>().copied()));
        assert_eq!(found, [2]);
    }
}

#[test]
fn evictions_reach_subscribers_with_their_cause() {
    let kit = Kit::with(Memory::builder().max_entries(2).policy(Policy::Lru));
    kit.insert(&probe(&0), Spec::default());
    kit.remove(&MemorySelector::All);
    let mut events = kit.memory.subscribe();
    let (one, two, three) = (1_u64, 2_u64, 3_u64);
    kit.insert(&probe(&one), Spec::default().value(1));
    kit.insert(&probe(&one), Spec::default().value(2));
    kit.insert(&probe(&two), Spec::default());
    kit.insert(&probe(&three), Spec::default());
    kit.memory.maintain();
    kit.remove(&MemorySelector::Node(&probe(&two)));
    let seen =
        |event: cache_core::memory::Eviction| (event.key.downcast::<u64>().copied(), event.cause);
    let seen: Vec<_> = std::iter::from_fn(|| events.try_recv()).map(seen).collect();
    assert_eq!(
        seen,
        [
            (Some(1), EvictionCause::Replaced),
            (Some(1), EvictionCause::Size),
            (Some(2), EvictionCause::Explicit),
        ]
    );
    let mut expected = MemoryStats::default();
    (expected.entries, expected.weight_bytes) = (1, 1);
    (expected.evicted_replaced, expected.evicted_size, expected.evicted_explicit) = (1, 1, 2);
    assert_eq!(kit.memory.stats(), expected);
}

#[test]
fn a_slow_subscriber_is_told_what_it_has_missed() {
    let kit = Kit::new();
    let mut events = kit.memory.subscribe();
    let node = 1_u64;
    let sent = EVICTIONS_BUFFERED as u64 + 10;
    for _ in 0..=sent {
        kit.insert(&probe(&node), Spec::default());
    }
    let received = std::iter::from_fn(|| events.try_recv()).count() as u64;
    assert_eq!((received, events.missed()), (sent - 10, 10));

    drop(kit);
    assert!(futures_util::FutureExt::now_or_never(events.recv()).is_some_and(|end| end.is_none()));
}

#[test]
fn every_entry_is_shown() {
    let kit = Kit::new();
    for id in 0..500 {
        kit.insert(&probe(&id), Spec::default().value(id));
    }
    let mut shown = Vec::new();
    kit.memory.for_each(&mut |key, entry| {
        let value = entry.value.as_ref().and_then(|value| value.downcast_ref::<u64>());
        assert_eq!(key.downcast::<u64>(), value);
        shown.extend(value.copied());
    });
    shown.sort_unstable();
    assert_eq!(shown, (0..500).collect::<Vec<_>>());
}

#[test]
fn it_says_what_it_can_do() {
    let memory = Kit::with(Memory::builder().max_bytes(7).policy(Policy::Lru)).memory;
    let engine: Arc<dyn MemoryEngine> = memory.into();
    let can = engine.capabilities();
    assert_eq!((can.policy, can.entries_max, can.bytes_max), ("lru", None, Some(7)));
    assert_eq!(can.exact_bound, super::ENGINE == EngineKind::Sharded);
}

#[test]
fn a_removal_is_for_what_was_there_before_it() {
    // By a predicate that inserts what it would mean: the newcomer has been checked after the
    // raise, and stays.
    let kit = Kit::new();
    kit.insert(&probe(&0), Spec::default());
    let has_inserted = AtomicBool::new(false);
    let insert_too = |_: &_, _: &_| {
        if !has_inserted.swap(true, Ordering::Relaxed) {
            for id in 1..1000 {
                kit.insert(&probe(&id), Spec::default());
            }
        }
        true
    };
    assert_eq!(kit.memory.invalidate(&MemorySelector::Where(&insert_too), Remove), 1);
    assert_eq!((kit.value(&probe(&0)), kit.memory.stats().entries), (None, 999));
}

#[test]
fn a_value_is_dropped_once_it_has_gone() {
    let kit = Kit::new();
    let value = Arc::new(0_u64);
    for id in 0..1000 {
        kit.insert(&probe(&id), Spec::default().shared(value.clone()));
    }
    kit.remove(&MemorySelector::All);
    // Memory is given back by epochs, which later calls move on.
    for _ in 0..10_000 {
        if Arc::strong_count(&value) == 1 {
            return;
        }
        kit.memory.maintain();
        std::thread::yield_now();
    }
    panic!("{} values are still held", Arc::strong_count(&value) - 1);
}

#[test]
fn manual_time_alone_ends_no_entry_in_the_engine() {
    let kit = Kit::new();
    let node = 1_u64;
    kit.insert(&probe(&node), Spec::default().kept(Duration::from_secs(3600)));
    let clock: &ManualClock = &kit.clock;
    clock.advance(Duration::from_secs(7200));
    kit.memory.maintain();
    let entry = kit.memory.get(&probe(&node)).expect("who asks checks the time");
    assert!(!entry.is_fresh(kit.now()));
}
