use std::sync::Arc;

use cache_core::memory::EvictionCause;
use hashbrown::HashTable;

use super::annex::Annex;
use super::budget::Budget;
use super::costs::Costs;
use super::departures::{Counts, Departed, Departures};
use super::slab::{IDLE, Idle, PINNED, Slab, TIMED};
use super::touches::Touches;
use super::wheel::Wheel;
use crate::policy::{AnyPolicy, Capacity, Choice, Hit, Policy, Slots};

/// How many one eviction passes over because they were dear to load.
const PASSED_OVER_MAX: usize = 8;

/// What bounds a shard.
#[derive(Debug)]
pub(crate) enum Room {
    /// Its part of the entries.
    Entries(u64),
    /// What all shards together may weigh.
    Weight(Arc<Budget>),
}

/// An entry to be.
#[derive(Debug)]
pub(crate) struct New<K, V> {
    pub(crate) key: K,
    pub(crate) value: V,
    pub(crate) weight: u32,
    /// When it expires; zero if it does not.
    pub(crate) expires_ms: u64,
    pub(crate) idle: Option<Idle>,
    /// What it cost to load, in any unit; zero if nobody says.
    pub(crate) cost: u32,
}

/// What became of a new entry.
#[derive(Debug)]
pub(crate) enum Placed<K, V> {
    Stored,
    /// This shard has nothing more to give; room has to be made in another one.
    NoRoomHere(New<K, V>),
}

/// What a hit leaves to be done once the lock is given back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AfterHit {
    Nothing,
    /// It may be in the sample.
    Sample,
    /// There are many hits that the policy is to be told of.
    Tell,
}

/// A part of the keys: an index, the entries, their policy and their ends.
///
/// What each hit looks at comes first, in a line or two.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Shard<K, V, A> {
    table: HashTable<u32>,
    slab: Slab<K, V>,
    policy: AnyPolicy,
    touches: Touches,
    room: Room,
    annex: A,
    wheel: Option<Box<Wheel>>,
    costs: Costs,
    weight: u64,
    counts: Counts,
}

/// The table takes its tag from the top of a hash and the place from the bottom.
fn spread(hash: u32) -> u64 {
    u64::from(hash) << 32 | u64::from(hash)
}

impl<K: Eq, V, A: Annex<K, V>> Shard<K, V, A> {
    pub(crate) fn new(policy: AnyPolicy, room: Room) -> Self {
        let (slots_max, has_weights) = match &room {
            Room::Entries(entries) => (Capacity::Entries(*entries).slots_max(), false),
            Room::Weight(_) => (usize::MAX, true),
        };
        Self {
            table: HashTable::new(),
            slab: Slab::new(slots_max, has_weights),
            policy,
            touches: Touches::default(),
            room,
            annex: A::default(),
            wheel: None,
            costs: Costs::default(),
            weight: 0,
            counts: Counts::default(),
        }
    }

    pub(crate) fn len(&self) -> u64 {
        self.slab.len() as u64
    }

    pub(crate) fn weight(&self) -> u64 {
        self.weight
    }

    pub(crate) fn counts(&self) -> Counts {
        self.counts
    }

    pub(crate) fn annex(&self) -> &A {
        &self.annex
    }

    /// What stands beside the entries, to be changed, and the entries.
    pub(crate) fn annex_mut(&mut self) -> (&mut A, &Slab<K, V>) {
        (&mut self.annex, &self.slab)
    }

    #[inline]
    pub(crate) fn find(&self, hash: u64, meant: impl Fn(&K) -> bool) -> Option<u32> {
        let hash = hash as u32;
        let is_meant = |slot: &u32| self.slab.node(*slot).is(hash, &meant);
        self.table.find(spread(hash), is_meant).copied()
    }

    pub(crate) fn pair(&self, slot: u32) -> Option<&(K, V)> {
        self.slab.pair(slot)
    }

    /// Those held, with their slots, expired ones included.
    pub(crate) fn pairs(&self) -> impl Iterator<Item = (u32, &(K, V))> {
        self.slab.slots().filter_map(|slot| Some((slot, self.slab.pair(slot)?)))
    }

    /// Copies of those whose time has not passed.
    pub(crate) fn live(&self, now_ms: impl Fn() -> u64) -> Vec<(K, V)>
    where
        K: Clone,
        V: Clone,
    {
        let is_live = |slot: u32| !self.slab.node(slot).has_expired(&now_ms);
        self.pairs().filter(|(slot, _)| is_live(*slot)).map(|(_, pair)| pair.clone()).collect()
    }

    /// Reads an entry and counts it as used. With an adaptive policy its `choice` knows how, without a
    /// look at the policy of this shard.
    #[inline]
    pub(crate) fn hit<R>(
        &self,
        choice: Option<&Choice>,
        hash: u64,
        meant: impl Fn(&K) -> bool,
        now_ms: impl Fn() -> u64,
        read: impl FnOnce(&V) -> R,
    ) -> Option<(R, AfterHit)> {
        let slot = self.find(hash, meant)?;
        let node = self.slab.node(slot);
        if node.has_expired(&now_ms) {
            return None;
        }
        let value = read(node.value()?);
        if node.has(IDLE | PINNED) {
            if node.has(IDLE) {
                let idle = self.slab.idle(slot);
                node.set_expires_ms(now_ms().saturating_add(idle.idle_ms).min(idle.last_ms));
            }
            if node.has(PINNED) {
                return Some((value, AfterHit::Nothing));
            }
        }
        let hit = match choice {
            Some(choice) => choice.hit(node.meta()),
            None => self.policy.hit(node.meta()),
        };
        let after = match hit {
            Hit::Known => AfterHit::Nothing,
            Hit::Noted => AfterHit::Sample,
            Hit::InOrder if self.touches.note(slot) => AfterHit::Tell,
            Hit::InOrder => AfterHit::Nothing,
        };
        Some((value, after))
    }

    /// Reads an entry that has not expired, without counting it as used.
    pub(crate) fn peek<R>(
        &self,
        hash: u64,
        meant: impl Fn(&K) -> bool,
        now_ms: impl Fn() -> u64,
        read: impl FnOnce(&V) -> R,
    ) -> Option<R> {
        let node = self.slab.node(self.find(hash, meant)?);
        if node.has_expired(now_ms) {
            return None;
        }
        node.value().map(read)
    }

    /// Tells the policy of hits in order. Every call that changes anything begins with it.
    pub(crate) fn tell(&mut self) {
        if !self.touches.is_empty() {
            for slot in self.touches.take() {
                self.policy.hit_in_order(slot, &self.slab);
            }
        }
    }

    /// Stores an entry, in the place of the one with its key, which stands `at` that slot, or after
    /// others had to go for it.
    pub(crate) fn place(
        &mut self,
        hash: u64,
        at: Option<u32>,
        new: New<K, V>,
        now_ms: u64,
        departures: &mut Departures<K, V>,
    ) -> Placed<K, V> {
        self.tell();
        match at {
            Some(slot) => self.replace(hash, slot, new, now_ms, departures),
            None => self.fill(hash, new, now_ms, departures),
        }
    }

    fn fill(
        &mut self,
        hash: u64,
        new: New<K, V>,
        now_ms: u64,
        departures: &mut Departures<K, V>,
    ) -> Placed<K, V> {
        while !self.takes(u64::from(new.weight)) {
            if self.evict(departures).is_none() {
                return Placed::NoRoomHere(new);
            }
        }
        let New { key, value, weight, expires_ms, idle, cost } = new;
        let slot = self.slab.fill(hash as u32, key, value, weight);
        let slab = &self.slab;
        self.table.insert_unique(spread(hash as u32), slot, |slot| spread(slab.hash(*slot)));
        self.weight += self.slab.weight(slot);
        self.slab.set_reprieves(slot, self.costs.reprieves(cost));
        self.policy.admit(slot, &self.slab);
        self.annex.added(slot, &self.slab);
        self.set_end(slot, expires_ms, idle, now_ms);
        Placed::Stored
    }

    /// Takes the room for one more of this weight, if there is any.
    fn takes(&self, weight: u64) -> bool {
        match &self.room {
            Room::Entries(entries) => self.len() < *entries,
            Room::Weight(budget) => budget.take(weight),
        }
    }

    fn replace(
        &mut self,
        hash: u64,
        slot: u32,
        new: New<K, V>,
        now_ms: u64,
        departures: &mut Departures<K, V>,
    ) -> Placed<K, V> {
        let (old, weight) = (self.slab.weight(slot), u64::from(new.weight));
        if let Room::Weight(budget) = &self.room {
            if weight > old {
                let budget = Arc::clone(budget);
                while !budget.take(weight - old) {
                    match self.evict(departures) {
                        // It had to go itself.
                        Some(gone) if gone == slot => {
                            return self.fill(hash, new, now_ms, departures);
                        }
                        Some(_) => {}
                        None => return Placed::NoRoomHere(new),
                    }
                }
            } else {
                budget.give_back(old - weight);
            }
            self.weight = self.weight - old + weight;
            if !self.slab.node(slot).has(PINNED) {
                self.policy.reweigh(slot, weight, &self.slab);
            }
        }
        let New { key, value, weight, expires_ms, idle, cost } = new;
        self.slab.set_reprieves(slot, self.costs.reprieves(cost));
        self.annex.removed(slot, &self.slab);
        let replaced = self.slab.replace(slot, value, weight);
        self.annex.added(slot, &self.slab);
        self.set_end(slot, expires_ms, idle, now_ms);
        let node = self.slab.node(slot);
        if !node.has(PINNED) && self.policy.hit(node.meta()) == Hit::InOrder {
            self.policy.hit_in_order(slot, &self.slab);
        }
        if let Some(value) = replaced {
            let cause = EvictionCause::Replaced;
            self.counts.count(cause);
            departures.push(Departed { key, value, hash: hash as u32, cause });
        }
        Placed::Stored
    }

    fn set_end(&mut self, slot: u32, expires_ms: u64, idle: Option<Idle>, now_ms: u64) {
        let node = self.slab.node(slot);
        node.set_expires_ms(expires_ms);
        node.set(IDLE, false);
        self.cancel(slot);
        if let Some(idle) = idle {
            self.slab.set_idle(slot, idle);
        }
        if expires_ms != 0 {
            let wheel = self.wheel.get_or_insert_with(|| Box::new(Wheel::new(now_ms)));
            wheel.schedule(slot, expires_ms);
            self.slab.node(slot).set(TIMED, true);
        }
    }

    fn cancel(&mut self, slot: u32) {
        let node = self.slab.node(slot);
        if let Some(wheel) = self.wheel.as_mut().filter(|_| node.has(TIMED)) {
            wheel.cancel(slot);
            node.set(TIMED, false);
        }
    }

    /// Lets one go for want of room; gives its slot.
    pub(crate) fn evict(&mut self, departures: &mut Departures<K, V>) -> Option<u32> {
        self.tell();
        let mut slot = self.policy.evict(&self.slab)?;
        for _ in 0..PASSED_OVER_MAX {
            if !self.slab.spend_reprieve(slot) {
                break;
            }
            self.policy.admit(slot, &self.slab);
            slot = self.policy.evict(&self.slab)?;
        }
        self.detach(slot, EvictionCause::Size, departures);
        Some(slot)
    }

    /// Removes an entry by name.
    pub(crate) fn remove(
        &mut self,
        slot: u32,
        cause: EvictionCause,
        departures: &mut Departures<K, V>,
    ) {
        self.tell();
        let node = self.slab.node(slot);
        if node.has(PINNED) {
            node.set(PINNED, false);
        } else {
            self.policy.remove(slot, &self.slab);
        }
        self.detach(slot, cause, departures);
    }

    /// Takes out an entry that the policy knows no more.
    fn detach(&mut self, slot: u32, cause: EvictionCause, departures: &mut Departures<K, V>) {
        self.annex.removed(slot, &self.slab);
        self.cancel(slot);
        let hash = self.slab.hash(slot);
        if let Ok(place) = self.table.find_entry(spread(hash), |held| *held == slot) {
            place.remove();
        }
        let weight = self.slab.weight(slot);
        self.weight -= weight;
        if let Room::Weight(budget) = &self.room {
            budget.give_back(weight);
        }
        if let Some((key, value)) = self.slab.clear(slot) {
            self.counts.count(cause);
            departures.push(Departed { key, value, hash, cause });
        }
    }

    /// Removes everything, pinned or not.
    pub(crate) fn clear(&mut self, departures: &mut Departures<K, V>) {
        for slot in self.slab.slots() {
            if self.slab.pair(slot).is_some() {
                self.remove(slot, EvictionCause::Explicit, departures);
            }
        }
    }

    /// Whether entries may have expired by now.
    pub(crate) fn is_due(&self, now_ms: u64) -> bool {
        self.wheel.as_ref().is_some_and(|wheel| wheel.is_due(now_ms))
    }

    /// Whether any entry ends by time.
    pub(crate) fn has_ends(&self) -> bool {
        self.wheel.as_ref().is_some_and(|wheel| !wheel.is_empty())
    }

    /// Lets go of up to so many whose time has passed, a few hundred milliseconds late at most.
    pub(crate) fn expire(
        &mut self,
        now_ms: u64,
        looks_max: usize,
        departures: &mut Departures<K, V>,
    ) {
        let Some(wheel) = self.wheel.as_mut() else { return };
        wheel.advance(now_ms);
        if looks_max == usize::MAX {
            wheel.take_current();
        }
        let mut again = Vec::new();
        for _ in 0..looks_max {
            let Some(slot) = self.wheel.as_mut().and_then(|wheel| wheel.next_due()) else { break };
            let node = self.slab.node(slot);
            node.set(TIMED, false);
            if node.has_expired(|| now_ms) {
                self.remove(slot, EvictionCause::Expired, departures);
            } else {
                again.push(slot);
            }
        }
        if let Some(wheel) = self.wheel.as_mut() {
            for slot in again {
                let node = self.slab.node(slot);
                node.set(TIMED, true);
                wheel.schedule(slot, node.expires_ms());
            }
        }
    }

    /// Keeps an entry from going for want of room.
    pub(crate) fn pin(&mut self, slot: u32) {
        self.tell();
        let node = self.slab.node(slot);
        if !node.has(PINNED) {
            self.policy.remove(slot, &self.slab);
            node.set(PINNED, true);
        }
    }

    /// Hands a pinned entry back to the policy; says whether it was pinned.
    pub(crate) fn unpin(&mut self, slot: u32) -> bool {
        let was_pinned = self.slab.node(slot).has(PINNED);
        if was_pinned {
            self.tell();
            self.slab.node(slot).set(PINNED, false);
            self.policy.admit(slot, &self.slab);
        }
        was_pinned
    }

    /// Holds at most so many from now on.
    pub(crate) fn resize(&mut self, entries: u64, departures: &mut Departures<K, V>) {
        if let Room::Entries(room) = &mut self.room {
            *room = entries;
            let capacity = Capacity::Entries(entries);
            self.slab.resize(capacity.slots_max());
            self.policy.resize(capacity);
            while self.len() > entries && self.evict(departures).is_some() {}
        }
    }
}
