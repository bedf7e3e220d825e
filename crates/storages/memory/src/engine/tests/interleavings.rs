//! An invalidation at the worst moment of a fill: after its check, before its store.

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use cache_core::fence::{cell_of_digest, cell_of_tag};
use cache_core::memory::{Inserted, MemoryEngine, MemorySelector};
use cache_core::storage::InvalidationMode::{self, Expire, Remove};

use super::kit::{Kit, Spec, probe, tag};

/// Raises the fence for a selector and invalidates.
type Invalidate = fn(&Kit, InvalidationMode) -> u64;

const SELECTORS: [(&str, Invalidate); 7] = [
    ("node", |kit, mode| {
        kit.fence.raise([cell_of_digest(1)]);
        kit.memory.invalidate(&MemorySelector::Node(&probe(&1)), mode)
    }),
    ("digest", |kit, mode| {
        kit.fence.raise([cell_of_digest(1)]);
        kit.memory.invalidate(&MemorySelector::Digest(1), mode)
    }),
    ("any tag", |kit, mode| {
        kit.fence.raise([cell_of_tag(&tag("a"))]);
        kit.memory.invalidate(&MemorySelector::AnyTag(&[tag("a")]), mode)
    }),
    ("the second of any tags", |kit, mode| {
        kit.fence.raise([cell_of_tag(&tag("x")), cell_of_tag(&tag("b"))]);
        kit.memory.invalidate(&MemorySelector::AnyTag(&[tag("x"), tag("b")]), mode)
    }),
    ("all tags", |kit, mode| {
        kit.fence.raise([cell_of_tag(&tag("a"))]);
        kit.memory.invalidate(&MemorySelector::AllTags(&[tag("b"), tag("a")]), mode)
    }),
    ("predicate", |kit, mode| {
        kit.fence.raise_floor();
        kit.memory.invalidate(&MemorySelector::Where(&|_, entry| entry.digest == 1), mode)
    }),
    ("all", |kit, mode| {
        kit.fence.raise_floor();
        kit.memory.invalidate(&MemorySelector::All, mode)
    }),
];

fn removed_after_its_check(
    name: &str,
    invalidate: Invalidate,
    mode: InvalidationMode,
    again: bool,
) {
    let kit = Kit::new();
    let probe = probe(&1);
    let spec = Spec::default().digest(1).tags(&["a", "b"]);
    if again {
        kit.insert(&probe, spec.clone());
    }
    let entry = spec.entry(&kit.clock);
    thread::scope(|scope| {
        let (done, is_done) = mpsc::channel();
        let kit = &kit;
        let between = move || {
            scope.spawn(move || {
                invalidate(kit, mode);
                // Nobody listens any more once the fill goes on.
                let _ = done.send(());
            });
            // It has to wait for this fill; one that does not has missed it by now.
            let early = is_done.recv_timeout(Duration::from_millis(20));
            assert!(early.is_err(), "{name} did not wait for the fill");
        };
        let filled = kit.memory.insert_between(&probe, entry, &kit.fence, &kit.clock, between);
        assert_eq!(filled, Inserted::Stored);
    });
    let left = kit.memory.get(&probe).filter(|entry| entry.is_fresh(kit.now()));
    assert!(left.is_none(), "{name}, {mode:?}, over an older one: {again}");
}

#[test]
fn a_fill_that_passed_its_check_is_found_by_the_removal_after_the_raise() {
    for (name, invalidate) in SELECTORS {
        for mode in [Remove, Expire] {
            for again in [false, true] {
                removed_after_its_check(name, invalidate, mode, again);
            }
        }
    }
}

#[test]
fn a_fill_that_was_loaded_before_an_invalidation_is_refused_after_it() {
    for (name, invalidate) in SELECTORS {
        let kit = Kit::new();
        let spec = Spec::default().digest(1).tags(&["a", "b"]).stamp(kit.fence.stamp());
        invalidate(&kit, Remove);
        assert_eq!(kit.insert(&probe(&1), spec), Inserted::Fenced, "{name}");
    }
}

#[test]
fn of_two_fills_of_one_node_the_newer_stays() {
    let kit = Kit::new();
    let probe = probe(&1);
    let old = Spec::default().value(1).stamp(1).entry(&kit.clock);
    thread::scope(|scope| {
        let kit = &kit;
        let (done, is_done) = mpsc::channel();
        let between = move || {
            scope.spawn(move || {
                let newer = Spec::default().value(2).stamp(2);
                assert_eq!(kit.insert(&super::kit::probe(&1), newer), Inserted::Stored);
                let _ = done.send(());
            });
            assert!(is_done.recv_timeout(Duration::from_millis(20)).is_err());
        };
        kit.memory.insert_between(&probe, old, &kit.fence, &kit.clock, between);
    });
    assert_eq!(kit.value(&probe), Some(2));
    assert_eq!(kit.sizes(), (1, 1, 0));
}
