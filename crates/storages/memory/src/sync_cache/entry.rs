use std::time::Duration;

use cache_core::clock::{Tick, Timestamp};

/// A value with its times, from [`SyncCache::entry`](crate::SyncCache::entry).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CacheEntry<V> {
    /// The value.
    pub value: V,
    /// When it was set, in wall time.
    pub created: Timestamp,
    /// When it expires, in wall time as it is now; [`Timestamp::NEVER`] if it has no TTL.
    pub expires: Timestamp,
    /// For how much longer it is served; `None` if it has no TTL.
    pub remaining: Option<Duration>,
}

/// What the map holds for a key.
#[derive(Clone)]
pub(super) struct Held<V> {
    pub(super) value: V,
    pub(super) created: Timestamp,
    pub(super) expires: Tick,
    pub(super) ttl: Option<Duration>,
}

impl<V> Held<V> {
    /// Whether it may be served at `now`, the last moment excluded.
    pub(super) fn is_live(&self, now: Tick) -> bool {
        self.expires.is_never() || now < self.expires
    }
}
