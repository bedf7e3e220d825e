//! Counters, registers, locks and limits of a cache.

use super::whole::Cache;
use crate::atomics::{AtomicKind, AtomicStore, Counter, Lock, Rate, RateLimiter, Register};
use crate::error::ConfigError;

/// Each is kept in the memory or storage that is registered under the name given first: in a memory
/// it is of this cache and process alone, in a storage of every process that reaches it and has the
/// same prefix. Nothing is asked until it is used. Names are as keys are: at most 512 bytes with
/// prefix and kind, without control characters.
impl Cache {
    /// A number that is added to.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # async fn example(cache: cache_core::cache::Cache) -> Result<(), Box<dyn std::error::Error>> {
    /// let visits = cache.counter("redis", "visits:today")?.ttl(Duration::from_secs(86_400));
    /// println!("visitor {}", visits.add(1).await?);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`ConfigError`] if nothing is registered under the storage's name, it
    /// [offers none](crate::storage::Capabilities::atomics), or the name is not valid.
    pub fn counter(&self, storage: &str, name: &str) -> Result<Counter, ConfigError> {
        let store = AtomicStore::find(&self.shared, storage)?;
        let name = store.name(name, AtomicKind::Counter)?;
        Ok(Counter::new(store, name))
    }

    /// A few bytes that are put if there are none, or compared and swapped.
    ///
    /// # Errors
    /// As [`counter`](Self::counter).
    pub fn register(&self, storage: &str, name: &str) -> Result<Register, ConfigError> {
        let store = AtomicStore::find(&self.shared, storage)?;
        let name = store.name(name, AtomicKind::Register)?;
        Ok(Register::new(store, name))
    }

    /// What one owner at a time holds.
    ///
    /// # Errors
    /// As [`counter`](Self::counter).
    pub fn lock(&self, storage: &str, name: &str) -> Result<Lock, ConfigError> {
        let store = AtomicStore::find(&self.shared, storage)?;
        let name = store.name(name, AtomicKind::Lock)?;
        Ok(Lock::new(store, name))
    }

    /// How often something may happen.
    ///
    /// ```
    /// # use cache_core::atomics::Rate;
    /// # async fn example(cache: cache_core::cache::Cache) -> Result<(), Box<dyn std::error::Error>> {
    /// let limiter = cache.rate_limiter("redis", "api:user:7", Rate::per_second(10).burst(20))?;
    /// let decision = limiter.acquire().await?;
    /// if !decision.allowed {
    ///     println!("again in {:?}", decision.retry_after);
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// As [`counter`](Self::counter), and if the rate is not valid: a limit or a burst of zero, more
    /// than one in a microsecond, or a burst that takes more than a hundred years to come back.
    pub fn rate_limiter(
        &self,
        storage: &str,
        name: &str,
        rate: Rate,
    ) -> Result<RateLimiter, ConfigError> {
        if let Some((option, problem)) = rate.problem() {
            return Err(ConfigError::Option {
                context: format!("rate limiter {name:?}"),
                option: option.to_owned(),
                problem: problem.to_owned(),
            });
        }
        let store = AtomicStore::find(&self.shared, storage)?;
        let name = store.name(name, AtomicKind::Rate)?;
        Ok(RateLimiter::new(store, name, rate))
    }
}
