use std::convert::Infallible;
use std::fmt;
use std::hash::Hash;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use cache_core::clock::{Clock, SystemClock, Tick, Timestamp};
use equivalent::Equivalent;
use moka::ops::compute::{CompResult, Op};
use moka::policy::EvictionPolicy;
use moka::sync::Cache;
use moka::{Entry, Expiry};
use parking_lot::Mutex;

use super::builder::SyncCacheBuilder;
use super::entry::{CacheEntry, Held};
use crate::config::Policy;

/// A typed cache in memory with synchronous calls, a bound, an eviction policy and TTLs.
///
/// Clones share one cache, and every call may be made from any thread. Values are cloned out: put
/// what is dear to clone into an [`Arc`].
///
/// ```
/// use std::time::Duration;
/// use cache_memory::{Policy, SyncCache};
///
/// let cache = SyncCache::builder()
///     .max_entries(1_000)
///     .default_ttl(Duration::from_secs(300))
///     .policy(Policy::Lru)
///     .build()?;
///
/// cache.set("user:7", "Ada".to_owned());
/// cache.set_with_ttl("otp:7", "493021".to_owned(), Duration::from_secs(30));
/// assert_eq!(cache.get("user:7").as_deref(), Some("Ada"));
///
/// let entry = cache.entry("otp:7").expect("it was just set");
/// assert!(entry.remaining <= Some(Duration::from_secs(30)));
///
/// let name = cache.get_or_insert_with("user:8", || "Grace".to_owned());
/// assert_eq!(name, "Grace");
/// assert!(cache.delete("user:7"));
/// assert!(!cache.contains("user:7"));
/// assert_eq!(cache.len(), 2);
/// # Ok::<(), cache_core::error::ConfigError>(())
/// ```
///
/// **Expiry.** No call answers with an entry whose time has passed. On a [clock of your
/// own](SyncCacheBuilder::clock) a TTL ends early by its [resolution](Clock::resolution).
///
/// **Bound.** A cache of less than 64 entries keeps its bound with every `set`; a larger one passes it
/// by about a thirty-second part (64 entries at most), until the next `set`, [`len`](Self::len) or
/// [`maintain`](Self::maintain) comes by.
pub struct SyncCache<K, V> {
    pub(super) inner: Arc<Inner<K, V>>,
}

pub(super) struct Inner<K, V> {
    pub(super) map: Cache<K, Held<V>>,
    policy: Policy,
    entries_max: u64,
    default_ttl: Option<Duration>,
    time: Time,
    /// No entry expires before this; kept where the map does not know the time.
    earliest: AtomicU64,
    /// Inserts since evictions were done, and how many of them are put off.
    inserts: AtomicU64,
    inserts_put_off: u64,
}

/// Where the time comes from.
enum Time {
    /// The machine: the map frees what has expired by itself.
    System,
    /// A clock that the map knows nothing of.
    Injected { clock: Arc<dyn Clock>, sweeping: Mutex<()> },
}

/// How often a sweep looks whether it has left anything.
const SWEEPS_MAX: usize = 8;

/// Tells the map what it may free by the machine's clock.
struct Ttl;

impl<K, V> Expiry<K, Held<V>> for Ttl {
    fn expire_after_create(&self, _: &K, held: &Held<V>, _: Instant) -> Option<Duration> {
        held.ttl
    }

    fn expire_after_update(
        &self,
        _: &K,
        held: &Held<V>,
        _: Instant,
        _: Option<Duration>,
    ) -> Option<Duration> {
        held.ttl
    }
}

impl SyncCache<(), ()> {
    /// Makes a cache step by step; key and value types follow from its use.
    pub fn builder() -> SyncCacheBuilder {
        SyncCacheBuilder::default()
    }
}

impl<K, V> SyncCache<K, V>
where
    K: Hash + Eq + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    pub(super) fn new(
        entries_max: NonZeroU64,
        default_ttl: Option<Duration>,
        policy: Policy,
        clock: Option<Arc<dyn Clock>>,
    ) -> Self {
        let entries_max = entries_max.get();
        let map = Cache::builder()
            .max_capacity(entries_max)
            .eviction_policy(policy.to_moka().unwrap_or_else(EvictionPolicy::tiny_lfu))
            .support_invalidation_closures();
        let (map, time) = match clock {
            None => (map.expire_after(Ttl), Time::System),
            Some(clock) => (map, Time::Injected { clock, sweeping: Mutex::default() }),
        };
        let inner = Inner {
            map: map.build(),
            policy,
            entries_max,
            default_ttl,
            time,
            earliest: AtomicU64::new(Tick::NEVER.ms()),
            inserts: AtomicU64::new(0),
            inserts_put_off: (entries_max / 32).clamp(1, 64),
        };
        Self { inner: Arc::new(inner) }
    }

    /// Stores a value for the default TTL, in the place of what was there.
    pub fn set(&self, key: K, value: V) {
        let held = self.inner.hold(value, self.inner.default_ttl);
        self.inner.insert(key, held);
    }

    /// Stores a value for this long, in the place of what was there. A TTL of zero stores nothing,
    /// and what was there goes.
    pub fn set_with_ttl(&self, key: K, value: V, ttl: Duration) {
        if ttl.is_zero() {
            self.inner.map.invalidate(&key);
        } else {
            let held = self.inner.hold(value, Some(ttl));
            self.inner.insert(key, held);
        }
    }

    /// The value, counted as used.
    pub fn get<Q>(&self, key: &Q) -> Option<V>
    where
        Q: Equivalent<K> + Hash + ?Sized,
    {
        self.inner.get(key).map(|(held, _)| held.value)
    }

    /// The value with its times, counted as used.
    pub fn entry<Q>(&self, key: &Q) -> Option<CacheEntry<V>>
    where
        Q: Equivalent<K> + Hash + ?Sized,
    {
        let (held, now) = self.inner.get(key)?;
        let remaining = held.expires.remaining(now);
        let expires = match remaining {
            None => Timestamp::NEVER,
            Some(remaining) => self.inner.clock().wall().after(remaining),
        };
        Some(CacheEntry { value: held.value, created: held.created, expires, remaining })
    }

    /// Whether there is a value; not counted as a use. With a [clock of your
    /// own](SyncCacheBuilder::clock), the first call after an entry has expired looks through all.
    pub fn contains<Q>(&self, key: &Q) -> bool
    where
        Q: Equivalent<K> + Hash + ?Sized,
    {
        self.inner.sweep_if_due();
        self.inner.map.contains_key(key)
    }

    /// Removes a value; says whether there was one.
    pub fn delete<Q>(&self, key: &Q) -> bool
    where
        Q: Equivalent<K> + Hash + ?Sized,
    {
        let now = self.inner.clock().monotonic();
        self.inner.map.remove(key).is_some_and(|held| held.is_live(now))
    }

    /// Removes everything. What other threads set meanwhile may stay or go.
    pub fn clear(&self) {
        let map = &self.inner.map;
        // One by one: the map could hide them all at once, but what is set at the very same moment of
        // the machine's clock would be hidden with them, or stay.
        for (key, _) in map {
            map.invalidate(&*key);
        }
        map.run_pending_tasks();
    }

    /// How many entries there are, evictions that were put off done. On the machine's clock an entry
    /// may be counted for about a second after it has expired, if [`maintain`](Self::maintain) is
    /// not called.
    pub fn len(&self) -> u64 {
        self.inner.sweep_if_due();
        self.inner.evict();
        self.inner.map.entry_count()
    }

    /// Whether there is no entry; as exact as [`len`](Self::len).
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Evicts what is above the bound and frees what has expired. Takes time in proportion to the
    /// entries held; nobody has to call it for anything but an exact [`len`](Self::len).
    pub fn maintain(&self) {
        match &self.inner.time {
            Time::System => self.inner.sweep(SystemClock.monotonic()),
            Time::Injected { .. } => self.inner.sweep_if_due(),
        }
        self.inner.evict();
    }

    /// The value, made by `init` and stored for the default TTL if there is none.
    ///
    /// Of the calls for one key at a time one runs `init`, and the others wait for it. If `init`
    /// panics, its caller panics and one of the others takes over. `init` must not ask for the same
    /// key: it would wait for itself.
    pub fn get_or_insert_with(&self, key: K, init: impl FnOnce() -> V) -> V {
        let made: Result<V, Infallible> = self.try_get_or_insert_with(key, || Ok(init()));
        match made {
            Ok(value) => value,
        }
    }

    /// The value, made by `init` and stored for the default TTL if there is none; an error is
    /// handed on and not stored.
    ///
    /// Of the calls for one key at a time one runs `init`, and the others wait for it. If it fails
    /// or panics, its caller is told, and one of the others takes over. `init` must not ask for the
    /// same key: it would wait for itself.
    ///
    /// # Errors
    /// What `init` answered.
    pub fn try_get_or_insert_with<E>(
        &self,
        key: K,
        init: impl FnOnce() -> Result<V, E>,
    ) -> Result<V, E>
    where
        E: Send + Sync + 'static,
    {
        let inner = &*self.inner;
        if let Some((held, _)) = inner.get(&key) {
            return Ok(held.value);
        }
        let fill = |current: Option<Entry<K, Held<V>>>| {
            let now = inner.clock().monotonic();
            match current {
                Some(current) if inner.is_live(current.value(), now) => Ok(Op::Nop),
                _ => init().map(|value| Op::Put(inner.hold(value, inner.default_ttl))),
            }
        };
        match inner.map.entry(key).and_try_compute_with(fill)? {
            CompResult::Inserted(entry) | CompResult::ReplacedWith(entry) => {
                inner.count_insert(entry.value().expires);
                Ok(entry.into_value().value)
            }
            CompResult::Unchanged(entry) | CompResult::Removed(entry) => {
                Ok(entry.into_value().value)
            }
            // Neither kept nor made: `fill` does the one or the other.
            CompResult::StillNone(_) => unreachable!("a value was kept or made"),
        }
    }
}

impl<K, V> Inner<K, V>
where
    K: Hash + Eq + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    fn insert(&self, key: K, held: Held<V>) {
        let expires = held.expires;
        self.map.insert(key, held);
        self.count_insert(expires);
    }

    fn count_insert(&self, expires: Tick) {
        // After the insert, so that a sweep has either seen the entry or leaves this alone.
        self.earliest.fetch_min(expires.ms(), Ordering::SeqCst);
        if self.inserts.fetch_add(1, Ordering::Relaxed) + 1 >= self.inserts_put_off {
            self.evict();
        }
    }

    fn evict(&self) {
        let counted = self.inserts.load(Ordering::Relaxed);
        self.map.run_pending_tasks();
        // What came in meanwhile stays counted. Two that evict at once may both take off the same.
        let rest = |inserts: u64| Some(inserts.saturating_sub(counted));
        let _ = self.inserts.fetch_update(Ordering::Relaxed, Ordering::Relaxed, rest);
    }

    /// What is held and live, with the time at which it was looked at.
    fn get<Q>(&self, key: &Q) -> Option<(Held<V>, Tick)>
    where
        Q: Equivalent<K> + Hash + ?Sized,
    {
        let held = self.map.get(key)?;
        let now = self.clock().monotonic();
        self.is_live(&held, now).then_some((held, now))
    }

    /// Hides what has expired by `now`, and frees it.
    fn sweep(&self, now: Tick) {
        self.earliest.store(Tick::NEVER.ms(), Ordering::SeqCst);
        for _ in 0..SWEEPS_MAX {
            let has_expired = move |_: &K, held: &Held<V>| !held.is_live(now);
            // An error means that the map was made without support for it, and it was made with.
            let _ = self.map.invalidate_entries_if(has_expired);
            self.evict();
            let mut is_clean = true;
            for (_, held) in &self.map {
                is_clean &= held.is_live(now);
                self.earliest.fetch_min(held.expires.ms(), Ordering::SeqCst);
            }
            // The map may lose a predicate that comes just as the last one has been worked off.
            if is_clean {
                return;
            }
        }
    }

    /// Sweeps if something may have expired that the map takes for current.
    fn sweep_if_due(&self) {
        if let Time::Injected { clock, sweeping } = &self.time {
            // Whoever finds that nothing is due must not be in the middle of another one's sweep.
            let _sweeping = sweeping.lock();
            let now = clock.monotonic();
            if now.ms() >= self.earliest.load(Ordering::SeqCst) {
                self.sweep(now);
            }
        }
    }
}

impl<K, V> Inner<K, V> {
    fn clock(&self) -> &dyn Clock {
        match &self.time {
            Time::System => &SystemClock,
            Time::Injected { clock, .. } => &**clock,
        }
    }

    /// Whether what the map has given out may be served. By the machine's clock the map has seen to
    /// it already, and more finely.
    fn is_live(&self, held: &Held<V>, now: Tick) -> bool {
        match &self.time {
            Time::System => true,
            Time::Injected { .. } => held.is_live(now),
        }
    }

    fn hold(&self, value: V, ttl: Option<Duration>) -> Held<V> {
        let now = self.clock().monotonic();
        let expires = match (ttl, &self.time) {
            (None, _) => Tick::NEVER,
            (Some(ttl), Time::System) => now.after(ttl),
            (Some(ttl), Time::Injected { clock, .. }) => now.after(ttl).before(clock.resolution()),
        };
        Held { value, created: self.clock().wall(), expires, ttl }
    }
}

impl<K, V> Clone for SyncCache<K, V> {
    fn clone(&self) -> Self {
        Self { inner: Arc::clone(&self.inner) }
    }
}

impl<K, V> fmt::Debug for SyncCache<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SyncCache")
            .field("policy", &self.inner.policy)
            .field("entries_max", &self.inner.entries_max)
            .field("default_ttl", &self.inner.default_ttl)
            .finish_non_exhaustive()
    }
}
