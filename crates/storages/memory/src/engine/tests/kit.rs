//! A memory with its fence and clock, and short ways to make probes and entries.

use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use cache_core::clock::{Clock, ManualClock, SystemClock, Tick};
use cache_core::fence::Fence;
use cache_core::key::{Tag, Tags};
use cache_core::memory::{
    BindingId, ErasedValue, Inserted, MemoryEngine, MemoryEntry, MemorySelector, Probe,
};
use cache_core::storage::InvalidationMode;

use super::super::ENGINE;
use crate::{Memory, MemoryBuilder};

pub(in super::super) struct Kit {
    pub(in super::super) memory: Memory,
    pub(in super::super) fence: Fence,
    pub(in super::super) clock: ManualClock,
}

/// An entry to be; fresh without end, with stamp 1, if nothing else is said.
#[derive(Clone)]
pub(in super::super) struct Spec {
    value: ErasedValue,
    stamp: u64,
    digest: u64,
    weight: u32,
    tags: Tags,
    fresh: Option<Duration>,
    kept: Option<Duration>,
    is_past: bool,
}

impl Default for Spec {
    fn default() -> Self {
        Self {
            value: Arc::new(0_u64),
            stamp: 1,
            digest: 0,
            weight: 1,
            tags: Tags::NONE,
            fresh: None,
            kept: None,
            is_past: false,
        }
    }
}

impl Spec {
    pub(in super::super) fn value(self, value: u64) -> Self {
        self.shared(Arc::new(value))
    }

    pub(in super::super) fn shared(self, value: ErasedValue) -> Self {
        Self { value, ..self }
    }

    pub(in super::super) fn stamp(self, stamp: u64) -> Self {
        Self { stamp, ..self }
    }

    pub(in super::super) fn digest(self, digest: u64) -> Self {
        Self { digest, ..self }
    }

    pub(in super::super) fn weight(self, weight: u32) -> Self {
        Self { weight, ..self }
    }

    pub(in super::super) fn tags(self, labels: &[&str]) -> Self {
        Self { tags: Tags::new(labels.iter().map(|label| tag(label)).collect()), ..self }
    }

    pub(in super::super) fn fresh(self, fresh: Duration) -> Self {
        Self { fresh: Some(fresh), ..self }
    }

    pub(in super::super) fn kept(self, kept: Duration) -> Self {
        Self { kept: Some(kept), ..self }
    }

    /// Past its freshness when it comes.
    pub(in super::super) fn past(self) -> Self {
        Self { is_past: true, ..self }
    }

    pub(in super::super) fn entry(self, clock: &dyn Clock) -> MemoryEntry {
        let end =
            |span: Option<Duration>| span.map_or(Tick::NEVER, |span| clock.monotonic().after(span));
        let (fresh, kept) = (end(self.fresh), end(self.kept));
        let fresh = if self.is_past { Tick::from_ms(1) } else { fresh };
        let Self { value, stamp, digest, weight, tags, .. } = self;
        let created = clock.wall();
        MemoryEntry::new(Some(value), created, fresh, kept, None, stamp, digest, weight, tags)
    }
}

impl Kit {
    pub(in super::super) fn new() -> Self {
        Self::with(Memory::builder())
    }

    pub(in super::super) fn with(builder: MemoryBuilder) -> Self {
        let memory = builder.engine(ENGINE).build().expect("a valid bound");
        Self { memory, fence: Fence::new(), clock: ManualClock::new() }
    }

    pub(in super::super) fn insert(&self, probe: &Probe<'_>, spec: Spec) -> Inserted {
        self.memory.insert(probe, spec.entry(&self.clock), &self.fence, &self.clock)
    }

    /// Inserts as a cache does that lives by the machine's clock.
    pub(in super::super) fn insert_by_machine(&self, probe: &Probe<'_>, spec: Spec) -> Inserted {
        self.memory.insert(probe, spec.entry(&SystemClock), &self.fence, &SystemClock)
    }

    pub(in super::super) fn value(&self, probe: &Probe<'_>) -> Option<u64> {
        let entry = self.memory.get(probe)?;
        entry.value.as_ref()?.downcast_ref().copied()
    }

    pub(in super::super) fn remove(&self, what: &MemorySelector<'_>) -> u64 {
        self.memory.invalidate(what, InvalidationMode::Remove)
    }

    pub(in super::super) fn now(&self) -> Tick {
        self.clock.monotonic()
    }

    /// Members, digests and tag memberships that the index holds.
    pub(in super::super) fn sizes(&self) -> (usize, usize, usize) {
        self.memory.sizes()
    }
}

pub(in super::super) fn probe(node: &u64) -> Probe<'_> {
    static HASHER: LazyLock<RandomState> = LazyLock::new(RandomState::new);
    probe_hashed(node, HASHER.hash_one(node))
}

pub(in super::super) fn probe_hashed(node: &u64, hash: u64) -> Probe<'_> {
    Probe { hash, binding: BindingId(1), node }
}

pub(in super::super) fn tag(label: &str) -> Tag {
    Tag::new("p", label).expect("a valid tag")
}
