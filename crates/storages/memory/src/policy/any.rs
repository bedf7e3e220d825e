use std::sync::Arc;
use std::sync::atomic::AtomicU16;

use super::adaptive::{Adaptive, Choice};
use super::lru::Lru;
use super::{Capacity, Hit, Policy, Slots};
use crate::config::Policy as Name;

/// One of the policies, chosen when a cache is made.
#[derive(Debug)]
pub(crate) enum AnyPolicy {
    Adaptive(Adaptive),
    Lru(Lru),
}

impl AnyPolicy {
    pub(crate) fn new(name: Name, capacity: Capacity, choice: &Arc<Choice>) -> Self {
        match name {
            Name::Adaptive => Self::Adaptive(Adaptive::new(capacity, Arc::clone(choice))),
            Name::Lru => Self::Lru(Lru::new(capacity)),
            _ => Self::Lru(Lru::new(capacity)),
        }
    }
}

macro_rules! each {
    ($any:expr, $policy:ident => $call:expr) => {
        match $any {
            AnyPolicy::Adaptive($policy) => $call,
            AnyPolicy::Lru($policy) => $call,
        }
    };
}

impl Policy for AnyPolicy {
    fn hit(&self, meta: &AtomicU16) -> Hit {
        each!(self, policy => policy.hit(meta))
    }

    fn hit_in_order(&mut self, slot: u32, slots: &impl Slots) {
        each!(self, policy => policy.hit_in_order(slot, slots));
    }

    fn admit(&mut self, slot: u32, slots: &impl Slots) {
        each!(self, policy => policy.admit(slot, slots));
    }

    fn evict(&mut self, slots: &impl Slots) -> Option<u32> {
        each!(self, policy => policy.evict(slots))
    }

    fn remove(&mut self, slot: u32, slots: &impl Slots) {
        each!(self, policy => policy.remove(slot, slots));
    }

    fn reweigh(&mut self, slot: u32, weight: u64, slots: &impl Slots) {
        each!(self, policy => policy.reweigh(slot, weight, slots));
    }

    fn resize(&mut self, capacity: Capacity) {
        each!(self, policy => policy.resize(capacity));
    }
}
