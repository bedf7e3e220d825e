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

use crate::config::{Bound, MemoryBuilder, MemoryOptions};
use crate::eviction::{Departures, Evictions};
use crate::expiry::KeptUntil;
use crate::index::{Index, Member, weight_of};
use crate::slot::{HashAsGiven, Lookup, Slot};
use crate::stripe::Stripes;

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
/// **Cost.** A hit takes no lock of this crate and allocates nothing. An insert takes about ten
/// small allocations; each tag adds one. Removing everything, or by predicate, takes time in
/// proportion to the entries held; by tag, to the entries that bear it.
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
    options: MemoryOptions,
}

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
        Self { inner: Arc::new(Inner { map, shared, stripes: Stripes::default(), options }) }
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

        if cfg!(mutant = "index_drained") {
            index.enroll(probe.hash, entry.digest, &entry.tags);
        }
        let stripe = self.stripes.lock(probe.hash);
        let id = index.next_id();
        current = index.find(probe);
        let newer_stands = current.as_ref().is_some_and(|held| held.entry.stamp > entry.stamp);
        // It must be found by a removal from before it is checked: whoever raises the fence after
        // the check looks into the index after that, and then waits for the stripe.
        if !cfg!(any(mutant = "index_late", mutant = "index_drained")) {
            index.enroll(probe.hash, entry.digest, &entry.tags);
        }
        if newer_stands || !fence.admits(entry.stamp, entry.digest, &entry.tags) {
            index.strike(probe.hash, entry.digest, &entry.tags);
            return Inserted::Fenced;
        }
        between();
        if cfg!(mutant = "index_late") {
            index.enroll(probe.hash, entry.digest, &entry.tags);
        }
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

    /// Evicts if the bound is passed by more than what is put off.
    fn keep_bound(&self) {
        let passed = match self.options.bound {
            Bound::Entries(limit) => {
                let put_off = (limit.get() / 32).min(64);
                self.index().entries() > limit.get().saturating_add(put_off)
            }
            Bound::Bytes(limit) => {
                let put_off = limit.get() / 64;
                self.index().weight_bytes() > limit.get().saturating_add(put_off)
            }
        };
        if passed {
            self.map.run_pending_tasks();
        }
    }

    /// Removes or expires, of the entries with this hash, those that are meant.
    fn end(&self, hash: u64, mode: InvalidationMode, meant: impl Fn(&Member) -> bool) -> u64 {
        let members;
        let _stripe = self.stripes.lock(hash);
        members = self.index().with_hash(hash);
        let mut ended = 0;
        for member in members.iter().filter(|member| meant(member)) {
            match mode {
                InvalidationMode::Remove => {
                    ended += u64::from(self.map.remove(&member.key).is_some());
                }
                InvalidationMode::Expire => {
                    member.entry.expire();
                    ended += 1;
                }
            }
        }
        ended
    }

    /// The same for every entry there is.
    fn end_where(
        &self,
        mode: InvalidationMode,
        last_id: u64,
        meant: impl Fn(&MemoryKey, &MemoryEntry) -> bool,
    ) -> u64 {
        // No index leads to what has been admitted and is not stored yet: wait until it is.
        self.stripes.pass_barrier();
        let mut ended = 0;
        for members in self.index().shards() {
            let members = members.iter().filter(|member| member.id <= last_id);
            for member in members.filter(|member| meant(&member.key, &member.entry)) {
                ended += self.end(member.key.hash, mode, |held| held.id == member.id);
            }
        }
        ended
    }
}

impl MemoryEngine for Memory {
    fn get(&self, probe: &Probe<'_>) -> Option<Arc<MemoryEntry>> {
        self.inner.map.get(&Lookup(probe)).map(|slot| slot.entry)
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
        let inner = &*self.inner;
        // What gets a larger id is checked after the fence was raised, and stays.
        let last_id = inner.index().last_id();
        match what {
            MemorySelector::Node(probe) => {
                inner.end(probe.hash, mode, |member| member.id <= last_id && probe.is(&member.key))
            }
            MemorySelector::Digest(digest) => {
                let is_meant =
                    |member: &Member| member.id <= last_id && member.entry.digest == *digest;
                let hashes = inner.index().with_digest(*digest);
                hashes.into_iter().map(|hash| inner.end(hash, mode, is_meant)).sum()
            }
            MemorySelector::AnyTag(tags) => {
                let end_tag = |(nth, tag)| {
                    // Bearers of an earlier tag have been ended, and are not counted twice.
                    let earlier = &tags[..nth];
                    let is_meant = |member: &Member| {
                        let borne = &member.entry.tags;
                        member.id <= last_id
                            && borne.contains(tag)
                            && !earlier.iter().any(|tag| borne.contains(tag))
                    };
                    let hashes = inner.index().with_tag(tag);
                    hashes.map(|hash| inner.end(hash, mode, is_meant)).sum::<u64>()
                };
                tags.iter().enumerate().map(end_tag).sum()
            }
            MemorySelector::AllTags(tags) => {
                let Some(first) = tags.first() else { return 0 };
                let is_meant = |member: &Member| {
                    member.id <= last_id && tags.iter().all(|tag| member.entry.tags.contains(tag))
                };
                let hashes = inner.index().with_tag(first);
                hashes.map(|hash| inner.end(hash, mode, is_meant)).sum()
            }
            MemorySelector::Where(meant) => inner.end_where(mode, last_id, meant),
            MemorySelector::All => inner.end_where(mode, last_id, |_, _| true),
        }
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

#[cfg(test)]
mod tests;
