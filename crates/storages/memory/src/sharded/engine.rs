use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use cache_core::memory::{EvictionCause, MissRatioCurve};

use super::annex::Annex;
use super::budget::Budget;
use super::departures::{Counts, Departures};
use super::lock::ShardLock;
use super::shard::{AfterHit, New, Placed, Room, Shard};
use crate::apart::Apart;
use crate::config::{Bound, Policy as Name};
use crate::curve::Curve;
use crate::policy::{AnyPolicy, Capacity, Choice};

/// Below this many entries a shard's window is too small to judge by, and the hit ratio suffers.
const ENTRIES_PER_SHARD_MIN: u64 = 512;

/// How many shards a cache has that is large enough for them.
#[cfg(not(shuttle))]
pub(crate) const SHARDS_MAX: usize = 64;
/// Fewer under the checker, which makes them thousands of times.
#[cfg(shuttle)]
pub(crate) const SHARDS_MAX: usize = 2;

/// How many that may have expired are looked at by one insert.
const LOOKS_PER_INSERT: usize = 8;

/// How often one insert makes room in other shards before it is given up: others may take that room.
const ROUNDS_MAX: usize = 64;

/// Hears of what leaves, after it has left and outside of all locks.
pub(crate) type Listener<K, V> = dyn Fn(&K, &V, EvictionCause) + Send + Sync;

/// The engine: shards by hash, with one bound over all of them. It is told hashes and times.
pub(crate) struct Engine<K, V, A> {
    shards: Box<[ShardLock<Shard<K, V, A>>]>,
    /// By how much a hash is moved to the right to give its shard.
    shift: u32,
    choice: Arc<Choice>,
    curve: Curve,
    policy: Name,
    limit: Limit,
    listener: Option<Box<Listener<K, V>>>,
    /// Where room is sought next.
    next: Apart<AtomicUsize>,
}

#[derive(Debug)]
enum Limit {
    Entries(AtomicU64),
    Weight { budget: Arc<Budget>, sampled_for: AtomicU64 },
}

/// What an engine is made from.
pub(crate) struct Plan<K, V> {
    pub(crate) policy: Name,
    pub(crate) bound: Bound,
    /// How many shards there should be if the bound is large enough; a power of two is made of it.
    pub(crate) shards_wanted: usize,
    /// How many entries of a small cache are enough to estimate by; none for no estimate.
    pub(crate) curve_entries: u64,
    pub(crate) listener: Option<Box<Listener<K, V>>>,
}

/// How many shards a cache gets: a power of two, and one where they would be too small.
fn shards_for(bound: Bound, wanted: usize) -> usize {
    let wanted = wanted.clamp(1, 1 << 16);
    let most = match bound {
        Bound::Entries(entries) => {
            let most = entries.get() / ENTRIES_PER_SHARD_MIN;
            usize::try_from(most).unwrap_or(usize::MAX)
        }
        // How many entries that will be is not known; of a kilobyte each they would be as many.
        Bound::Bytes(bytes) => {
            let most = bytes.get() / (ENTRIES_PER_SHARD_MIN << 10);
            usize::try_from(most).unwrap_or(usize::MAX)
        }
    };
    let shards = wanted.min(most.max(1));
    // The next lower power of two.
    1 << shards.ilog2()
}

/// The part of the nth shard; all parts add up.
fn part(entries: u64, shards: usize, nth: usize) -> u64 {
    let shards = shards as u64;
    entries / shards + u64::from((nth as u64) < entries % shards)
}

/// Tells the policy of a shard of its hits, if nobody holds its lock.
#[cold]
fn tell<K: Eq, V, A: Annex<K, V>>(shard: &ShardLock<Shard<K, V, A>>) {
    if let Some(mut shard) = shard.try_write() {
        shard.tell();
    }
}

impl<K: Eq, V, A: Annex<K, V>> Engine<K, V, A> {
    pub(crate) fn new(plan: Plan<K, V>) -> Self {
        let Plan { policy, bound, shards_wanted, curve_entries, listener } = plan;
        let shards = shards_for(bound, shards_wanted);
        let sampled = match bound {
            Bound::Entries(entries) if policy == Name::Adaptive => entries.get(),
            _ => 0,
        };
        let choice = Arc::new(Choice::new(sampled));
        let known = if let Bound::Entries(entries) = bound { entries.get() } else { 0 };
        let limit = match bound {
            Bound::Entries(entries) => Limit::Entries(AtomicU64::new(entries.get())),
            Bound::Bytes(bytes) => Limit::Weight {
                budget: Arc::new(Budget::new(bytes.get())),
                sampled_for: AtomicU64::new(0),
            },
        };
        let shard = |nth| {
            let (room, capacity) = match &limit {
                Limit::Entries(entries) => {
                    let part = part(entries.load(Ordering::Relaxed), shards, nth);
                    (Room::Entries(part), Capacity::Entries(part))
                }
                Limit::Weight { budget, .. } => {
                    (Room::Weight(Arc::clone(budget)), Capacity::Weight)
                }
            };
            ShardLock::new(Shard::new(AnyPolicy::new(policy, capacity, &choice), room))
        };
        Self {
            shards: (0..shards).map(shard).collect(),
            shift: u64::BITS - shards.ilog2(),
            choice,
            curve: Curve::new(policy, known, curve_entries),
            policy,
            limit,
            listener,
            next: Apart(AtomicUsize::new(0)),
        }
    }

    pub(crate) fn policy(&self) -> Name {
        self.policy
    }

    pub(crate) fn shards(&self) -> &[ShardLock<Shard<K, V, A>>] {
        &self.shards
    }

    #[inline]
    pub(crate) fn shard(&self, hash: u64) -> &ShardLock<Shard<K, V, A>> {
        // A shift by all bits is none: with one shard the index is cut off.
        let nth = hash.wrapping_shr(self.shift) as usize & (self.shards.len() - 1);
        &self.shards[nth]
    }

    /// Entries, or their weight, that it may hold.
    pub(crate) fn bound(&self) -> u64 {
        match &self.limit {
            Limit::Entries(entries) => entries.load(Ordering::Relaxed),
            Limit::Weight { budget, .. } => budget.max(),
        }
    }

    #[inline]
    pub(crate) fn hit<R>(
        &self,
        hash: u64,
        meant: impl Fn(&K) -> bool,
        now_ms: impl Fn() -> u64,
        read: impl FnOnce(&V) -> R,
    ) -> Option<R> {
        let shard = self.shard(hash);
        let choice = (self.policy == Name::Adaptive).then_some(&*self.choice);
        let found = shard.read().hit(choice, hash, meant, now_ms, read);
        let (value, after) = found?;
        self.curve.on_hit(hash);
        match after {
            AfterHit::Nothing => {}
            AfterHit::Sample => self.choice.on_hit(hash),
            AfterHit::Tell => tell(shard),
        }
        Some(value)
    }

    pub(crate) fn peek<R>(
        &self,
        hash: u64,
        meant: impl Fn(&K) -> bool,
        now_ms: impl Fn() -> u64,
        read: impl FnOnce(&V) -> R,
    ) -> Option<R> {
        self.shard(hash).read().peek(hash, meant, now_ms, read)
    }

    /// Stores an entry if `admits`, which is asked under the lock with what stands there, lets it.
    /// `None` if it did not; otherwise whether there was room. Where there was none, what stood there
    /// is outdated all the same, and goes.
    pub(crate) fn insert(
        &self,
        hash: u64,
        new: New<K, V>,
        now_ms: impl Fn() -> u64,
        mut admits: impl FnMut(Option<&V>) -> bool,
    ) -> Option<bool> {
        let (mut new, mut is_in_vain) = (new, false);
        for round in 0..=ROUNDS_MAX {
            let mut departures = Departures::default();
            let weight = u64::from(new.weight);
            let mut shard = self.shard(hash).write();
            let slot = shard.find(hash, |key| *key == new.key);
            let current = slot.and_then(|slot| shard.pair(slot));
            if !admits(current.map(|pair| &pair.1)) {
                return None;
            }
            if is_in_vain || round == ROUNDS_MAX || self.is_too_heavy(weight) {
                // What is not kept still outdates what is there.
                if let Some(slot) = slot {
                    shard.remove(slot, EvictionCause::Size, &mut departures);
                }
                drop(shard);
                self.departed(&departures);
                break;
            }
            let now_ms = if new.expires_ms != 0 || shard.has_ends() { now_ms() } else { 0 };
            let slot = if shard.is_due(now_ms) {
                shard.expire(now_ms, LOOKS_PER_INSERT, &mut departures);
                // What was there may be among them.
                shard.find(hash, |key| *key == new.key)
            } else {
                slot
            };
            let is_new = slot.is_none();
            let placed = shard.place(hash, slot, new, now_ms, &mut departures);
            drop(shard);
            let has_evicted = departures.iter().any(|gone| gone.cause == EvictionCause::Size);
            self.departed(&departures);
            drop(departures);
            match placed {
                Placed::Stored => {
                    if has_evicted {
                        self.fit_sample();
                    }
                    if is_new {
                        self.curve.on_insert(hash);
                        self.choice.on_insert(hash);
                    } else {
                        self.choice.on_hit(hash);
                    }
                    return Some(true);
                }
                Placed::NoRoomHere(back) => new = back,
            }
            is_in_vain = !self.make_room(weight);
        }
        Some(false)
    }

    /// Whether it would never fit. A bound on entries asks for no weights.
    fn is_too_heavy(&self, weight: u64) -> bool {
        matches!(&self.limit, Limit::Weight { budget, .. } if weight > budget.max())
    }

    /// Lets entries of any shard go until there is room for this weight. Says whether there is any;
    /// others may take it.
    fn make_room(&self, weight: u64) -> bool {
        let Limit::Weight { budget, .. } = &self.limit else { return false };
        let mut in_vain = 0;
        while budget.used().saturating_add(weight) > budget.max() {
            if in_vain == self.shards.len() {
                return false;
            }
            let nth = self.next.fetch_add(1, Ordering::Relaxed) & (self.shards.len() - 1);
            let mut departures = Departures::default();
            let evicted = self.shards[nth].write().evict(&mut departures);
            self.departed(&departures);
            in_vain = if evicted.is_some() { 0 } else { in_vain + 1 };
        }
        true
    }

    /// Where the bound is a weight, how many entries that is shows only once it is reached, and may
    /// change.
    fn fit_sample(&self) {
        let Limit::Weight { sampled_for, .. } = &self.limit else { return };
        // A look at one shard stands for all; seldom, for it takes a lock.
        let turn = self.next.fetch_add(1, Ordering::Relaxed);
        let known = sampled_for.load(Ordering::Relaxed);
        if known != 0 && !turn.is_multiple_of(1024) {
            return;
        }
        let entries = self.len().max(1);
        if entries > known.saturating_mul(2) || entries.saturating_mul(2) < known {
            sampled_for.store(entries, Ordering::Relaxed);
            if self.policy == Name::Adaptive {
                self.choice.resize(entries);
            }
            self.curve.resize(entries, self.inserted());
        }
    }

    pub(crate) fn departed(&self, departures: &Departures<K, V>) {
        for gone in departures.iter() {
            if matches!(gone.cause, EvictionCause::Expired | EvictionCause::Explicit) {
                self.curve.on_removal(gone.hash);
            }
            if let Some(listener) = &self.listener {
                listener(&gone.key, &gone.value, gone.cause);
            }
        }
    }

    /// Removes one entry, if it is the one that is meant.
    pub(crate) fn remove(
        &self,
        hash: u64,
        cause: EvictionCause,
        meant: impl Fn(&K) -> bool,
        and: impl FnOnce(&V) -> bool,
    ) -> Departures<K, V> {
        let mut departures = Departures::default();
        let mut shard = self.shard(hash).write();
        if let Some(slot) = shard.find(hash, meant)
            && shard.pair(slot).is_some_and(|pair| and(&pair.1))
        {
            shard.remove(slot, cause, &mut departures);
        }
        drop(shard);
        self.departed(&departures);
        departures
    }

    /// Removes everything; gives how many there were.
    pub(crate) fn clear(&self) -> u64 {
        let clear = |shard: &ShardLock<Shard<K, V, A>>| {
            let mut departures = Departures::default();
            shard.write().clear(&mut departures);
            self.departed(&departures);
            departures.len() as u64
        };
        self.shards.iter().map(clear).sum()
    }

    /// Lets go of everything whose time has passed, and tells the policies of all hits.
    pub(crate) fn maintain(&self, now_ms: u64) {
        for shard in &self.shards {
            let mut departures = Departures::default();
            let mut locked = shard.write();
            locked.tell();
            locked.expire(now_ms, usize::MAX, &mut departures);
            drop(locked);
            self.departed(&departures);
        }
    }

    pub(crate) fn pin(&self, hash: u64, meant: impl Fn(&K) -> bool) -> bool {
        let mut shard = self.shard(hash).write();
        let slot = shard.find(hash, meant);
        slot.map(|slot| shard.pin(slot)).is_some()
    }

    pub(crate) fn unpin(&self, hash: u64, meant: impl Fn(&K) -> bool) -> bool {
        let mut shard = self.shard(hash).write();
        shard.find(hash, meant).is_some_and(|slot| shard.unpin(slot))
    }

    /// Holds so much from now on: at least one entry a shard. Gives what it is.
    pub(crate) fn resize(&self, bound: u64) -> u64 {
        match &self.limit {
            Limit::Entries(entries) => {
                let bound = bound.max(self.shards.len() as u64);
                entries.store(bound, Ordering::Relaxed);
                for (nth, shard) in self.shards.iter().enumerate() {
                    let mut departures = Departures::default();
                    shard.write().resize(part(bound, self.shards.len(), nth), &mut departures);
                    self.departed(&departures);
                }
                if self.policy == Name::Adaptive {
                    self.choice.resize(bound);
                }
                self.curve.resize(bound, self.inserted());
                bound
            }
            Limit::Weight { budget, .. } => {
                budget.resize(bound.max(1));
                self.make_room(0);
                bound.max(1)
            }
        }
    }

    pub(crate) fn len(&self) -> u64 {
        self.shards.iter().map(|shard| shard.read().len()).sum()
    }

    pub(crate) fn weight(&self) -> u64 {
        match &self.limit {
            Limit::Entries(_) => self.shards.iter().map(|shard| shard.read().weight()).sum(),
            Limit::Weight { budget, .. } => budget.used(),
        }
    }

    pub(crate) fn curve(&self) -> Option<MissRatioCurve> {
        self.curve.estimate(self.inserted())
    }

    /// How many have been brought in that were not there: those that are, and those that have left.
    fn inserted(&self) -> u64 {
        let counts = self.counts();
        self.len() + counts.expired + counts.size + counts.explicit
    }

    pub(crate) fn counts(&self) -> Counts {
        let mut all = Counts::default();
        for shard in &self.shards {
            all.add(shard.read().counts());
        }
        all
    }
}

impl<K, V, A> fmt::Debug for Engine<K, V, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine")
            .field("policy", &self.policy)
            .field("limit", &self.limit)
            .field("shards", &self.shards.len())
            .finish_non_exhaustive()
    }
}
