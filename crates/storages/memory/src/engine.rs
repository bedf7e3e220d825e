mod invalidate;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

use cache_core::cache::Backend;
use cache_core::clock::Clock;
use cache_core::error::ConfigError;
use cache_core::fence::Fence;
use cache_core::memory::{
    EvictionCause, Inserted, MemoryCapabilities, MemoryEngine, MemoryEntry, MemoryKey,
    MemorySelector, MemoryStats, Probe,
};
use cache_core::storage::InvalidationMode;
use moka::notification::RemovalCause;
use moka::sync::Cache;

use crate::config::{Bound, MemoryBuilder, MemoryOptions, Policy};
use crate::eviction::{Departures, Evictions};
use crate::expiry::KeptUntil;
use crate::index::{Index, Member, weight_of};
use crate::slot::{HashAsGiven, Lookup, Slot};
use crate::stripe::Stripes;
use crate::uses::Uses;

/// The entries of one storage name in the memory of this process; clones share them.
///
/// One memory serves every node type that names it, so that one bound and one policy hold over all
/// of them. It is made by a [builder](Self::builder) or from a [URL](Self::open), registered with a
/// cache, and used by it through [`MemoryEngine`].
///
/// **Bound.** Evictions are done in portions: an insert that finds the bound passed by more than a
/// thirty-second part (at most 64 entries; a sixty-fourth part in bytes) does them. After
/// [`maintain`](MemoryEngine::maintain) the bound holds exactly.
///
/// **Policy.** A hit is noted, and the policy told of it before it next evicts. A memory of less
/// than 32 entries goes by every use in order; a larger one by the uses between two portions.
///
/// **Cost.** A hit takes one shared lock, of a 128th of the table, and allocates nothing. An insert
/// takes about ten small allocations; each tag adds one. Removing everything, or by predicate, takes
/// time in proportion to the entries held; by tag, to the entries that bear it.
///
/// **Values.** No foreign code runs under a lock except the equality of nodes and the drop of
/// values: a value that was removed is dropped by whichever call comes by when nobody can be
/// reading it any more. So the drop of a value must neither call the memory nor take long.
#[derive(Clone)]
pub struct Memory {
    inner: Arc<Inner>,
}

struct Inner {
    map: Cache<Arc<MemoryKey>, Slot, HashAsGiven>,
    shared: Arc<Shared>,
    stripes: Stripes,
    uses: Uses,
    options: MemoryOptions,
}

/// Of how many entries' uses the map can be told without housekeeping in between.
const USES_PER_PORTION: usize = 16;

/// Of how many entries' uses one insert tells the map. The rest waits for the next.
const USES_TOLD_AT_ONCE: usize = 512;

/// What the map's listener needs too.
#[derive(Default)]
struct Shared {
    index: Index,
    departures: Departures,
}

impl Shared {
    /// Called once for every entry that leaves the map, whatever the reason, and under the map's
    /// own locks; it takes no stripe.
    fn on_departure(&self, key: &Arc<MemoryKey>, slot: &Slot, cause: RemovalCause) {
        let taken = self.index.take(key.hash, slot.id);
        self.index.strike(key.hash, slot.entry.digest, &slot.entry.tags);
        let cause = match cause {
            RemovalCause::Expired => EvictionCause::Expired,
            RemovalCause::Size => EvictionCause::Size,
            RemovalCause::Replaced => EvictionCause::Replaced,
            RemovalCause::Explicit if taken.is_some_and(|member| member.is_expired) => {
                EvictionCause::Expired
            }
            RemovalCause::Explicit => EvictionCause::Explicit,
        };
        self.departures.record(key, cause);
    }
}

impl Memory {
    /// Makes a memory step by step.
    pub fn builder() -> MemoryBuilder {
        MemoryBuilder::default()
    }

    /// Makes a memory from a [URL](MemoryOptions::from_url), such as
    /// `memory://tinylfu?max_entries=10000`.
    ///
    /// # Errors
    /// Those of [`MemoryOptions::from_url`].
    pub fn open(url: &str) -> Result<Self, ConfigError> {
        Ok(Self::new(MemoryOptions::from_url(url)?))
    }

    /// Makes a memory from options.
    pub fn new(options: MemoryOptions) -> Self {
        let shared = Arc::new(Shared::default());
        let listener = {
            let shared = Arc::clone(&shared);
            move |key: Arc<Arc<MemoryKey>>, slot: Slot, cause| {
                shared.on_departure(&key, &slot, cause);
            }
        };
        let map = Cache::builder()
            .max_capacity(options.bound.limit())
            .eviction_policy(options.policy.to_moka())
            .expire_after(KeptUntil)
            .eviction_listener(listener);
        let map = match options.bound {
            Bound::Entries(_) => map,
            Bound::Bytes(_) => map.weigher(|_, slot: &Slot| weight_of(&slot.entry)),
        };
        let map = map.build_with_hasher(HashAsGiven);
        let inner = Inner {
            map,
            shared,
            stripes: Stripes::default(),
            uses: Uses::new(options.policy == Policy::Lru),
            options,
        };
        Self { inner: Arc::new(inner) }
    }

    /// Entries as they leave from now on, with the cause. Costs nothing while nobody subscribes.
    pub fn subscribe(&self) -> Evictions {
        self.inner.shared.departures.subscribe()
    }

    /// What it was made from.
    pub fn options(&self) -> &MemoryOptions {
        &self.inner.options
    }
}

impl Inner {
    fn index(&self) -> &Index {
        &self.shared.index
    }

    /// `between` is called when the entry has been admitted and is not stored yet; tests stop there.
    fn insert(
        &self,
        probe: &Probe<'_>,
        entry: MemoryEntry,
        fence: &Fence,
        clock: &dyn Clock,
        between: impl FnOnce(),
    ) -> Inserted {
        let index = self.index();
        let remaining = entry.kept_until.remaining(clock.monotonic());
        let remaining_ms =
            remaining.map_or(u64::MAX, |left| u64::try_from(left.as_millis()).unwrap_or(u64::MAX));
        // Dropped after the stripe, for one of them may be the last owner of a value.
        let (current, replaced);
        let entry = Arc::new(entry);
        let key = Arc::new(probe.to_key(entry.digest));

        self.uses.make_room(index.entries() + 1);
        if self.put_off() == 0 || self.uses.waiting() >= USES_PER_PORTION {
            // What came before these uses comes first: it may have to go without regard to them,
            // and their entries have to be in the policy's order to be moved in it.
            self.map.run_pending_tasks();
            self.tell_uses(USES_TOLD_AT_ONCE);
        }

        let stripe = self.stripes.lock(probe.hash);
        let id = index.next_id();
        current = index.find(probe);
        let newer_stands = current.as_ref().is_some_and(|held| held.entry.stamp > entry.stamp);
        // It must be found by a removal from before it is checked: whoever raises the fence after
        // the check looks into the index after that, and then waits for the stripe.
        index.enroll(probe.hash, entry.digest, &entry.tags);
        if newer_stands || !fence.admits(entry.stamp, entry.digest, &entry.tags) {
            index.strike(probe.hash, entry.digest, &entry.tags);
            return Inserted::Fenced;
        }
        between();
        let is_too_large = self.is_too_large(&entry);
        if is_too_large || remaining_ms == 0 {
            // What is not kept still outdates what is there.
            index.strike(probe.hash, entry.digest, &entry.tags);
            if let Some(held) = &current {
                self.map.invalidate(&held.key);
            }
            return if is_too_large { Inserted::TooLarge } else { Inserted::Stored };
        }
        let member =
            Member { key: Arc::clone(&key), entry: Arc::clone(&entry), id, is_expired: false };
        replaced = index.put(member);
        self.map.insert(key, Slot { entry, id, remaining_ms });
        drop(stripe);

        drop((current, replaced));
        self.keep_bound();
        Inserted::Stored
    }

    fn is_too_large(&self, entry: &MemoryEntry) -> bool {
        match self.options.bound {
            Bound::Entries(_) => false,
            Bound::Bytes(limit) => u64::from(weight_of(entry)) > limit.get(),
        }
    }

    /// By how much the bound may be passed before evictions are done.
    fn put_off(&self) -> u64 {
        match self.options.bound {
            Bound::Entries(limit) => (limit.get() / 32).min(64),
            Bound::Bytes(limit) => limit.get() / 64,
        }
    }

    /// Evicts if the bound is passed by more than what is put off.
    fn keep_bound(&self) {
        let held = match self.options.bound {
            Bound::Entries(_) => self.index().entries(),
            Bound::Bytes(_) => self.index().weight_bytes(),
        };
        if held > self.options.bound.limit().saturating_add(self.put_off()) {
            self.tell_uses(USES_TOLD_AT_ONCE);
            self.map.run_pending_tasks();
        }
    }

    /// Tells the map of noted uses, in the order of the last ones.
    fn tell_uses(&self, entries_max: usize) {
        let mut used = Vec::new();
        for hash in self.uses.drain(entries_max) {
            self.index().take_uses(hash, &mut used);
        }
        used.sort_unstable_by_key(|(last, ..)| *last);
        for (_, count, key) in used {
            for _ in 0..count {
                self.map.get(&key);
            }
        }
    }
}

impl MemoryEngine for Memory {
    fn get(&self, probe: &Probe<'_>) -> Option<Arc<MemoryEntry>> {
        let entry = self.inner.index().hit(probe, &self.inner.uses);
        // The policy wants to hear of what is asked for in vain, too.
        entry.or_else(|| self.inner.map.get(&Lookup(probe)).map(|slot| slot.entry))
    }

    fn peek(&self, probe: &Probe<'_>) -> Option<Arc<MemoryEntry>> {
        self.inner.index().find(probe).map(|member| member.entry)
    }

    fn insert(
        &self,
        probe: &Probe<'_>,
        entry: MemoryEntry,
        fence: &Fence,
        clock: &dyn Clock,
    ) -> Inserted {
        self.inner.insert(probe, entry, fence, clock, || ())
    }

    fn invalidate(&self, what: &MemorySelector<'_>, mode: InvalidationMode) -> u64 {
        self.inner.invalidate(what, mode)
    }

    fn remove_expired(&self, probe: &Probe<'_>, entry: &Arc<MemoryEntry>) {
        let inner = &*self.inner;
        let _stripe = inner.stripes.lock(probe.hash);
        let held = inner.index().find(probe).filter(|held| Arc::ptr_eq(&held.entry, entry));
        if let Some(held) = held {
            inner.index().mark_expired(probe.hash, held.id);
            inner.map.invalidate(&held.key);
        }
    }

    fn for_each(&self, visit: &mut dyn FnMut(&MemoryKey, &Arc<MemoryEntry>)) {
        for members in self.inner.index().shards() {
            for member in &members {
                visit(&member.key, &member.entry);
            }
        }
    }

    fn maintain(&self) {
        // First what came, then how it was used, then what has to go.
        self.inner.map.run_pending_tasks();
        self.inner.tell_uses(usize::MAX);
        self.inner.map.run_pending_tasks();
    }

    fn stats(&self) -> MemoryStats {
        let mut stats = MemoryStats::default();
        stats.entries = self.inner.index().entries();
        stats.weight_bytes = self.inner.index().weight_bytes();
        self.inner.shared.departures.fill_in(&mut stats);
        stats
    }

    fn capabilities(&self) -> MemoryCapabilities {
        let (entries_max, bytes_max) = match self.inner.options.bound {
            Bound::Entries(limit) => (Some(limit.get()), None),
            Bound::Bytes(limit) => (None, Some(limit.get())),
        };
        let policy = self.inner.options.policy.name();
        MemoryCapabilities::new(policy, entries_max, bytes_max, false)
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
            .field("policy", &self.inner.options.policy)
            .field("bound", &self.inner.options.bound)
            .field("entries", &self.inner.index().entries())
            .finish()
    }
}
