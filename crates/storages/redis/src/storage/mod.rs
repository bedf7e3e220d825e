//! The storage itself: what callers hold, and the trait, reading like a list.

mod open;
mod shared;

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
    Outcome, Selector, Storage, StorageError, StorageErrorKind, StorageStats, Write,
};
use futures_util::stream::BoxStream;

use crate::config::RedisOptions;
use crate::error::{closed, error};

/// A store on a Redis or Valkey server; cheap to clone. Its connections end when the last clone is
/// dropped, or with [`close`](Storage::close).
#[derive(Clone)]
pub struct Redis {
    shared: Arc<Shared>,
}

impl Redis {
    /// Opens the store that a URL names, such as `redis://localhost:6379/0`; see
    /// [`RedisOptions::from_url`].
    ///
    /// # Errors
    /// [`StorageError`] of kind `Invalid` for a URL or option that is not valid, otherwise as
    /// [`RedisOptions::open`].
    pub async fn open(url: &str) -> Result<Self, StorageError> {
        let options = RedisOptions::from_url(url).map_err(|problem| {
            error("open", StorageErrorKind::Invalid, problem.to_string()).with_source(problem)
        })?;
        Self::open_with(options).await
    }

    pub(crate) async fn open_with(options: RedisOptions) -> Result<Self, StorageError> {
        Ok(Self { shared: open::open(options).await? })
    }

    pub(crate) fn shared(&self) -> &Shared {
        &self.shared
    }

    /// The storage as caches take it.
    pub fn into_storage(self) -> Arc<dyn Storage> {
        Arc::new(self)
    }
}

impl From<Redis> for Arc<dyn Storage> {
    fn from(storage: Redis) -> Self {
        storage.into_storage()
    }
}

impl fmt::Debug for Redis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redis")
            .field("servers", &self.shared.servers)
            .field("names", &self.shared.names)
            .field("closed", &self.shared.connections.is_closed())
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl Storage for Redis {
    fn capabilities(&self) -> &Capabilities {
        &self.shared.capabilities
    }

    async fn get(&self, key: &Key) -> Result<Lookup, StorageError> {
        self.shared.get(key).await
    }

    async fn get_many(
        &self,
        keys: &[Key],
    ) -> Result<Vec<Result<Lookup, StorageError>>, StorageError> {
        self.shared.get_many(keys).await
    }

    async fn stamps(&self, keys: &[Key]) -> Result<Vec<Stamp>, StorageError> {
        self.shared.stamps(keys).await
    }

    async fn write(
        &self,
        writes: Vec<Write>,
    ) -> Result<Vec<Result<Outcome, StorageError>>, StorageError> {
        self.shared.write(writes).await
    }

    async fn invalidate(
        &self,
        selector: &Selector,
        mode: InvalidationMode,
    ) -> Result<Invalidated, StorageError> {
        self.shared.invalidate(selector, mode).await
    }

    fn scan<'a>(
        &'a self,
        selector: &'a Selector,
    ) -> BoxStream<'a, Result<EntryDetails, StorageError>> {
        self.shared.scan(selector)
    }

    async fn maintain(&self, budget: Budget) -> Result<Maintenance, StorageError> {
        self.shared.maintain(budget).await
    }

    async fn stats(&self) -> Result<StorageStats, StorageError> {
        self.shared.stats().await
    }

    /// Nothing is held back: what was answered is on the server, which makes it durable as it is
    /// configured to.
    async fn flush(&self) -> Result<(), StorageError> {
        if self.shared.connections.is_closed() { Err(closed("flush")) } else { Ok(()) }
    }

    fn atomics(&self) -> Option<&dyn Atomics> {
        Some(self)
    }

    async fn close(&self) -> Result<(), StorageError> {
        self.shared.close();
        Ok(())
    }

    fn events(&self) -> Option<&dyn EventLog> {
        Some(self)
    }
}
