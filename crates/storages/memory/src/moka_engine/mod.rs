//! The engine on [moka](https://docs.rs/moka), for those who want it: what the map lacks stands
//! beside it.

#[cfg(test)]
mod cases;
mod expiry;
mod index;
mod invalidate;
mod slot;
mod stripe;
#[cfg(test)]
#[path = "../engine/tests/mod.rs"]
mod tests;
mod uses;

use std::fmt;
use std::sync::Arc;

use cache_core::clock::Clock;
use cache_core::fence::Fence;
use cache_core::memory::{EvictionCause, Inserted, MemoryEntry, MemoryKey, MemoryStats, Probe};
use moka::notification::RemovalCause;
use moka::policy::EvictionPolicy;
use moka::sync::Cache;

use crate::config::{Bound, MemoryOptions, Policy};
use crate::eviction::{Departures, Evictions};
use expiry::KeptUntil;
use index::{Index, Member, weight_of};
use slot::{HashAsGiven, Lookup, Slot};
use stripe::Stripes;
use uses::Uses;

/// Entries in a map of moka's, found by an index beside it.
///
/// **Bound.** Evictions are done in portions: an insert that finds the bound passed by more than a
/// thirty-second part (at most 64 entries; a sixty-fourth part in bytes) does them. After
/// `maintain` the bound holds exactly.
///
/// **Policy.** A hit is noted, and the policy told of it before it next evicts. A memory of less
/// than 32 entries goes by every use in order; a larger one by the uses between two portions.
///
/// **Cost.** A hit takes one shared lock, of a 128th of the table, and allocates nothing. An insert
/// takes about ten small allocations; each tag adds one.
///
/// **Values.** No foreign code runs under a lock except the equality of nodes and the drop of
/// values: a value that was removed is dropped by whichever call comes by when nobody can be
/// reading it any more. So the drop of a value must neither call the memory nor take long.
pub(crate) struct MokaEngine {
    map: Cache<Arc<MemoryKey>, Slot, HashAsGiven>,
    shared: Arc<Shared>,
    stripes: Stripes,
    uses: Uses,
    options: MemoryOptions,
}

#[cfg(test)]
const ENGINE: crate::EngineKind = crate::EngineKind::Moka;

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

impl MokaEngine {
    pub(crate) fn new(options: MemoryOptions) -> Self {
        let shared = Arc::new(Shared::default());
        let listener = {
            let shared = Arc::clone(&shared);
            move |key: Arc<Arc<MemoryKey>>, slot: Slot, cause| {
                shared.on_departure(&key, &slot, cause);
            }
        };
        let map = Cache::builder()
            .max_capacity(options.bound.limit())
            .eviction_policy(options.policy.to_moka().unwrap_or_else(EvictionPolicy::tiny_lfu))
            .expire_after(KeptUntil)
            .eviction_listener(listener);
        let map = match options.bound {
            Bound::Entries(_) => map,
            Bound::Bytes(_) => map.weigher(|_, slot: &Slot| weight_of(&slot.entry)),
        };
        let map = map.build_with_hasher(HashAsGiven);
        let uses = Uses::new(options.policy == Policy::Lru);
        Self { map, shared, stripes: Stripes::default(), uses, options }
    }

    pub(crate) fn subscribe(&self) -> Evictions {
        self.shared.departures.subscribe()
    }

    #[cfg(test)]
    pub(crate) fn sizes(&self) -> (usize, usize, usize) {
        self.index().sizes()
    }

    pub(crate) fn index(&self) -> &Index {
        &self.shared.index
    }

    /// `between` is called when the entry has been admitted and is not stored yet; tests stop there.
    pub(crate) fn insert_between(
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

        if cfg!(mutant = "index_drained") {
            index.enroll(probe.hash, entry.digest, &entry.tags);
        }
        let stripe = self.stripes.lock(probe.hash);
        let id = index.next_id();
        current = index.find(probe);
        let newer_stands = current.as_ref().is_some_and(|held| entry.is_outdated_by(&held.entry));
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
                self.remove(held);
            }
            return if is_too_large { Inserted::TooLarge } else { Inserted::Stored };
        }
        let member =
            Member { key: Arc::clone(&key), entry: Arc::clone(&entry), id, is_expired: false };
        replaced = index.put(member);
        // On another clock it has as much time to go when the machine's has passed.
        let remaining_ms = if clock.is_machine_time() { remaining_ms } else { u64::MAX };
        self.map.insert(key, Slot { entry, id, remaining_ms });
        drop(stripe);

        drop((current, replaced));
        self.keep_bound();
        Inserted::Stored
    }

    /// Removes a member; the stripe is held by the caller. Says whether it was still there.
    fn remove(&self, member: &Member) -> bool {
        let has_left_map = self.map.remove(&member.key).is_some();
        // Where another thread is just evicting it, the map has it no more, and the listener has not
        // come to take it out of the index yet; but no reader may find it from here on.
        let has_left_index = self.index().take(member.key.hash, member.id).is_some();
        has_left_map || has_left_index
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

impl MokaEngine {
    pub(crate) fn get(&self, probe: &Probe<'_>) -> Option<Arc<MemoryEntry>> {
        let entry = self.index().hit(probe, &self.uses);
        // The policy wants to hear of what is asked for in vain, too.
        entry.or_else(|| self.map.get(&Lookup(probe)).map(|slot| slot.entry))
    }

    pub(crate) fn peek(&self, probe: &Probe<'_>) -> Option<Arc<MemoryEntry>> {
        self.index().find(probe).map(|member| member.entry)
    }

    pub(crate) fn remove_expired(&self, probe: &Probe<'_>, entry: &Arc<MemoryEntry>) {
        let _stripe = self.stripes.lock(probe.hash);
        let held = self.index().find(probe).filter(|held| Arc::ptr_eq(&held.entry, entry));
        if let Some(held) = held {
            self.index().mark_expired(probe.hash, held.id);
            self.remove(&held);
        }
    }

    pub(crate) fn for_each(&self, visit: &mut dyn FnMut(&MemoryKey, &Arc<MemoryEntry>)) {
        for members in self.index().shards() {
            for member in &members {
                visit(&member.key, &member.entry);
            }
        }
    }

    pub(crate) fn maintain(&self) {
        // First what came, then how it was used, then what has to go.
        self.map.run_pending_tasks();
        self.tell_uses(usize::MAX);
        self.map.run_pending_tasks();
    }

    pub(crate) fn stats(&self) -> MemoryStats {
        let mut stats = MemoryStats::default();
        stats.entries = self.index().entries();
        stats.weight_bytes = self.index().weight_bytes();
        self.shared.departures.fill_in(&mut stats);
        stats
    }
}

impl fmt::Debug for MokaEngine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MokaEngine")
            .field("policy", &self.options.policy)
            .field("bound", &self.options.bound)
            .field("entries", &self.index().entries())
            .finish()
    }
}
