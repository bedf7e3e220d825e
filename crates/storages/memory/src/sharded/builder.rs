use std::fmt;
use std::hash::{BuildHasher, Hash};
use std::sync::Arc;
use std::time::Duration;

use cache_core::clock::Clock;
use cache_core::error::ConfigError;
use cache_core::memory::EvictionCause;

use super::cache::{ShardedCache, Weigher};
use super::engine::{Listener, Plan, SHARDS_MAX};
use crate::config::{Bound, CURVE_ENTRIES_DEFAULT, MAX_ENTRIES_DEFAULT, Policy, bound};

/// Makes a [`ShardedCache`].
pub struct ShardedCacheBuilder<K, V, S = ahash::RandomState> {
    policy: Policy,
    entries_max: Option<u64>,
    bytes_max: Option<u64>,
    shards: Option<usize>,
    curve_entries: u64,
    ttl: Option<Duration>,
    idle: Option<Duration>,
    clock: Option<Arc<dyn Clock>>,
    weigher: Option<Box<Weigher<K, V>>>,
    listener: Option<Box<Listener<K, V>>>,
    hasher: S,
}

impl<K, V> Default for ShardedCacheBuilder<K, V> {
    fn default() -> Self {
        Self {
            policy: Policy::default(),
            entries_max: None,
            bytes_max: None,
            shards: None,
            curve_entries: CURVE_ENTRIES_DEFAULT,
            ttl: None,
            idle: None,
            clock: None,
            weigher: None,
            listener: None,
            hasher: ahash::RandomState::new(),
        }
    }
}

impl<K, V, S> ShardedCacheBuilder<K, V, S> {
    /// Holds at most this many entries, at every moment; [`MAX_ENTRIES_DEFAULT`] if nothing is
    /// said. Excludes [`max_bytes`](Self::max_bytes).
    pub fn max_entries(mut self, entries_max: u64) -> Self {
        self.entries_max = Some(entries_max);
        self
    }

    /// Holds entries that weigh at most this much together, at every moment. Say by a
    /// [weigher](Self::weigher) what one weighs. Excludes [`max_entries`](Self::max_entries).
    pub fn max_bytes(mut self, bytes_max: u64) -> Self {
        self.bytes_max = Some(bytes_max);
        self
    }

    /// What an entry weighs, asked once for each value before it is stored and outside of all locks.
    /// An entry weighs at least one.
    pub fn weigher(mut self, weigher: impl Fn(&K, &V) -> u32 + Send + Sync + 'static) -> Self {
        self.weigher = Some(Box::new(weigher));
        self
    }

    /// Who goes when there is no room; [`Policy::Adaptive`] if not said.
    pub fn policy(mut self, policy: Policy) -> Self {
        self.policy = policy;
        self
    }

    /// How many shards to divide a large cache into; 64 if not said. A power of two at most as large
    /// is taken, and a cache that is small for that many has fewer: each shard has at least 512
    /// entries, or half a megabyte.
    pub fn shards(mut self, shards: usize) -> Self {
        self.shards = Some(shards);
        self
    }

    /// How many entries stand for the whole cache where its [curve](ShardedCache::curve) is
    /// estimated, [`CURVE_ENTRIES_DEFAULT`] if not said; up to 1,024 for a large cache. More are
    /// more exact, and dearer: a cache with no more entries than that is estimated without error, at
    /// a microsecond an access. Zero for no estimate.
    pub fn curve_entries(mut self, curve_entries: u64) -> Self {
        self.curve_entries = curve_entries;
        self
    }

    /// How long a value lives for which nothing else is said; without end if not said.
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = Some(ttl);
        self
    }

    /// For how long an entry may go unused for which nothing else is said; without end if not said.
    pub fn idle(mut self, idle: Duration) -> Self {
        self.idle = Some(idle);
        self
    }

    /// Takes the time from this clock instead of the machine's.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Some(Arc::new(clock));
        self
    }

    /// Called for every entry that has left, with the cause, outside of all locks. A call that
    /// panics takes the caller down whose insert or removal it was; the cache stays whole.
    pub fn on_departure(
        mut self,
        listener: impl Fn(&K, &V, EvictionCause) + Send + Sync + 'static,
    ) -> Self {
        self.listener = Some(Box::new(listener));
        self
    }

    /// Hashes keys by this. It must be seeded at random where keys come from strangers, and all of
    /// its bits must be good.
    pub fn hasher<T>(self, hasher: T) -> ShardedCacheBuilder<K, V, T> {
        let Self { policy, entries_max, bytes_max, shards, curve_entries, ttl, idle, .. } = self;
        let Self { clock, weigher, listener, .. } = self;
        ShardedCacheBuilder {
            policy,
            entries_max,
            bytes_max,
            shards,
            curve_entries,
            ttl,
            idle,
            clock,
            weigher,
            listener,
            hasher,
        }
    }
}

impl<K, V, S> ShardedCacheBuilder<K, V, S>
where
    K: Hash + Eq,
    S: BuildHasher,
{
    /// Makes the cache.
    ///
    /// # Errors
    /// [`ConfigError::Option`] for a bound of zero or two bounds, or a TTL or idle time of zero.
    pub fn build(self) -> Result<ShardedCache<K, V, S>, ConfigError> {
        let bound = bound("cache", self.entries_max, self.bytes_max)?;
        for (name, span) in [("ttl", self.ttl), ("idle", self.idle)] {
            if span.is_some_and(|span| span.is_zero()) {
                let problem = "must be larger than zero".to_owned();
                return Err(crate::config::option("cache", name, problem));
            }
        }
        let plan = Plan {
            policy: self.policy,
            bound,
            shards_wanted: self.shards.unwrap_or(SHARDS_MAX),
            curve_entries: self.curve_entries,
            listener: self.listener,
        };
        let weigher = match bound {
            Bound::Entries(_) => None,
            Bound::Bytes(_) => self.weigher,
        };
        Ok(ShardedCache::new(plan, self.hasher, self.clock, weigher, self.ttl, self.idle))
    }
}

impl<K, V, S> fmt::Debug for ShardedCacheBuilder<K, V, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ShardedCacheBuilder")
            .field("policy", &self.policy)
            .field("entries_max", &self.entries_max.or(Some(MAX_ENTRIES_DEFAULT)))
            .field("bytes_max", &self.bytes_max)
            .field("shards", &self.shards)
            .field("ttl", &self.ttl)
            .field("idle", &self.idle)
            .finish_non_exhaustive()
    }
}
