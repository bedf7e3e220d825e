//! The memory of this process, behind the seam of the tiers.

mod index;
mod invalidate;
mod keyed;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

use cache_core::cache::Backend;
use cache_core::clock::Clock;
use cache_core::error::ConfigError;
use cache_core::fence::Fence;
use cache_core::memory::{
    Eviction, Inserted, MemoryCapabilities, MemoryEngine, MemoryEntry, MemoryKey, MemorySelector,
    MemoryStats, MissRatioCurve, Probe,
};
use cache_core::storage::InvalidationMode;
use futures_util::stream::{BoxStream, StreamExt};

use crate::config::{EngineKind, MemoryBuilder, MemoryOptions};
use crate::eviction::Evictions;
use crate::moka_engine::MokaEngine;
use keyed::KeyedEngine;

#[cfg(test)]
const ENGINE: EngineKind = EngineKind::Sharded;

/// The entries of one storage name in the memory of this process; clones share them.
///
/// One memory serves every node type that names it, so that one bound and one policy hold over all
/// of them. It is made by a [builder](Self::builder) or from a [URL](Self::open), registered with a
/// cache, and used by it through [`MemoryEngine`].
///
/// **Bound.** It holds at every moment, from however many threads entries come. A memory of less
/// than 1,024 entries is one shard; a larger one has one for each 512 entries, up to 64.
///
/// **Cost.** A hit takes the shared lock of one shard, reads no clock and allocates nothing. An
/// insert takes a few small allocations; each tag that nobody bore adds one. Removing everything, or
/// by predicate, takes time in proportion to the entries held; by tag, to the entries that bear it,
/// and to the number of shards; by digest, to the number of shards, and once, when the first digest
/// is asked for and an index of them is made, to the entries held.
///
/// **Locks.** No foreign code runs under a lock except the equality of nodes. Values are dropped
/// outside of all locks, by the call that removed them or by the last reader.
///
/// **Time.** An entry that nobody asks for is freed when its last end has come by the machine's
/// clock, by later inserts into its shard or by [`maintain`](MemoryEngine::maintain); there is no
/// thread that does it.
///
/// With [`EngineKind::Moka`] it is moka that holds the entries; its bound holds soon after an insert.
#[derive(Clone)]
pub struct Memory {
    inner: Arc<Inner>,
}

struct Inner {
    engine: Kind,
    options: MemoryOptions,
}

#[expect(clippy::large_enum_variant, reason = "there is one for each memory, behind an `Arc`")]
enum Kind {
    Sharded(KeyedEngine),
    Moka(MokaEngine),
}

macro_rules! each {
    ($memory:expr, $engine:ident => $call:expr) => {
        match &$memory.inner.engine {
            Kind::Sharded($engine) => $call,
            Kind::Moka($engine) => $call,
        }
    };
}

impl Memory {
    /// Makes a memory step by step.
    pub fn builder() -> MemoryBuilder {
        MemoryBuilder::default()
    }

    /// Makes a memory from a [URL](MemoryOptions::from_url), such as `memory://?max_entries=10000`.
    ///
    /// # Errors
    /// Those of [`MemoryOptions::from_url`].
    pub fn open(url: &str) -> Result<Self, ConfigError> {
        Ok(Self::new(MemoryOptions::from_url(url)?))
    }

    /// Makes a memory from options.
    pub fn new(options: MemoryOptions) -> Self {
        let engine = match options.engine {
            EngineKind::Sharded => Kind::Sharded(KeyedEngine::new(options)),
            EngineKind::Moka => Kind::Moka(MokaEngine::new(options)),
        };
        Self { inner: Arc::new(Inner { engine, options }) }
    }

    /// Entries as they leave from now on, with the cause. Costs nothing while nobody subscribes.
    pub fn subscribe(&self) -> Evictions {
        each!(self, engine => engine.subscribe())
    }

    /// What it was made from.
    pub fn options(&self) -> &MemoryOptions {
        &self.inner.options
    }

    /// Entries, digests and tag memberships that are held.
    #[cfg(test)]
    pub(crate) fn sizes(&self) -> (usize, usize, usize) {
        each!(self, engine => engine.sizes())
    }

    /// An insert that stops when the entry has been admitted and is not stored yet.
    #[cfg(test)]
    pub(crate) fn insert_between(
        &self,
        probe: &Probe<'_>,
        entry: MemoryEntry,
        fence: &Fence,
        clock: &dyn Clock,
        between: impl FnOnce(),
    ) -> Inserted {
        each!(self, engine => engine.insert_between(probe, entry, fence, clock, between))
    }

    #[cfg(test)]
    pub(crate) fn moka(&self) -> Option<&MokaEngine> {
        match &self.inner.engine {
            Kind::Moka(engine) => Some(engine),
            Kind::Sharded(_) => None,
        }
    }
}

impl MemoryEngine for Memory {
    fn get(&self, probe: &Probe<'_>) -> Option<Arc<MemoryEntry>> {
        each!(self, engine => engine.get(probe))
    }

    fn peek(&self, probe: &Probe<'_>) -> Option<Arc<MemoryEntry>> {
        each!(self, engine => engine.peek(probe))
    }

    fn insert(
        &self,
        probe: &Probe<'_>,
        entry: MemoryEntry,
        fence: &Fence,
        clock: &dyn Clock,
    ) -> Inserted {
        each!(self, engine => engine.insert_between(probe, entry, fence, clock, || ()))
    }

    fn invalidate(&self, what: &MemorySelector<'_>, mode: InvalidationMode) -> u64 {
        each!(self, engine => engine.end_all(what, mode))
    }

    fn remove_expired(&self, probe: &Probe<'_>, entry: &Arc<MemoryEntry>) {
        each!(self, engine => engine.remove_expired(probe, entry));
    }

    fn for_each(&self, visit: &mut dyn FnMut(&MemoryKey, &Arc<MemoryEntry>)) {
        each!(self, engine => engine.for_each(visit));
    }

    fn with_digest(&self, digest: u64, visit: &mut dyn FnMut(&MemoryKey)) {
        match &self.inner.engine {
            Kind::Sharded(engine) => engine.with_digest(digest, visit),
            Kind::Moka(engine) => engine.for_each(&mut |key, entry| {
                if entry.digest == digest {
                    visit(key);
                }
            }),
        }
    }

    fn maintain(&self) {
        each!(self, engine => engine.maintain());
    }

    fn stats(&self) -> MemoryStats {
        each!(self, engine => engine.stats())
    }

    fn curve(&self) -> Option<MissRatioCurve> {
        match &self.inner.engine {
            Kind::Sharded(engine) => engine.curve(),
            Kind::Moka(_) => None,
        }
    }

    fn evictions(&self) -> Option<BoxStream<'static, Result<Eviction, u64>>> {
        Some(self.subscribe().into_stream().boxed())
    }

    fn capabilities(&self) -> MemoryCapabilities {
        self.inner.options.capabilities()
    }
}

impl From<Memory> for Arc<dyn MemoryEngine> {
    fn from(memory: Memory) -> Self {
        Arc::new(memory)
    }
}

impl From<Memory> for Backend {
    fn from(memory: Memory) -> Self {
        Self::Memory(memory.into())
    }
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memory")
            .field("engine", &self.inner.options.engine)
            .field("policy", &self.inner.options.policy)
            .field("bound", &self.inner.options.bound)
            .field("entries", &self.stats().entries)
            .finish()
    }
}
