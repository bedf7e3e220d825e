//! The memory engine and the fence alone, small enough for every order of steps to be tried.

use std::sync::Arc;

use cache_core::clock::{Clock, Tick};
use cache_core::fence::{Fence, cell_of_digest, cell_of_tag};
use cache_core::key::{Tag, Tags};
use cache_core::memory::{BindingId, MemoryEngine, MemoryEntry, MemorySelector, Probe};
use cache_core::storage::InvalidationMode;
use cache_memory::{EngineKind, Memory};
use shuttle::sync::atomic::{AtomicU64, Ordering};
use shuttle::thread;

use crate::check::{check, check_all};
use crate::world::Stopped;

const DIGEST: u64 = 7;

const KINDS: [EngineKind; 2] = [EngineKind::Sharded, EngineKind::Moka];

struct Engine {
    memory: Memory,
    fence: Fence,
    clock: Stopped,
    source: AtomicU64,
    promised: std::sync::atomic::AtomicU64,
    tag: Tag,
}

impl Engine {
    fn new(kind: EngineKind) -> Arc<Self> {
        let memory = Memory::builder().max_entries(64).engine(kind).build();
        Arc::new(Self {
            memory: memory.expect("a memory"),
            fence: Fence::new(),
            clock: Stopped::default(),
            source: AtomicU64::new(1),
            promised: 0.into(),
            tag: Tag::new("p", "t").expect("a tag"),
        })
    }

    fn fill(&self) {
        let stamp = self.fence.stamp();
        let version = self.source.load(Ordering::SeqCst);
        self.insert(stamp, version);
    }

    fn insert(&self, stamp: u64, version: u64) {
        let tags = Tags::new(vec![self.tag.clone()]);
        let created = self.clock.wall();
        let value = Some(Arc::new(version) as _);
        let entry = MemoryEntry::new(
            value,
            created,
            Tick::NEVER,
            Tick::NEVER,
            None,
            stamp,
            DIGEST,
            1,
            tags,
        );
        let node = 1_u64;
        let probe = Probe { hash: 1, binding: BindingId(0), node: &node };
        self.memory.insert(&probe, entry, &self.fence, &self.clock);
    }

    fn invalidate_tag(&self) {
        let version = self.source.fetch_add(1, Ordering::SeqCst) + 1;
        self.fence.raise([cell_of_tag(&self.tag)]);
        let tags = [self.tag.clone()];
        self.memory.invalidate(&MemorySelector::AnyTag(&tags), InvalidationMode::Remove);
        self.promised.fetch_max(version, Ordering::SeqCst);
    }

    fn invalidate_key(&self) {
        let version = self.source.fetch_add(1, Ordering::SeqCst) + 1;
        self.fence.raise([cell_of_digest(DIGEST)]);
        self.memory.invalidate(&MemorySelector::Digest(DIGEST), InvalidationMode::Remove);
        self.promised.fetch_max(version, Ordering::SeqCst);
    }

    fn clear(&self) {
        let version = self.source.fetch_add(1, Ordering::SeqCst) + 1;
        self.fence.raise_floor();
        self.memory.invalidate(&MemorySelector::All, InvalidationMode::Remove);
        self.promised.fetch_max(version, Ordering::SeqCst);
    }

    fn settle(&self) {
        let node = 1_u64;
        let probe = Probe { hash: 1, binding: BindingId(0), node: &node };
        let promised = self.promised.load(Ordering::SeqCst);
        if let Some(entry) = self.memory.peek(&probe) {
            let value = entry.value.clone().and_then(|value| value.downcast::<u64>().ok());
            let stored = *value.expect("a version");
            assert!(stored >= promised, "memory stores {stored} after {promised} was promised");
        }
    }
}

type Step = fn(&Engine);

fn at_once(kind: EngineKind, steps: impl IntoIterator<Item = Step>) {
    let engine = Engine::new(kind);
    let threads: Vec<_> = steps
        .into_iter()
        .map(|step| {
            let engine = Arc::clone(&engine);
            thread::spawn(move || step(&engine))
        })
        .collect();
    for thread in threads {
        thread.join().expect("no panic");
    }
    engine.settle();
}

/// An insert of what was loaded before, and a raise with its removal.
#[test]
fn an_insert_and_an_invalidation_in_every_order() {
    let invalidations = [Engine::invalidate_key as Step, Engine::invalidate_tag];
    for (kind, invalidate) in KINDS.into_iter().flat_map(|kind| invalidations.map(|i| (kind, i))) {
        check_all(200_000, move || {
            let engine = Engine::new(kind);
            let stamp = engine.fence.stamp();
            let other = Arc::clone(&engine);
            let invalidation = thread::spawn(move || invalidate(&other));
            engine.insert(stamp, 1);
            invalidation.join().expect("no panic");
            engine.settle();
        });
    }
}

/// The tag index: members are never drained, and are there before the fence is asked.
#[test]
fn two_fills_and_two_invalidations_of_a_tag() {
    for kind in KINDS {
        check(move || async move {
            at_once(
                kind,
                [
                    Engine::fill as Step,
                    Engine::fill,
                    Engine::invalidate_tag,
                    Engine::invalidate_tag,
                ],
            );
        });
    }
}

/// The counter is raised first and the cells later, by two at once; cells only ever rise.
#[test]
fn a_fill_and_two_invalidations_of_a_key() {
    for kind in KINDS {
        check(move || async move {
            at_once(kind, [Engine::fill as Step, Engine::invalidate_key, Engine::invalidate_key]);
        });
    }
}

#[test]
fn a_fill_and_invalidations_of_all_kinds() {
    for kind in KINDS {
        check(move || async move {
            at_once(
                kind,
                [
                    Engine::fill as Step,
                    Engine::invalidate_key,
                    Engine::invalidate_tag,
                    Engine::clear,
                ],
            );
        });
    }
}
