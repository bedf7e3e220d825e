//! Who goes when there is no room: one policy a file, behind one trait.
//!
//! A policy is a pure state machine over the slots of one shard: no keys, no values, no locks, no
//! clock. A hit reaches it under a shared lock, everything else under an exclusive one.

mod adaptive;
mod any;
mod arc;
mod fifo;
mod hashes;
mod history;
mod lfu;
mod links;
mod lru;
pub(crate) mod queue;
mod s3fifo;
mod sieve;
mod sketch;
mod tinylfu;

use std::fmt::Debug;
use std::sync::atomic::AtomicU16;

pub(crate) use adaptive::Choice;
pub(crate) use any::AnyPolicy;
pub(crate) use hashes::Hashes;
pub(crate) use links::reserve;

/// What a policy may know of the entries: by slot.
pub(crate) trait Slots {
    /// Sixteen bits that lie beside the entry, for the policy's use. Anything when it is admitted.
    fn meta(&self, slot: u32) -> &AtomicU16;

    /// Bits of the hash of its key.
    fn hash(&self, slot: u32) -> u32;

    /// What it counts for.
    fn weight(&self, slot: u32) -> u64;
}

/// How much a policy reigns over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Capacity {
    /// So many entries, of weight one each.
    Entries(u64),
    /// A weight that is watched elsewhere: what is held when somebody has to go is the capacity.
    Weight,
}

impl Capacity {
    /// How many slots there can be, as far as that is known.
    pub(crate) fn slots_max(self) -> usize {
        match self {
            Self::Entries(entries) => usize::try_from(entries).unwrap_or(usize::MAX),
            Self::Weight => usize::MAX,
        }
    }
}

/// What became of a hit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hit {
    /// It says nothing new.
    Known,
    /// It has been noted beside the entry.
    Noted,
    /// The policy wants to be told in order, under the exclusive lock.
    InOrder,
}

/// Who goes when there is no room.
pub(crate) trait Policy: Debug {
    /// An entry was used; under a shared lock.
    fn hit(&self, meta: &AtomicU16) -> Hit;

    /// The same, told later and in order, to a policy that asked for it.
    fn hit_in_order(&mut self, _slot: u32, _slots: &impl Slots) {}

    /// A slot was filled.
    fn admit(&mut self, slot: u32, slots: &impl Slots);

    /// Chooses who has to go, and forgets its slot. `None` only if there is nobody.
    fn evict(&mut self, slots: &impl Slots) -> Option<u32>;

    /// A slot is about to be emptied for another reason.
    fn remove(&mut self, slot: u32, slots: &impl Slots);

    /// A slot is about to weigh `weight`; its old weight still stands.
    fn reweigh(&mut self, slot: u32, weight: u64, slots: &impl Slots);

    /// The capacity is another one from now on; who is too many is evicted by the caller.
    fn resize(&mut self, capacity: Capacity);
}
