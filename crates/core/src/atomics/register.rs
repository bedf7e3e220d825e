use std::time::Duration;

use bytes::Bytes;

use super::name::AtomicName;
use super::operation::{Answer, Operation, Version, Versioned};
use super::store::AtomicStore;
use crate::error::Error;

/// A few bytes that are compared and swapped; made by
/// [`Cache::register`](crate::cache::Cache::register).
///
/// ```
/// # use cache_core::atomics::{Register, Swapped};
/// # async fn example(leader: Register) -> Result<(), cache_core::error::Error> {
/// match leader.put_if_absent("host-1").await? {
///     Swapped::Done(version) => println!("leading as of {version:?}"),
///     Swapped::Conflict(found) => println!("{found:?} leads"),
/// }
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct Register {
    store: AtomicStore,
    name: AtomicName,
    ttl: Option<Duration>,
}

/// What a conditional change of a register came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Swapped {
    /// It was made, and the register has this version now.
    Done(Version),
    /// Something else was there, and is still.
    Conflict(Option<Versioned>),
}

impl Register {
    pub(crate) fn new(store: AtomicStore, name: AtomicName) -> Self {
        Self { store, name, ttl: None }
    }

    /// Lets what is put from now on end after so long. Less than a millisecond counts as one.
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = Some(ttl.max(Duration::from_millis(1)));
        self
    }

    /// What it holds, with the version to compare by. One round trip.
    ///
    /// # Errors
    /// [`Error::Storage`], [`Error::Closed`].
    pub async fn get(&self) -> Result<Option<Versioned>, Error> {
        match self.store.apply(&self.name, &Operation::Read).await? {
            Answer::Register(found) => Ok(found),
            _ => Err(self.store.unexpected(&Operation::Read)),
        }
    }

    /// Puts a value if it holds none. One round trip.
    ///
    /// # Errors
    /// [`Error::Storage`], after which it is not known whether it was put; [`Error::Closed`].
    pub async fn put_if_absent(&self, value: impl Into<Bytes>) -> Result<Swapped, Error> {
        self.compare_and_swap(None, Some(value.into())).await
    }

    /// Puts a value, or removes what is there, if it has the expected version, or if there is
    /// nothing and `None` was expected. One round trip.
    ///
    /// # Errors
    /// As [`put_if_absent`](Self::put_if_absent).
    pub async fn compare_and_swap(
        &self,
        expected: Option<Version>,
        value: Option<Bytes>,
    ) -> Result<Swapped, Error> {
        let version = Version::random();
        let operation = Operation::Swap { expected, version, value, ttl: self.ttl };
        match self.store.apply(&self.name, &operation).await? {
            Answer::Swapped => Ok(Swapped::Done(version)),
            Answer::Conflict(found) => Ok(Swapped::Conflict(found)),
            _ => Err(self.store.unexpected(&operation)),
        }
    }

    /// Removes what it holds, whatever that is; whether there was something.
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
