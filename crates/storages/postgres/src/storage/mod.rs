//! The storage itself: what callers hold, and the trait, reading like a list.

mod call;
mod open;
mod shared;

pub(crate) use call::Arguments;
pub(crate) use shared::Shared;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use cache_core::atomics::Atomics;
use cache_core::backplane::EventLog;
use cache_core::fence::Stamp;
use cache_core::key::Key;
use cache_core::storage::{
    Budget, Capabilities, EntryDetails, Invalidated, InvalidationMode, Lookup, Maintenance,
    Outcome, Selector, Storage, StorageError, StorageStats, Write,
};
use futures_util::stream::BoxStream;

use crate::config::{PostgresOptions, invalid};

/// A store in a PostgreSQL database; cheap to clone. Its connections are closed when the last
/// clone is dropped, or with [`close`](Storage::close), which waits for that.
#[derive(Clone)]
pub struct Postgres {
    handle: Arc<Handle>,
}

/// The callers' share of a store: when it goes, the store is stopped.
struct Handle {
    shared: Arc<Shared>,
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.shared.stop();
    }
}

impl Postgres {
    /// Opens the store that a URL names, such as `postgres://cache@host/database?table=cache`; see
    /// [`PostgresOptions::from_url`].
    ///
    /// # Errors
    /// [`StorageError`] of kind `Invalid` for a URL or option that is not valid, otherwise as
    /// [`PostgresOptions::open`].
    pub async fn open(url: &str) -> Result<Self, StorageError> {
        Self::open_with(PostgresOptions::from_url(url).map_err(invalid)?).await
    }

    pub(crate) async fn open_with(options: PostgresOptions) -> Result<Self, StorageError> {
        let shared = open::open(options).await?;
        Ok(Self { handle: Arc::new(Handle { shared }) })
    }

    /// The storage as caches take it.
    pub fn into_storage(self) -> Arc<dyn Storage> {
        Arc::new(self)
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.handle.shared
    }
}

impl From<Postgres> for Arc<dyn Storage> {
    fn from(storage: Postgres) -> Self {
        storage.into_storage()
    }
}

impl fmt::Debug for Postgres {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Postgres")
            .field("options", &self.shared().options)
            .field("closed", &self.shared().pool.is_closed())
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl Storage for Postgres {
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
