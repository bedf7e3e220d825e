use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;

use super::across::AcrossLeases;
use super::behind::Behind;
use super::registered::{Registered, was_made};
use super::shared::Shared;
use super::stale::MemoryTimes;
use crate::clock::{Tick, Timestamp};
use crate::entry::Codec;
use crate::error::Error;
use crate::events::{CacheEvent, EventKind, Refused};
use crate::flight::{Flight, Flights, Led};
use crate::key::{Key, KeyError, KeyFields, KeyTemplate, Tag, Tags};
use crate::memory::{BindingId, Inserted, MemoryEngine, MemoryEntry, MemorySelector, Probe};
use crate::node::{Node, NodeDefinition, TierFailure};
use crate::observe;
use crate::policy::doorkeeper::Doorkeeper;
use crate::policy::lifetime::Lifetime;
use crate::policy::routing::SizeRange;
use crate::policy::write_behind::Destination;
use crate::source::ErasedSource;
use crate::stats::{LatencyRecorder, NodeRecorder, NodeStats, TierRecorder};
use crate::storage::{InvalidationMode, Lookup, Outcome, StorageError, StorageErrorKind, Write};
use crate::sync::Mutex;
use crate::write_behind::Queue;

/// A node type bound to a cache and its source: what a handle works on.
pub(crate) struct Binding<N: Node> {
    pub(crate) id: BindingId,
    pub(crate) cache: Arc<Shared>,
    pub(crate) definition: NodeDefinition,
    pub(crate) template: KeyTemplate,
    pub(crate) codec: Codec<N::Value>,
    pub(crate) source: Arc<dyn ErasedSource<N>>,
    pub(crate) memory: Option<MemoryTier>,
    /// Nearest first.
    pub(crate) tiers: Vec<StorageTier>,
    /// The places of `tiers` in the order in which changes go through them: shared ones from the
    /// farthest to the nearest, then local ones likewise.
    pub(crate) far_first: Vec<usize>,
    pub(crate) flights: Flights<N, N::Value>,
    pub(crate) refreshes: Flights<N, N::Value>,
    /// Held over a change where memory is the only tier: of two that cross, the second would
    /// remove what the first has stored, and be refused itself.
    pub(crate) memory_change: Mutex<()>,
    pub(crate) loads: Arc<Semaphore>,
    pub(crate) doorkeeper: Option<Doorkeeper>,
    pub(crate) behind: Behind,
    /// Leases under which nodes are loaded.
    pub(crate) across: Option<AcrossLeases>,
    /// What was accepted and is yet to be written.
    pub(crate) queue: Option<Arc<Queue<N>>>,
    pub(crate) static_tags: Vec<Tag>,
    pub(crate) recorder: NodeRecorder,
}

/// The memory tier of a binding.
pub(crate) struct MemoryTier {
    pub(crate) engine: Arc<dyn MemoryEngine>,
    pub(crate) name: Arc<str>,
    /// Whether each read is timed, for which the clock is read twice.
    pub(crate) is_timed: bool,
    pub(crate) ttl: Option<Duration>,
    pub(crate) idle: Option<Duration>,
    pub(crate) size: SizeRange,
    pub(crate) recorder: TierRecorder,
}

/// A storage tier of a binding.
pub(crate) struct StorageTier {
    pub(crate) storage: Arc<Registered>,
    pub(crate) ttl: Option<Duration>,
    pub(crate) idle: Option<Duration>,
    pub(crate) size: SizeRange,
    pub(crate) on_failure: TierFailure,
    pub(crate) recorder: TierRecorder,
}

/// What memory held for a node.
pub(crate) struct InMemory<V> {
    pub(crate) value: Option<Arc<V>>,
    pub(crate) tags: Tags,
    pub(crate) created: Timestamp,
    pub(crate) fresh_until: Tick,
    /// The end of all its freshness.
    pub(crate) ends: Tick,
    pub(crate) kept_until: Tick,
}

/// What memory answers to a read.
pub(crate) struct MemoryHit {
    pub(crate) entry: Arc<MemoryEntry>,
    /// It is past its freshness.
    pub(crate) stale: bool,
    /// The reader is to have it loaded again.
    pub(crate) refresh: bool,
}

/// What is to be put into memory.
pub(crate) struct MemoryFill<'a, N: Node> {
    pub(crate) node: &'a N,
    pub(crate) key: &'a Key,
    pub(crate) value: Option<&'a Arc<N::Value>>,
    pub(crate) tags: Tags,
    pub(crate) created: Timestamp,
    /// The process fence's counter when the load, or the change, began.
    pub(crate) stamp: u64,
    /// The encoded length, where it was encoded; otherwise its weight decides where it goes.
    pub(crate) encoded_bytes: Option<u64>,
    pub(crate) asked_ttl: Option<Duration>,
    /// What remains of the entry that this is a copy of.
    pub(crate) remaining: Option<Duration>,
    /// For how long that one is kept.
    pub(crate) remaining_kept: Option<Duration>,
}

impl StorageTier {
    /// As the storage itself reads, timed. What is cancelled is not.
    pub(crate) async fn get(&self, key: &Key) -> Result<Lookup, StorageError> {
        let call = observe::in_tier_span(&self.storage.name, "get", self.storage.get(key));
        timed(&self.recorder.get, call).await
    }

    /// As [`get`](Self::get), of several keys.
    pub(crate) async fn get_many(
        &self,
        keys: &[Key],
    ) -> Result<Vec<Result<Lookup, StorageError>>, StorageError> {
        let call = self.storage.get_many(keys);
        let call = observe::in_tier_span(&self.storage.name, "get_many", call);
        timed(&self.recorder.get_many, call).await
    }

    /// As the storage itself writes, timed.
    pub(crate) async fn write(
        &self,
        writes: Vec<Write>,
    ) -> Result<Vec<Result<Outcome, StorageError>>, StorageError> {
        let call = self.storage.write(writes);
        let call = observe::in_tier_span(&self.storage.name, "write", call);
        timed(&self.recorder.write, call).await
    }

    /// Counts what could not be done because the storage failed, or is left alone.
    pub(crate) fn failed(&self, count: u64, error: &StorageError) {
        if error.kind() == StorageErrorKind::BreakerOpen {
            self.recorder.skipped(count);
        } else {
            self.recorder.errors(count);
            observe::tier_failed(&self.storage.name, error);
        }
    }

    pub(crate) fn lifetime(&self, definition: &NodeDefinition) -> Lifetime {
        Lifetime {
            tier_ttl: self.ttl,
            idle: self.idle,
            jitter: definition.jitter,
            stale: definition.stale.kept(),
            ..Lifetime::default()
        }
    }
}

async fn timed<T>(
    latency: &LatencyRecorder,
    call: impl Future<Output = Result<T, StorageError>>,
) -> Result<T, StorageError> {
    let started = Instant::now();
    let done = call.await;
    if was_made(&done) {
        latency.record(started.elapsed());
    }
    done
}

impl<N: Node> Binding<N> {
    /// The stored key of a node.
    pub(crate) fn key(&self, node: &N) -> Result<Key, Error> {
        let write = || {
            let mut fields = KeyFields::new(&self.template);
            node.key_fields(&mut fields);
            fields.finish(&self.cache.prefix, &self.definition.version)
        };
        // The node's own code runs here, at times with flights opened that are to be brought down.
        std::panic::catch_unwind(AssertUnwindSafe(write))
            .unwrap_or(Err(KeyError::Panicked))
            .map_err(|source| self.key_error(source))
    }

    pub(crate) fn key_error(&self, source: KeyError) -> Error {
        Error::Key { node: self.definition.name.clone(), source }
    }

    /// All tags of a node's entry: those of the type, of the node, and `labels`.
    pub(crate) fn tags(&self, node: &N, mut labels: Vec<String>) -> Result<Tags, Error> {
        node.tags(&mut labels);
        if labels.is_empty() && self.static_tags.is_empty() {
            return Ok(Tags::NONE);
        }
        let mut tags = self.static_tags.clone();
        for label in labels {
            let tag = Tag::new(&self.cache.prefix, &label);
            tags.push(tag.map_err(|source| self.key_error(source))?);
        }
        Ok(Tags::new(tags))
    }

    /// The TTL asked for an entry that lives anew: a negative result has one of its own.
    pub(crate) fn asked_ttl(&self, asked: Option<Duration>, is_absent: bool) -> Option<Duration> {
        asked.or(self.definition.absent_ttl.filter(|_| is_absent))
    }

    /// How memory finds a node.
    pub(crate) fn probe<'a>(&self, node: &'a N) -> Probe<'a> {
        use std::hash::BuildHasher;
        let hash = self.cache.hasher.hash_one((self.id, node));
        Probe { hash, binding: self.id, node }
    }

    /// An entry of the memory tier that answers, counted as used: the hot path.
    #[inline]
    pub(crate) fn memory_get(&self, node: &N) -> Option<MemoryHit> {
        let memory = self.memory.as_ref()?;
        let found = if memory.is_timed {
            self.memory_get_timed(memory, node)
        } else {
            self.memory_get_in(memory, node)
        };
        if self.cache.events.wants(EventKind::Hit)
            && let Some(hit) = &found
            && let Ok(key) = self.key(node)
        {
            self.tell_hit(&memory.name, &key, hit.stale);
        }
        found
    }

    /// Tells that a tier has answered.
    #[cold]
    pub(crate) fn tell_hit(&self, tier: &Arc<str>, key: &Key, stale: bool) {
        let (tier, key) = (Arc::clone(tier), key.clone());
        let hit = || CacheEvent::Hit { node: self.event_name(), tier, key, stale };
        self.cache.events.tell(EventKind::Hit, hit);
    }

    /// Tells that the source is asked.
    pub(crate) fn tell_miss(&self, key: &Key) {
        let miss = || CacheEvent::Miss { node: self.event_name(), key: key.clone() };
        self.cache.events.tell(EventKind::Miss, miss);
    }

    /// Tells what became of an entry on its way into a tier; `None`: it is stored.
    pub(crate) fn tell_fill(&self, tier: &Arc<str>, key: &Key, refused: Option<Refused>) {
        let (node, tier, key) = (|| self.event_name(), || Arc::clone(tier), || key.clone());
        let events = &self.cache.events;
        match refused {
            None => events.tell(EventKind::Fill, || CacheEvent::Fill {
                node: node(),
                tier: tier(),
                key: key(),
            }),
            Some(refused) => events.tell(EventKind::Refusal, || CacheEvent::Refusal {
                node: node(),
                tier: tier(),
                key: key(),
                refused,
            }),
        }
    }

    fn event_name(&self) -> Arc<str> {
        self.definition.name.as_str().into()
    }

    #[cold]
    fn memory_get_timed(&self, memory: &MemoryTier, node: &N) -> Option<MemoryHit> {
        let started = Instant::now();
        let found = self.memory_get_in(memory, node);
        memory.recorder.get.record(started.elapsed());
        found
    }

    #[inline]
    fn memory_get_in(&self, memory: &MemoryTier, node: &N) -> Option<MemoryHit> {
        let probe = self.probe(node);
        let Some(entry) = memory.engine.get(&probe) else {
            memory.recorder.misses(1);
            return None;
        };
        if !entry.is_timeless() {
            let now = self.cache.clock.monotonic();
            if !entry.is_settled(now) && !cfg!(mutant = "serve_expired") {
                return self.memory_get_unsettled(memory, &probe, entry, now);
            }
            if let Some(idle) = entry.idle() {
                entry.renew(self.deadline(now, idle));
            }
        }
        memory.recorder.hits(1);
        Some(MemoryHit { entry, stale: false, refresh: false })
    }

    /// A fresh entry of the memory tier, not counted as used.
    pub(crate) fn memory_peek(&self, node: &N) -> Option<InMemory<N::Value>> {
        let memory = self.memory.as_ref()?;
        let entry = memory.engine.peek(&self.probe(node))?;
        let is_fresh = entry.is_timeless() || entry.is_fresh(self.cache.clock.monotonic());
        is_fresh.then(|| InMemory::of(&entry))
    }

    /// Puts a value into the memory tier, if it takes it and nothing was invalidated since the
    /// stamp.
    pub(crate) fn fill_memory(&self, fill: MemoryFill<'_, N>) {
        let Some(memory) = &self.memory else { return };
        let weight = fill.value.map_or(0, |value| N::weight(value));
        if !memory.size.takes(fill.encoded_bytes.unwrap_or(weight)) {
            memory.recorder.fills_skipped(1);
            // What is not kept still outdates what is there.
            self.remove_from_memory(fill.node);
            return;
        }
        let lifetime = Lifetime {
            tier_ttl: memory.ttl,
            idle: memory.idle,
            asked_ttl: fill.asked_ttl,
            remaining: fill.remaining,
            jitter: self.definition.jitter,
            stale: self.definition.stale.kept().filter(|_| fill.value.is_some()),
            remaining_kept: fill.remaining_kept,
        };
        let times = self.times_in_memory(lifetime, fill.value.is_some());
        self.insert_into_memory(memory, &fill, weight, times);
    }

    /// Puts a value into the memory tier under the times that it has there.
    pub(super) fn insert_into_memory(
        &self,
        memory: &MemoryTier,
        fill: &MemoryFill<'_, N>,
        weight: u64,
        times: MemoryTimes,
    ) {
        let weight = weight.saturating_add(ENTRY_WEIGHT_BYTES + size_of::<N>() as u64);
        let entry = MemoryEntry::new(
            fill.value.map(|value| Arc::clone(value) as _),
            fill.created,
            times.fresh_until,
            times.kept_until,
            times.idle,
            if cfg!(mutant = "memory_unfenced") { u64::MAX } else { fill.stamp },
            fill.key.digest(),
            u32::try_from(weight).unwrap_or(u32::MAX),
            fill.tags.clone(),
        );
        let entry = if self.behind.is_on && !times.fresh_until.is_never() {
            entry.with_stale(times.stale_until, times.refresh_at)
        } else {
            entry
        };
        let probe = self.probe(fill.node);
        match memory.engine.insert(&probe, entry, &self.cache.fence, &*self.cache.clock) {
            Inserted::Stored => {
                memory.recorder.fills(1);
                self.tell_fill(&memory.name, fill.key, None);
            }
            Inserted::Fenced => {
                memory.recorder.fills_refused(1);
                self.tell_fill(&memory.name, fill.key, Some(Refused::Fenced));
            }
            Inserted::TooLarge => {
                memory.recorder.fills_skipped(1);
                self.tell_fill(&memory.name, fill.key, Some(Refused::TooLarge));
            }
        }
    }

    /// Removes a node from the memory tier; the fence was raised before.
    pub(crate) fn remove_from_memory(&self, node: &N) {
        if let Some(memory) = &self.memory {
            let probe = self.probe(node);
            memory.engine.invalidate(&MemorySelector::Node(&probe), InvalidationMode::Remove);
        }
    }

    /// When something ends that begins now, on a clock that may lag.
    pub(super) fn deadline(&self, now: Tick, span: Duration) -> Tick {
        now.after(span).before(self.cache.clock.resolution())
    }

    /// Whether the doorkeeper lets a loaded value into the tiers.
    pub(crate) fn admits(&self, key: &Key) -> bool {
        self.doorkeeper.as_ref().is_none_or(|doorkeeper| doorkeeper.admits(key.digest()))
    }

    /// Counts a value that no tier was to take.
    pub(crate) fn count_skipped(&self) {
        let tiers = self.tiers.iter().map(|tier| &tier.recorder);
        let memory = self.memory.iter().map(|memory| &memory.recorder);
        memory.chain(tiers).for_each(|tier| tier.fills_skipped(1));
    }

    /// The map that a led flight stands in.
    pub(crate) fn flights_of(&self, led: &Led<N, N::Value>) -> &Flights<N, N::Value> {
        if led.bypasses() { &self.refreshes } else { &self.flights }
    }

    /// A waiter leaves its flight; whether the lead was abandoned by that.
    pub(crate) fn leave(&self, flight: &Flight<N, N::Value>) -> bool {
        let flights = if flight.bypasses() { &self.refreshes } else { &self.flights };
        flights.leave(flight.lead())
    }

    pub(crate) fn stats(&self) -> NodeStats {
        // Read first, so that there are never more of them than hits.
        let stale_answers =
            self.memory.as_ref().map_or(0, |memory| memory.recorder.stale_answers_so_far());
        let memory = self.memory.as_ref().map(|memory| memory.recorder.snapshot());
        let storages = self.tiers.iter().map(|tier| tier.recorder.snapshot()).collect();
        let mut stats = self.recorder.snapshot(&self.definition.name, memory, storages);
        stats.stale_hits += stale_answers;
        if let Some(across) = &self.across {
            stats.across = across.recorder.snapshot();
        }
        if let Some(queue) = &self.queue {
            stats.write_behind = queue.stats();
        }
        stats
    }

    /// The node is changed otherwise: what is queued of it is older.
    pub(crate) fn outdate_queued(&self, key: &Key) {
        if let Some(queue) = &self.queue {
            queue.outdate(key);
        }
    }

    /// The storages have been told of changes: what is accepted from here on is later than these.
    pub(crate) fn queue_passed(&self, cells: impl IntoIterator<Item = usize>) {
        if let Some(queue) = &self.queue {
            queue.passed(cells);
        }
    }

    /// Waits until the source has got, or will not get, what is queued of a node for it.
    pub(crate) async fn settle_queued(&self, key: &Key) {
        if let Some(queue) = &self.queue
            && queue.options.to == Destination::Source
        {
            // What was given up is told; where the cache closes there is nothing to wait for.
            let _ = queue.flush(self, Some(key)).await;
        }
    }

    /// The storage that refuses a value of this tier whose stamp is of now, since an invalidation of
    /// it has not landed yet: that of the tier itself, or a farther one, for when it lands there the
    /// nearer ones are invalidated once more.
    pub(crate) fn awaiting(&self, at: usize, key: &Key, tags: &Tags) -> Option<&Registered> {
        let up_to = self.far_first.iter().position(|place| *place == at)?;
        let mut storages = self.far_first[..=up_to].iter().map(|at| &*self.tiers[*at].storage);
        storages.find(|storage| storage.pending.awaits(key, tags))
    }

    /// The storages of this binding in the order in which changes go through them.
    pub(crate) fn storages_far_first(&self) -> Vec<Arc<Registered>> {
        self.far_first.iter().map(|at| Arc::clone(&self.tiers[*at].storage)).collect()
    }
}

/// What an entry takes in memory beside its node and value, roughly: bookkeeping of the engine.
const ENTRY_WEIGHT_BYTES: u64 = 128;

/// The value of an entry of this binding, in its own type.
pub(crate) fn typed<V: Send + Sync + 'static>(entry: &MemoryEntry) -> Option<Arc<V>> {
    // A binding's entries hold its own value type and no other.
    entry.value.clone().and_then(|value| value.downcast().ok())
}
