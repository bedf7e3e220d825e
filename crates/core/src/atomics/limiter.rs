use super::name::AtomicName;
use super::operation::{Answer, Operation};
use super::rate::{Rate, RateDecision};
use super::store::AtomicStore;
use crate::error::Error;

/// How often something may happen over all processes; made by
/// [`Cache::rate_limiter`](crate::cache::Cache::rate_limiter).
///
/// All who ask under one name are to name the same [`Rate`]. A storage that cannot be reached is an
/// error: whether that means yes or no is the caller's to say.
#[derive(Clone, Debug)]
pub struct RateLimiter {
    store: AtomicStore,
    name: AtomicName,
    rate: Rate,
}

impl RateLimiter {
    pub(crate) fn new(store: AtomicStore, name: AtomicName, rate: Rate) -> Self {
        Self { store, name, rate }
    }

    /// Asks for one, and takes it if it is allowed. One round trip.
    ///
    /// # Errors
    /// [`Error::Storage`], after which it is not known whether it was taken; [`Error::Closed`].
    pub async fn acquire(&self) -> Result<RateDecision, Error> {
        self.acquire_many(1).await
    }

    /// Asks for so many at once, and takes all or none. More than the burst are never allowed.
    ///
    /// # Errors
    /// As [`acquire`](Self::acquire).
    pub async fn acquire_many(&self, cost: u32) -> Result<RateDecision, Error> {
        let operation = Operation::Limit { rate: self.rate, cost };
        match self.store.apply(&self.name, &operation).await? {
            Answer::Rate(decision) => Ok(decision),
            _ => Err(self.store.unexpected(&operation)),
        }
    }

    /// Looks how many could be taken, and takes none.
    ///
    /// # Errors
    /// [`Error::Storage`], [`Error::Closed`].
    pub async fn peek(&self) -> Result<RateDecision, Error> {
        self.acquire_many(0).await
    }

    /// Forgets what was taken, so that the whole burst is there again; whether there was something.
    ///
    /// # Errors
    /// [`Error::Storage`], [`Error::Closed`].
    pub async fn reset(&self) -> Result<bool, Error> {
        match self.store.apply(&self.name, &Operation::Remove).await? {
            Answer::Removed(removed) => Ok(removed),
            _ => Err(self.store.unexpected(&Operation::Remove)),
        }
    }
}
