use std::sync::Arc;

use cache_core::clock::{Clock, SystemClock};
use cache_core::fence::Fence;
use cache_core::memory::{
    EvictionCause, Inserted, MemoryEntry, MemoryKey, MemoryStats, MissRatioCurve, Probe,
};

use super::index::{Index, weight_of};
use super::invalidate::learn_digests;
use crate::config::{Bound, MemoryOptions};
use crate::eviction::{Departures, Evictions};
use crate::sharded::{Engine, New, Plan, SHARDS_MAX};

/// The engine of shards with erased nodes for keys, told their hashes by the caller.
pub(crate) struct KeyedEngine {
    pub(super) shards: Engine<Arc<MemoryKey>, Arc<MemoryEntry>, Index>,
    departures: Arc<Departures>,
    bound: Bound,
}

/// Shards and tables take any bits of a hash; callers may bring hashes whose bits are not all good.
pub(super) fn mixed(hash: u64) -> u64 {
    let product = u128::from(hash ^ 0x9E37_79B9_7F4A_7C15) * 0xA076_1D64_78BD_642F;
    (product >> 64) as u64 ^ product as u64
}

/// What is freed goes by the machine's clock.
fn now_ms() -> u64 {
    SystemClock.monotonic().ms()
}

impl KeyedEngine {
    pub(crate) fn new(options: MemoryOptions) -> Self {
        let departures = Arc::new(Departures::default());
        let listener = {
            let departures = Arc::clone(&departures);
            move |key: &Arc<MemoryKey>, _: &Arc<MemoryEntry>, cause| departures.tell(key, cause)
        };
        let shards = Engine::new(Plan {
            policy: options.policy,
            bound: options.bound,
            shards_wanted: SHARDS_MAX,
            curve_entries: options.curve_entries,
            listener: Some(Box::new(listener)),
        });
        Self { shards, departures, bound: options.bound }
    }

    pub(super) fn subscribe(&self) -> Evictions {
        self.departures.subscribe()
    }

    pub(super) fn get(&self, probe: &Probe<'_>) -> Option<Arc<MemoryEntry>> {
        // Who asks checks the time; this goes by use alone.
        self.shards.hit(mixed(probe.hash), |key| probe.is(key), || 0, Arc::clone)
    }

    pub(super) fn peek(&self, probe: &Probe<'_>) -> Option<Arc<MemoryEntry>> {
        self.shards.peek(mixed(probe.hash), |key| probe.is(key), || 0, Arc::clone)
    }

    /// `between` is called when the entry has been admitted and is not stored yet; tests stop there.
    pub(super) fn insert_between(
        &self,
        probe: &Probe<'_>,
        entry: MemoryEntry,
        fence: &Fence,
        clock: &dyn Clock,
        between: impl FnOnce(),
    ) -> Inserted {
        let hash = mixed(probe.hash);
        let remaining = entry.kept_until.remaining(clock.monotonic());
        let remaining_ms =
            remaining.map_or(u64::MAX, |left| u64::try_from(left.as_millis()).unwrap_or(u64::MAX));
        let entry = Arc::new(entry);
        // Under the lock of the shard, so that it is one step with the store: whoever raises the
        // fence after it finds the entry when it comes to the shard.
        let admits = |held: Option<&Arc<MemoryEntry>>| {
            held.is_none_or(|held| !entry.is_outdated_by(held))
                && fence.admits(entry.stamp, entry.digest, &entry.tags)
        };
        if cfg!(mutant = "checked_early") && !admits(None) {
            return Inserted::Fenced;
        }
        let admits =
            |held: Option<&Arc<MemoryEntry>>| cfg!(mutant = "checked_early") || admits(held);
        let is_too_large = match self.bound {
            Bound::Entries(_) => false,
            Bound::Bytes(limit) => u64::from(weight_of(&entry)) > limit.get(),
        };
        if is_too_large || remaining_ms == 0 {
            // What is not kept still outdates what is there.
            if !admits(None) {
                return Inserted::Fenced;
            }
            let mut newer_stands = false;
            let outdates = |held: &Arc<MemoryEntry>| {
                newer_stands = !admits(Some(held));
                !newer_stands
            };
            let cause = EvictionCause::Explicit;
            drop(self.shards.remove(hash, cause, |key| probe.is(key), outdates));
            return match newer_stands {
                true => Inserted::Fenced,
                false if is_too_large => Inserted::TooLarge,
                false => Inserted::Stored,
            };
        }
        let new = New {
            key: Arc::new(probe.to_key(entry.digest)),
            value: Arc::clone(&entry),
            weight: weight_of(&entry),
            // On another clock it has as much time to go when the machine's has passed.
            expires_ms: match remaining_ms {
                left if left != u64::MAX && clock.is_machine_time() => {
                    now_ms().saturating_add(left).max(1)
                }
                _ => 0,
            },
            idle: None,
            cost: 0,
        };
        let mut between = Some(between);
        let placed = self.shards.insert(hash, new, now_ms, |held| {
            let is_admitted = admits(held);
            if let Some(between) = between.take_if(|_| is_admitted) {
                between();
            }
            is_admitted
        });
        match placed {
            None => Inserted::Fenced,
            Some(true) => Inserted::Stored,
            Some(false) => Inserted::TooLarge,
        }
    }

    pub(super) fn remove_expired(&self, probe: &Probe<'_>, entry: &Arc<MemoryEntry>) {
        let is_seen = |held: &Arc<MemoryEntry>| Arc::ptr_eq(held, entry);
        let cause = EvictionCause::Expired;
        drop(self.shards.remove(mixed(probe.hash), cause, |key| probe.is(key), is_seen));
    }

    pub(super) fn for_each(&self, visit: &mut dyn FnMut(&MemoryKey, &Arc<MemoryEntry>)) {
        for shard in self.shards.shards() {
            let pairs = shard.read().live(|| 0);
            for (key, entry) in &pairs {
                visit(key, entry);
            }
        }
    }

    pub(super) fn with_digest(&self, digest: u64, visit: &mut dyn FnMut(&MemoryKey)) {
        for shard in self.shards.shards() {
            learn_digests(shard);
            let shard = shard.read();
            let found = shard.annex().with_digest(digest).filter_map(|slot| shard.pair(slot));
            let has_digest = |pair: &&(Arc<MemoryKey>, Arc<MemoryEntry>)| pair.1.digest == digest;
            let keys: Vec<_> = found.filter(has_digest).map(|pair| Arc::clone(&pair.0)).collect();
            drop(shard);
            keys.iter().for_each(|key| visit(key));
        }
    }

    pub(super) fn maintain(&self) {
        self.shards.maintain(now_ms());
    }

    pub(super) fn curve(&self) -> Option<MissRatioCurve> {
        self.shards.curve()
    }

    pub(super) fn stats(&self) -> MemoryStats {
        let mut stats = MemoryStats::default();
        self.shards.counts().fill_in(&mut stats);
        stats.entries = self.shards.len();
        let weights = self.shards.shards().iter().map(|shard| shard.read().annex().weight_bytes());
        stats.weight_bytes = weights.sum();
        stats
    }

    #[cfg(test)]
    pub(super) fn sizes(&self) -> (usize, usize, usize) {
        let (mut digests, mut tags) = (0, 0);
        for shard in self.shards.shards() {
            super::invalidate::learn_digests(shard);
            let sizes = shard.read().annex().sizes();
            digests += sizes.0;
            tags += sizes.1;
        }
        (self.shards.len() as usize, digests, tags)
    }
}
