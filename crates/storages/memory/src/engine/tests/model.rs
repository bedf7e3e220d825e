//! The engine against a plain map, over random histories of one thread.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use cache_core::fence::{cell_of_digest, cell_of_tag};
use cache_core::memory::{Inserted, MemoryEngine, MemoryEntry, MemorySelector};
use cache_core::storage::InvalidationMode::{self, Expire, Remove};
use proptest::prelude::*;

use super::kit::{Kit, Spec, probe_hashed, tag};

const LABELS: [&str; 3] = ["a", "b", "c"];
const NODES: u64 = 8;

/// Fewer hashes and digests than nodes, so that both collide, together and each alone.
const fn hash_of(id: u64) -> u64 {
    id / 2
}

const fn digest_of(id: u64) -> u64 {
    id / 2 % 3 + id % 2 * (id / 4)
}

#[derive(Clone, Debug)]
enum Step {
    Insert { id: u64, age: u64, labels: u8, fresh_ms: Option<u64> },
    Get { id: u64 },
    Invalidate { what: What, mode: InvalidationMode },
    RemoveExpired { id: u64 },
    Advance { ms: u64 },
    Maintain,
}

#[derive(Clone, Debug)]
enum What {
    Node(u64),
    Digest(u64),
    AnyTag(u8),
    AllTags(u8),
    ValueAbove(u64),
    All,
}

#[derive(Clone, Debug)]
struct Held {
    value: u64,
    stamp: u64,
    labels: u8,
    fresh_until_ms: u64,
}

fn what() -> impl Strategy<Value = What> {
    prop_oneof![
        (0..NODES).prop_map(What::Node),
        (0..4_u64).prop_map(What::Digest),
        (0..8_u8).prop_map(What::AnyTag),
        (0..8_u8).prop_map(What::AllTags),
        (0..60_u64).prop_map(What::ValueAbove),
        Just(What::All),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let insert = (0..NODES, 0..3_u64, 0..8_u8, proptest::option::of(1..50_u64))
        .prop_map(|(id, age, labels, fresh_ms)| Step::Insert { id, age, labels, fresh_ms });
    let mode = prop_oneof![3 => Just(Remove), 1 => Just(Expire)];
    prop_oneof![
        9 => insert,
        3 => (0..NODES).prop_map(|id| Step::Get { id }),
        3 => (what(), mode).prop_map(|(what, mode)| Step::Invalidate { what, mode }),
        1 => (0..NODES).prop_map(|id| Step::RemoveExpired { id }),
        1 => (1..40_u64).prop_map(|ms| Step::Advance { ms }),
        1 => Just(Step::Maintain),
    ]
}

fn labels_of(bits: u8) -> Vec<&'static str> {
    LABELS.iter().enumerate().filter(|(n, _)| bits & (1 << n) != 0).map(|(_, l)| *l).collect()
}

fn cells_of(bits: u8) -> impl Iterator<Item = usize> {
    labels_of(bits).into_iter().map(|label| cell_of_tag(&tag(label)))
}

/// A plain fence: the last mark of each cell.
#[derive(Default)]
struct Marks {
    counter: u64,
    floor: u64,
    cells: BTreeMap<usize, u64>,
}

impl Marks {
    fn admits(&self, stamp: u64, id: u64, labels: u8) -> bool {
        let mut cells = cells_of(labels).chain([cell_of_digest(digest_of(id))]);
        self.floor <= stamp
            && cells.all(|cell| self.cells.get(&cell).is_none_or(|mark| *mark <= stamp))
    }

    /// Gives the cells that were raised, or none for the floor.
    fn raise(&mut self, what: &What) -> Option<Vec<usize>> {
        self.counter += 1;
        let cells: Vec<usize> = match what {
            What::Node(id) => vec![cell_of_digest(digest_of(*id))],
            What::Digest(digest) => vec![cell_of_digest(*digest)],
            What::AnyTag(bits) => cells_of(*bits).collect(),
            What::AllTags(bits) => cells_of(*bits).take(1).collect(),
            What::ValueAbove(_) | What::All => {
                self.floor = self.counter;
                return None;
            }
        };
        self.cells.extend(cells.iter().map(|cell| (*cell, self.counter)));
        Some(cells)
    }
}

struct Run {
    kit: Kit,
    model: BTreeMap<u64, Held>,
    marks: Marks,
    now_ms: u64,
    inserts: u64,
}

impl Run {
    fn new() -> Self {
        let kit = Kit::new();
        let marks = Marks { counter: kit.fence.stamp(), ..Marks::default() };
        Self { kit, model: BTreeMap::new(), marks, now_ms: 0, inserts: 0 }
    }

    fn insert(&mut self, id: u64, age: u64, labels: u8, fresh_ms: Option<u64>) {
        self.inserts += 1;
        let (value, stamp) = (self.inserts, self.marks.counter.saturating_sub(age));
        let fresh_ms = fresh_ms.unwrap_or(3_600_000);
        let spec = Spec::default().value(value).stamp(stamp).digest(digest_of(id));
        let spec = spec.tags(&labels_of(labels)).kept(Duration::from_secs(3600));
        let spec = spec.fresh(Duration::from_millis(fresh_ms));
        let inserted = self.kit.insert(&probe_hashed(&id, hash_of(id)), spec);
        let newer_stands = self.model.get(&id).is_some_and(|held| held.stamp > stamp);
        if newer_stands || !self.marks.admits(stamp, id, labels) {
            assert_eq!(inserted, Inserted::Fenced);
        } else {
            assert_eq!(inserted, Inserted::Stored);
            let fresh_until_ms = self.now_ms + fresh_ms;
            self.model.insert(id, Held { value, stamp, labels, fresh_until_ms });
        }
    }

    fn invalidate(&mut self, what: &What, mode: InvalidationMode) {
        let mark = match self.marks.raise(what) {
            Some(cells) => self.kit.fence.raise(cells),
            None => self.kit.fence.raise_floor(),
        };
        assert_eq!(mark, self.marks.counter);
        let tags = |bits: u8| labels_of(bits).into_iter().map(tag).collect::<Vec<_>>();
        let invalidate = |what: &MemorySelector<'_>| self.kit.memory.invalidate(what, mode);
        let ended = match what {
            What::Node(id) => invalidate(&MemorySelector::Node(&probe_hashed(id, hash_of(*id)))),
            What::Digest(digest) => invalidate(&MemorySelector::Digest(*digest)),
            What::AnyTag(bits) => invalidate(&MemorySelector::AnyTag(&tags(*bits))),
            What::AllTags(bits) => invalidate(&MemorySelector::AllTags(&tags(*bits))),
            What::ValueAbove(least) => {
                invalidate(&MemorySelector::Where(&|_, entry| value_of(entry) > *least))
            }
            What::All => invalidate(&MemorySelector::All),
        };
        let is_meant = |id: u64, held: &Held| match what {
            What::Node(wanted) => id == *wanted,
            What::Digest(digest) => digest_of(id) == *digest,
            What::AnyTag(bits) => held.labels & bits != 0,
            What::AllTags(bits) => *bits != 0 && held.labels & bits == *bits,
            What::ValueAbove(least) => held.value > *least,
            What::All => true,
        };
        let mut meant = 0;
        self.model.retain(|id, held| {
            if !is_meant(*id, held) {
                return true;
            }
            meant += 1;
            held.fresh_until_ms = 0;
            mode == Expire
        });
        assert_eq!(ended, meant);
    }

    fn apply(&mut self, step: &Step) {
        match step {
            Step::Insert { id, age, labels, fresh_ms } => {
                self.insert(*id, *age, *labels, *fresh_ms);
            }
            Step::Get { id } => self.compare(*id),
            Step::Invalidate { what, mode } => self.invalidate(what, *mode),
            Step::RemoveExpired { id } => {
                let probe = probe_hashed(id, hash_of(*id));
                if let Some(entry) = self.kit.memory.get(&probe) {
                    self.kit.memory.remove_expired(&probe, &entry);
                }
                self.model.remove(id);
            }
            Step::Advance { ms } => {
                self.now_ms += ms;
                self.kit.clock.advance(Duration::from_millis(*ms));
            }
            Step::Maintain => self.kit.memory.maintain(),
        }
    }

    fn compare(&self, id: u64) {
        let probe = probe_hashed(&id, hash_of(id));
        let (got, peeked) = (self.kit.memory.get(&probe), self.kit.memory.peek(&probe));
        let seen = |entry: Option<Arc<MemoryEntry>>| {
            entry.map(|entry| (value_of(&entry), entry.is_fresh(self.kit.now())))
        };
        let expected = self.model.get(&id);
        let expected = expected.map(|held| (held.value, self.now_ms < held.fresh_until_ms));
        assert_eq!(seen(got), expected, "node {id}");
        assert_eq!(seen(peeked), expected, "node {id}, peeked at");
    }

    fn compare_all(&self) {
        (0..NODES).for_each(|id| self.compare(id));
        let tags = self.model.values().map(|held| held.labels.count_ones() as usize).sum();
        assert_eq!(self.kit.sizes(), (self.model.len(), self.model.len(), tags));
        assert_eq!(self.kit.memory.stats().entries, self.model.len() as u64);
    }
}

fn value_of(entry: &MemoryEntry) -> u64 {
    let value = entry.value.as_ref().and_then(|value| value.downcast_ref().copied());
    value.expect("every entry here has a number")
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_engine_does_what_a_plain_map_does(steps in proptest::collection::vec(step(), 1..80)) {
        let mut run = Run::new();
        for step in &steps {
            run.apply(step);
            run.compare_all();
        }
    }
}
