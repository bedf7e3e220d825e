use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use cache_core::clock::Clock;
use cache_core::error::ConfigError;

use super::SyncCache;
use crate::config::{MAX_ENTRIES_DEFAULT, Policy, option, positive};

/// Makes a [`SyncCache`].
#[derive(Clone, Debug, Default)]
pub struct SyncCacheBuilder {
    entries_max: Option<u64>,
    default_ttl: Option<Duration>,
    policy: Policy,
    clock: Option<Arc<dyn Clock>>,
}

impl SyncCacheBuilder {
    /// Holds at most this many entries; [`MAX_ENTRIES_DEFAULT`] if not said.
    pub fn max_entries(mut self, entries_max: u64) -> Self {
        self.entries_max = Some(entries_max);
        self
    }

    /// How long a value lives for which nothing else is said; without end if not said.
    pub fn default_ttl(mut self, ttl: Duration) -> Self {
        self.default_ttl = Some(ttl);
        self
    }

    /// Which entry goes when there is no room; [`Policy::TinyLfu`] if not said.
    pub fn policy(mut self, policy: Policy) -> Self {
        self.policy = policy;
        self
    }

    /// Takes the time from this clock instead of the machine's. Time that passes on the machine's
    /// clock then ends nothing.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Some(Arc::new(clock));
        self
    }

    /// Makes the cache.
    ///
    /// # Errors
    /// [`ConfigError::Option`] for a bound or a default TTL of zero.
    pub fn build<K, V>(self) -> Result<SyncCache<K, V>, ConfigError>
    where
        K: Hash + Eq + Send + Sync + 'static,
        V: Clone + Send + Sync + 'static,
    {
        let entries_max = self.entries_max.unwrap_or(MAX_ENTRIES_DEFAULT);
        let entries_max = positive("cache", "max_entries", entries_max)?;
        if self.default_ttl.is_some_and(|ttl| ttl.is_zero()) {
            let problem = "must be larger than zero".to_owned();
            return Err(option("cache", "default_ttl", problem));
        }
        Ok(SyncCache::new(entries_max, self.default_ttl, self.policy, self.clock))
    }
}
