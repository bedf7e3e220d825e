//! The seam to storages: one object-safe trait over encoded entries.
//!
//! A storage keeps entries, removes them by key, tag, pattern or prefix, and keeps a
//! [fence](crate::fence) beside them. What it cannot do it says in its [`Capabilities`]. What it
//! must do is written as the cases of [`testing::suite`](crate::testing).

mod capabilities;
mod error;
mod invalidation;
mod lookup;
mod maintenance;
mod write;

pub use capabilities::{Capabilities, Reach};
pub use error::{StorageError, StorageErrorKind};
pub use invalidation::{Invalidated, InvalidationMode, Selector};
pub use lookup::{EntryDetails, Lookup};
pub use maintenance::{Budget, Maintenance, StorageStats};
pub use write::{Outcome, Write, WriteAction};

use std::fmt::Debug;

use async_trait::async_trait;
use futures_util::stream::BoxStream;

use crate::atomics::Atomics;
use crate::backplane::EventLog;
use crate::fence::Stamp;
use crate::key::Key;

/// A place for entries outside of the process' objects: a file, a database, a server.
///
/// Rules that hold for every implementation, each with a case in the suite:
///
/// - An entry past `kept_until` is not there, whatever the pace of clean-up. Time is that of the
///   server where it has a clock, otherwise of the [`Clock`](crate::clock::Clock) it was opened with.
/// - Value, metadata and tags are stored together or not at all.
/// - A batch is one round trip, and one bad key fails alone.
/// - [`invalidate`](Storage::invalidate) has raised the fence before it removes anything, and both
///   are finished when it returns.
/// - A future that is dropped leaves each entry as it was or as it should be.
#[async_trait]
pub trait Storage: Debug + Send + Sync + 'static {
    /// What it can do and how far it reaches.
    fn capabilities(&self) -> &Capabilities;

    /// Reads one entry. The stamp of a miss is taken before the read.
    ///
    /// # Errors
    /// [`StorageError`] if the storage could not be asked, or its record is damaged.
    async fn get(&self, key: &Key) -> Result<Lookup, StorageError>;

    /// Reads many entries in one round trip; answers stand in the order of `keys`.
    ///
    /// # Errors
    /// The outer error if the storage could not be asked, an inner one for a damaged record.
    async fn get_many(
        &self,
        keys: &[Key],
    ) -> Result<Vec<Result<Lookup, StorageError>>, StorageError>;

    /// The stamp of loads that begin now; asked for before a refresh, a warm-up or an update.
    ///
    /// # Errors
    /// [`StorageError`] if the storage could not be asked.
    async fn stamps(&self, keys: &[Key]) -> Result<Vec<Stamp>, StorageError>;

    /// Carries out writes in one round trip, in order; outcomes stand in the same order.
    ///
    /// # Errors
    /// The outer error if nothing is known about any of them, an inner one for a write that failed.
    async fn write(
        &self,
        writes: Vec<Write>,
    ) -> Result<Vec<Result<Outcome, StorageError>>, StorageError>;

    /// Raises the fence, then removes (or expires) all that `selector` names, and nothing else.
    ///
    /// # Errors
    /// [`StorageError`] if it is not certain that both are done.
    async fn invalidate(
        &self,
        selector: &Selector,
        mode: InvalidationMode,
    ) -> Result<Invalidated, StorageError>;

    /// Lists what `selector` names, in no given order, reading in bounded pages.
    fn scan<'a>(
        &'a self,
        selector: &'a Selector,
    ) -> BoxStream<'a, Result<EntryDetails, StorageError>>;

    /// Removes what has expired and what is over the bound, within a budget.
    ///
    /// # Errors
    /// [`StorageError`] if the storage could not be asked.
    async fn maintain(&self, budget: Budget) -> Result<Maintenance, StorageError>;

    /// Entries, bytes and what else it knows about itself.
    ///
    /// # Errors
    /// [`StorageError`] if the storage could not be asked.
    async fn stats(&self) -> Result<StorageStats, StorageError>;

    /// Makes what was written durable as far as the storage promises it.
    ///
    /// # Errors
    /// [`StorageError`] if it could not.
    async fn flush(&self) -> Result<(), StorageError>;

    /// Counters, registers, locks and limits, where
    /// [`Capabilities::atomics`] says that it offers them.
    fn atomics(&self) -> Option<&dyn Atomics> {
        None
    }

    /// Flushes, stops what runs in the background and refuses further calls. Idempotent.
    ///
    /// # Errors
    /// [`StorageError`] if flushing failed; the storage is closed all the same.
    async fn close(&self) -> Result<(), StorageError>;

    /// A log of events beside the entries, for a [`Backplane`](crate::backplane::Backplane), where
    /// the storage has one. It ends with [`close`](Self::close), too.
    fn events(&self) -> Option<&dyn EventLog> {
        None
    }
}
