use std::sync::Arc;
use std::sync::atomic::AtomicU16;

use super::adaptive::{Adaptive, Choice};
use super::arc::ArcCache;
use super::fifo::Fifo;
use super::lfu::Lfu;
use super::lru::Lru;
use super::s3fifo::S3Fifo;
use super::sieve::Sieve;
use super::tinylfu::TinyLfu;
use super::{Capacity, Hit, Policy, Slots};
use crate::config::Policy as Name;

macro_rules! policies {
    ($($variant:ident($kind:ty)),*) => {
        /// One of the policies, chosen when a cache is made.
        #[derive(Debug)]
        pub(crate) enum AnyPolicy {
            $($variant($kind)),*
        }

        impl Policy for AnyPolicy {
            fn hit(&self, meta: &AtomicU16) -> Hit {
                match self { $(Self::$variant(policy) => policy.hit(meta)),* }
            }

            fn hit_in_order(&mut self, slot: u32, slots: &impl Slots) {
                match self { $(Self::$variant(policy) => policy.hit_in_order(slot, slots)),* }
            }

            fn admit(&mut self, slot: u32, slots: &impl Slots) {
                match self { $(Self::$variant(policy) => policy.admit(slot, slots)),* }
            }

            fn evict(&mut self, slots: &impl Slots) -> Option<u32> {
                match self { $(Self::$variant(policy) => policy.evict(slots)),* }
            }

            fn remove(&mut self, slot: u32, slots: &impl Slots) {
                match self { $(Self::$variant(policy) => policy.remove(slot, slots)),* }
            }

            fn reweigh(&mut self, slot: u32, weight: u64, slots: &impl Slots) {
                match self { $(Self::$variant(policy) => policy.reweigh(slot, weight, slots)),* }
            }

            fn resize(&mut self, capacity: Capacity) {
                match self { $(Self::$variant(policy) => policy.resize(capacity)),* }
            }
        }
    };
}

policies!(
    Adaptive(Adaptive),
    TinyLfu(TinyLfu),
    Lru(Lru),
    Lfu(Lfu),
    Fifo(Fifo),
    S3Fifo(S3Fifo),
    Sieve(Sieve),
    Arc(ArcCache)
);

impl AnyPolicy {
    pub(crate) fn new(name: Name, capacity: Capacity, choice: &Arc<Choice>) -> Self {
        match name {
            Name::Adaptive => Self::Adaptive(Adaptive::new(capacity, Arc::clone(choice))),
            Name::TinyLfu => Self::TinyLfu(TinyLfu::new(capacity)),
            Name::Lru => Self::Lru(Lru::new(capacity)),
            Name::Lfu => Self::Lfu(Lfu::new(capacity)),
            Name::Fifo => Self::Fifo(Fifo::new(capacity)),
            Name::S3Fifo => Self::S3Fifo(S3Fifo::new(capacity)),
            Name::Sieve => Self::Sieve(Sieve::new(capacity)),
            Name::Arc => Self::Arc(ArcCache::new(capacity)),
        }
    }
}
