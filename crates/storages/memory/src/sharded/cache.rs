use std::fmt;
use std::hash::{BuildHasher, Hash};
use std::sync::Arc;
use std::time::Duration;

use cache_core::clock::{Clock, SystemClock, Tick};
use cache_core::memory::{EvictionCause, MemoryStats, MissRatioCurve};
use equivalent::Equivalent;

use super::builder::ShardedCacheBuilder;
use super::engine::{Engine, Plan};
use super::shard::New;
use super::slab::Idle;
use crate::config::Policy;

/// What an entry weighs.
pub(super) type Weigher<K, V> = dyn Fn(&K, &V) -> u32 + Send + Sync;

/// A concurrent cache with an exact bound, a policy of choice, and ends by time and by use.
///
/// Clones share one cache. Values are cloned out of [`get`](Self::get): put what is dear to clone
/// into an [`Arc`], or borrow it by [`get_with`](Self::get_with).
///
/// ```
/// use std::sync::Arc;
/// use std::time::Duration;
/// use cache_memory::{EntryOptions, ShardedCache};
///
/// let cache = ShardedCache::builder().max_entries(100_000).build()?;
/// cache.insert("user:7".to_owned(), Arc::new("Ada".to_owned()));
/// assert_eq!(cache.get("user:7").as_deref().map(String::as_str), Some("Ada"));
/// assert_eq!(cache.get_with("user:7", |name| name.len()), Some(3));
///
/// let briefly = EntryOptions::default().ttl(Duration::from_secs(30));
/// cache.insert_with("otp:7".to_owned(), Arc::new("493021".to_owned()), briefly);
/// assert!(cache.remove("otp:7").is_some());
/// assert_eq!(cache.len(), 1);
/// # Ok::<(), cache_core::error::ConfigError>(())
/// ```
///
/// **Bound.** It holds at every moment, from however many threads entries come: room is made before
/// an entry is stored. A cache of less than 1,024 entries is one shard; a larger one has a shard for
/// each 512 entries, up to the [number wanted](ShardedCacheBuilder::shards), and the parts of the
/// shards add up to the bound.
///
/// **Cost.** A hit takes the shared lock of one shard, and reads the clock only where the entry ends
/// by time. It allocates nothing.
///
/// **Locks.** Of foreign code, key equality and the clone of a value run under a lock, and what is
/// given to [`get_with`](Self::get_with): none of these may call the cache. Weighers, listeners and
/// drops run outside.
///
/// **Expiry.** No call answers with an entry whose time has passed; deadlines are set earlier by the
/// clock's [resolution](Clock::resolution). The room of what has expired is taken back by later
/// inserts into its shard, a few at a time, and by [`maintain`](Self::maintain).
pub struct ShardedCache<K, V, S = ahash::RandomState> {
    inner: Arc<Inner<K, V, S>>,
}

struct Inner<K, V, S> {
    engine: Engine<K, V, ()>,
    hasher: S,
    /// `None` for the machine's.
    clock: Option<Arc<dyn Clock>>,
    weigher: Option<Box<Weigher<K, V>>>,
    ttl: Option<Duration>,
    idle: Option<Duration>,
}

/// What is said of one entry; what is not, is as the cache has it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EntryOptions {
    ttl: Option<Duration>,
    idle: Option<Duration>,
    weight: Option<u32>,
    cost: u32,
}

impl EntryOptions {
    /// How long it lives. With zero nothing is stored, and what was there goes.
    pub fn ttl(self, ttl: Duration) -> Self {
        Self { ttl: Some(ttl), ..self }
    }

    /// For how long it may go unused. Each hit moves its end, up to that of its TTL.
    pub fn idle(self, idle: Duration) -> Self {
        Self { idle: Some(idle), ..self }
    }

    /// What it weighs in a cache bounded by bytes, instead of what the weigher says.
    pub fn weight(self, weight: u32) -> Self {
        Self { weight: Some(weight), ..self }
    }

    /// What it cost to load, in any unit that is the same for all, such as microseconds. Who cost
    /// twice the mean of late is passed over once when its turn to go has come, from four times twice,
    /// from eight times three times; each again after it was replaced. Which policy there is, is all
    /// one. Nobody who says nothing is passed over.
    pub fn cost(self, cost: u32) -> Self {
        Self { cost, ..self }
    }
}

impl<K, V> ShardedCache<K, V> {
    /// Makes a cache step by step.
    pub fn builder() -> ShardedCacheBuilder<K, V> {
        ShardedCacheBuilder::default()
    }
}

impl<K, V, S> ShardedCache<K, V, S>
where
    K: Hash + Eq,
    S: BuildHasher,
{
    pub(super) fn new(
        plan: Plan<K, V>,
        hasher: S,
        clock: Option<Arc<dyn Clock>>,
        weigher: Option<Box<Weigher<K, V>>>,
        ttl: Option<Duration>,
        idle: Option<Duration>,
    ) -> Self {
        let engine = Engine::new(plan);
        Self { inner: Arc::new(Inner { engine, hasher, clock, weigher, ttl, idle }) }
    }

    /// The value, counted as used.
    pub fn get<Q>(&self, key: &Q) -> Option<V>
    where
        Q: Equivalent<K> + Hash + ?Sized,
        V: Clone,
    {
        self.get_with(key, V::clone)
    }

    /// What `read` makes of the value, counted as used. `read` runs under the shared lock of a shard:
    /// it must be brief and must not call the cache.
    pub fn get_with<Q, R>(&self, key: &Q, read: impl FnOnce(&V) -> R) -> Option<R>
    where
        Q: Equivalent<K> + Hash + ?Sized,
    {
        let inner = &*self.inner;
        let hash = inner.hasher.hash_one(key);
        inner.engine.hit(hash, |held| key.equivalent(held), || inner.now_ms(), read)
    }

    /// The value, not counted as used.
    pub fn peek<Q>(&self, key: &Q) -> Option<V>
    where
        Q: Equivalent<K> + Hash + ?Sized,
        V: Clone,
    {
        let inner = &*self.inner;
        let hash = inner.hasher.hash_one(key);
        inner.engine.peek(hash, |held| key.equivalent(held), || inner.now_ms(), V::clone)
    }

    /// Whether there is a value; not counted as a use.
    pub fn contains<Q>(&self, key: &Q) -> bool
    where
        Q: Equivalent<K> + Hash + ?Sized,
    {
        let inner = &*self.inner;
        let hash = inner.hasher.hash_one(key);
        let found =
            inner.engine.peek(hash, |held| key.equivalent(held), || inner.now_ms(), drop_ref);
        found.is_some()
    }

    /// Stores a value, in the place of what was there. Says whether it was: not if it is heavier than
    /// the bound, or if all that stands in its way is pinned.
    pub fn insert(&self, key: K, value: V) -> bool {
        self.insert_with(key, value, EntryOptions::default())
    }

    /// The same, for an entry of which something else is to be said than of all.
    pub fn insert_with(&self, key: K, value: V, options: EntryOptions) -> bool {
        let inner = &*self.inner;
        let hash = inner.hasher.hash_one(&key);
        let (ttl, idle) = (options.ttl.or(inner.ttl), options.idle.or(inner.idle));
        if ttl.is_some_and(|ttl| ttl.is_zero()) || idle.is_some_and(|idle| idle.is_zero()) {
            drop(inner.engine.remove(hash, EvictionCause::Explicit, |held| *held == key, |_| true));
            return false;
        }
        let weight = match (options.weight, &inner.weigher) {
            (Some(weight), _) => weight,
            (None, Some(weigher)) => weigher(&key, &value),
            (None, None) => 1,
        };
        let (expires_ms, idle) = inner.ends(ttl, idle);
        let cost = options.cost;
        let new = New { key, value, weight: weight.max(1), expires_ms, idle, cost };
        inner.engine.insert(hash, new, || inner.now_ms(), |_| true) == Some(true)
    }

    /// Takes out a value, if there is one and its time has not passed.
    pub fn remove<Q>(&self, key: &Q) -> Option<V>
    where
        Q: Equivalent<K> + Hash + ?Sized,
        V: Clone,
    {
        let inner = &*self.inner;
        let hash = inner.hasher.hash_one(key);
        let is_live = self.contains(key);
        let cause = EvictionCause::Explicit;
        let gone = inner.engine.remove(hash, cause, |held| key.equivalent(held), |_| true);
        gone.into_first().filter(|_| is_live).map(|gone| gone.value)
    }

    /// Removes everything, pinned or not. What other threads insert meanwhile may stay or go.
    pub fn clear(&self) {
        self.inner.engine.clear();
    }

    /// Keeps an entry from going for want of room, until it is [unpinned](Self::unpin), removed, or
    /// its time has passed. It still counts for the bound. Says whether it is there.
    pub fn pin<Q>(&self, key: &Q) -> bool
    where
        Q: Equivalent<K> + Hash + ?Sized,
    {
        let hash = self.inner.hasher.hash_one(key);
        self.inner.engine.pin(hash, |held| key.equivalent(held))
    }

    /// Lets an entry go for want of room again. Says whether it was pinned.
    pub fn unpin<Q>(&self, key: &Q) -> bool
    where
        Q: Equivalent<K> + Hash + ?Sized,
    {
        let hash = self.inner.hasher.hash_one(key);
        self.inner.engine.unpin(hash, |held| key.equivalent(held))
    }

    /// Holds this many entries from now on, or this many bytes if that is what it is bounded by; what
    /// is too much goes before this returns. The number of shards stays, and each holds at least one
    /// entry: gives the bound that holds.
    pub fn resize(&self, bound: u64) -> u64 {
        self.inner.engine.resize(bound)
    }

    /// How many entries there are, counting those whose time has passed until their room is taken
    /// back. Looks at all shards.
    pub fn len(&self) -> u64 {
        self.inner.engine.len()
    }

    /// Whether there is no entry; as exact as [`len`](Self::len).
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The sum of weights; the number of entries where the bound is on entries.
    pub fn weight(&self) -> u64 {
        self.inner.engine.weight()
    }

    /// The bound, in entries or bytes.
    pub fn bound(&self) -> u64 {
        self.inner.engine.bound()
    }

    /// How many shards it has.
    pub fn shards(&self) -> usize {
        self.inner.engine.shards().len()
    }

    /// Its policy.
    pub fn policy(&self) -> Policy {
        self.inner.engine.policy()
    }

    /// Shows every entry that is there when its shard is looked at, in no order. Copies a shard's
    /// entries at a time, so that `visit` runs outside of all locks.
    pub fn for_each(&self, mut visit: impl FnMut(&K, &V))
    where
        K: Clone,
        V: Clone,
    {
        for shard in self.inner.engine.shards() {
            let live: Vec<(K, V)> = shard.read().live(|| self.inner.now_ms());
            for (key, value) in &live {
                visit(key, value);
            }
        }
    }

    /// Takes back the room of what has expired. Nobody has to call it; no thread of its own does.
    pub fn maintain(&self) {
        self.inner.engine.maintain(self.inner.now_ms());
    }

    /// What its hit ratio would be with half, double or four times the room, and with each of the other
    /// policies: estimated from a sample of the accesses since it was made or resized. An access is a
    /// hit, or an insert of what was not there. `None` if it was
    /// [switched off](ShardedCacheBuilder::curve_entries).
    pub fn curve(&self) -> Option<MissRatioCurve> {
        self.inner.engine.curve()
    }

    /// How full it is and what has left it.
    pub fn stats(&self) -> MemoryStats {
        let counts = self.inner.engine.counts();
        let mut stats = MemoryStats::default();
        stats.entries = self.len();
        stats.weight_bytes = self.weight();
        counts.fill_in(&mut stats);
        stats
    }
}

fn drop_ref<V>(_: &V) {}

impl<K, V, S> Inner<K, V, S> {
    fn now_ms(&self) -> u64 {
        match &self.clock {
            None => SystemClock.monotonic().ms(),
            Some(clock) => clock.monotonic().ms(),
        }
    }

    /// When an entry ends and how it slides; the clock is read only if it does either.
    fn ends(&self, ttl: Option<Duration>, idle: Option<Duration>) -> (u64, Option<Idle>) {
        let Some(nearest) = ttl.into_iter().chain(idle).min() else { return (0, None) };
        let (now, resolution) = match &self.clock {
            None => (SystemClock.monotonic(), SystemClock.resolution()),
            Some(clock) => (clock.monotonic(), clock.resolution()),
        };
        // Zero means that there is no end.
        let end = |span: Duration| now.after(span).before(resolution).ms().max(1);
        let last_ms = ttl.map_or(Tick::NEVER.ms(), end);
        let idle = idle.map(|idle| {
            let idle = idle.saturating_sub(resolution);
            Idle { idle_ms: u64::try_from(idle.as_millis()).unwrap_or(u64::MAX), last_ms }
        });
        (end(nearest), idle)
    }
}

impl<K, V, S> Clone for ShardedCache<K, V, S> {
    fn clone(&self) -> Self {
        Self { inner: Arc::clone(&self.inner) }
    }
}

impl<K, V, S> fmt::Debug for ShardedCache<K, V, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ShardedCache").field(&self.inner.engine).finish()
    }
}
