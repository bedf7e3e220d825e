use std::time::Duration;

use super::name::AtomicName;
use super::operation::{Answer, Operation};
use super::store::AtomicStore;
use crate::error::Error;

/// A number that any process adds to; made by [`Cache::counter`](crate::cache::Cache::counter).
///
/// It begins at zero, and is made by the first [`add`](Self::add). Where an answer is lost on its
/// way the call fails, and it is not known whether it was counted.
#[derive(Clone, Debug)]
pub struct Counter {
    store: AtomicStore,
    name: AtomicName,
    ttl: Option<Duration>,
    renews: bool,
}

impl Counter {
    pub(crate) fn new(store: AtomicStore, name: AtomicName) -> Self {
        Self { store, name, ttl: None, renews: false }
    }

    /// Lets a counter end so long after it was made; it begins at zero then. Without, it stays
    /// until it is removed. Less than a millisecond counts as one.
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = Some(ttl.max(Duration::from_millis(1)));
        self
    }

    /// Lets the TTL begin anew with each [`add`](Self::add), so that the counter ends when nothing
    /// was added for so long.
    pub fn renewed(mut self) -> Self {
        self.renews = true;
        self
    }

    /// Adds, and gives what it is at then. One round trip.
    ///
    /// # Errors
    /// [`Error::Overflow`] if it would go beyond 64 bits, and is as it was; [`Error::Storage`];
    /// [`Error::Closed`].
    pub async fn add(&self, delta: i64) -> Result<i64, Error> {
        let operation = Operation::Add { delta, ttl: self.ttl, renew: self.renews };
        match self.store.apply(&self.name, &operation).await? {
            Answer::Count(Some(count)) => Ok(count),
            Answer::Overflow => Err(Error::Overflow { key: self.name.key().clone() }),
            _ => Err(self.store.unexpected(&operation)),
        }
    }

    /// What it is at; `None` if there is none. One round trip.
    ///
    /// # Errors
    /// [`Error::Storage`], [`Error::Closed`].
    pub async fn get(&self) -> Result<Option<i64>, Error> {
        match self.store.apply(&self.name, &Operation::Count).await? {
            Answer::Count(count) => Ok(count),
            _ => Err(self.store.unexpected(&Operation::Count)),
        }
    }

    /// Removes it, so that it begins at zero again; whether there was one.
    ///
    /// # Errors
    /// [`Error::Storage`], [`Error::Closed`].
    pub async fn remove(&self) -> Result<bool, Error> {
        match self.store.apply(&self.name, &Operation::Remove).await? {
            Answer::Removed(removed) => Ok(removed),
            _ => Err(self.store.unexpected(&Operation::Remove)),
        }
    }
}
