//! The storage itself: what callers hold, and the trait, reading like a list.

mod open;
mod shared;

pub(crate) use shared::Shared;

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use cache_core::atomics::Atomics;
use cache_core::backplane::EventLog;
use cache_core::clock::Timestamp;
use cache_core::fence::Stamp;
use cache_core::key::Key;
use cache_core::storage::{
    Budget, Capabilities, EntryDetails, Invalidated, InvalidationMode, Lookup, Maintenance,
    Outcome, Selector, Storage, StorageError, StorageErrorKind, StorageStats, Write,
};
use futures_util::stream::BoxStream;
use tokio::sync::oneshot;

use crate::config::SqliteOptions;
use crate::error::error;
use crate::maintain::{HistorySample, Upkeep};
use crate::write::Job;

/// A store in a SQLite file; cheap to clone. Its threads end when the last clone is dropped, or
/// with [`close`](Storage::close), which waits for that.
#[derive(Clone)]
pub struct Sqlite {
    handle: Arc<Handle>,
}

/// The callers' share of a store: when it goes, the store is stopped.
struct Handle {
    shared: Arc<Shared>,
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.shared.calls.stop();
    }
}

impl Sqlite {
    /// Opens the database that a URL names, such as `sqlite://cache.db?table=cache&pool_size=10`;
    /// see [`SqliteOptions::from_url`].
    ///
    /// # Errors
    /// [`StorageError`] of kind `Invalid` for a URL or option that is not valid, otherwise as
    /// [`SqliteOptions::open`].
    pub async fn open(url: &str) -> Result<Self, StorageError> {
        let options = SqliteOptions::from_url(url).map_err(|problem| {
            error("open", StorageErrorKind::Invalid, problem.to_string()).with_source(problem)
        })?;
        Self::open_with(options).await
    }

    pub(crate) async fn open_with(options: SqliteOptions) -> Result<Self, StorageError> {
        let shared = open::open(options).await?;
        Ok(Self { handle: Arc::new(Handle { shared }) })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        self.shared().file.path()
    }

    /// Whether opening it made the file.
    pub fn created(&self) -> bool {
        self.shared().file.created()
    }

    /// What was done in the past, by interval and kind of call, from `since` on; as far back as
    /// [`stats_retention`](SqliteOptions::stats_retention) goes, and at most 100,000 samples.
    ///
    /// # Errors
    /// [`StorageError`] if the storage could not be asked.
    pub async fn history(&self, since: Timestamp) -> Result<Vec<HistorySample>, StorageError> {
        self.shared().history(since).await
    }

    /// Adds a sample to the history now, beside those of the schedule.
    ///
    /// # Errors
    /// [`StorageError`] if it could not be written.
    pub async fn sample(&self) -> Result<(), StorageError> {
        const OPERATION: &str = "sample";
        let (answer, answered) = oneshot::channel();
        let job = Job::maintain(Upkeep::of_sample(), Some(answer));
        self.shared().job(OPERATION, job, 1, answered).await.map(drop)
    }

    /// The storage as caches take it.
    pub fn into_storage(self) -> Arc<dyn Storage> {
        Arc::new(self)
    }

    pub(crate) fn shared(&self) -> &Shared {
        &self.handle.shared
    }
}

impl From<Sqlite> for Arc<dyn Storage> {
    fn from(storage: Sqlite) -> Self {
        storage.into_storage()
    }
}

impl fmt::Debug for Sqlite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sqlite")
            .field("path", &self.path())
            .field("table", &self.shared().options.table)
            .field("closed", &self.shared().calls.is_closed())
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl Storage for Sqlite {
    fn capabilities(&self) -> &Capabilities {
        &self.shared().capabilities
    }

    async fn get(&self, key: &Key) -> Result<Lookup, StorageError> {
        self.shared().get(key).await
    }

    async fn get_many(
        &self,
        keys: &[Key],
    ) -> Result<Vec<Result<Lookup, StorageError>>, StorageError> {
        self.shared().get_many(keys).await
    }

    async fn stamps(&self, keys: &[Key]) -> Result<Vec<Stamp>, StorageError> {
        self.shared().stamps(keys).await
    }

    async fn write(
        &self,
        writes: Vec<Write>,
    ) -> Result<Vec<Result<Outcome, StorageError>>, StorageError> {
        self.shared().write(writes).await
    }

    async fn invalidate(
        &self,
        selector: &Selector,
        mode: InvalidationMode,
    ) -> Result<Invalidated, StorageError> {
        self.shared().invalidate(selector, mode).await
    }

    fn scan<'a>(
        &'a self,
        selector: &'a Selector,
    ) -> BoxStream<'a, Result<EntryDetails, StorageError>> {
        self.shared().scan(selector)
    }

    async fn maintain(&self, budget: Budget) -> Result<Maintenance, StorageError> {
        self.shared().maintain(budget).await
    }

    async fn stats(&self) -> Result<StorageStats, StorageError> {
        self.shared().stats().await
    }

    fn atomics(&self) -> Option<&dyn Atomics> {
        Some(self)
    }

    async fn flush(&self) -> Result<(), StorageError> {
        self.shared().flush().await
    }

    async fn close(&self) -> Result<(), StorageError> {
        self.shared().close().await
    }

    fn events(&self) -> Option<&dyn EventLog> {
        Some(self)
    }
}
