//! The storage itself: what callers hold, and the trait, reading like a list.

mod shared;

pub(crate) use shared::{Shared, check_schema};

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
use futures_util::stream::{self, BoxStream, StreamExt};

use crate::config::MongoDbOptions;
use crate::error::error;

/// Entries in a collection of MongoDB; cheap to clone. Its task and connections end with the last
/// clone, or with [`close`](Storage::close).
#[derive(Clone)]
pub struct MongoDb {
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

impl MongoDb {
    /// Opens the collection that a URL names, such as
    /// `mongodb://localhost/shop?collection=cache`; see [`MongoDbOptions::from_url`].
    ///
    /// # Errors
    /// [`StorageError`] of kind `Invalid` for a URL or option that is not valid, otherwise as
    /// [`MongoDbOptions::open`].
    pub async fn open(url: &str) -> Result<Self, StorageError> {
        let options = MongoDbOptions::from_url(url).map_err(|problem| {
            error("open", StorageErrorKind::Invalid, problem.to_string()).with_source(problem)
        })?;
        Self::open_with(options).await
    }

    pub(crate) async fn open_with(options: MongoDbOptions) -> Result<Self, StorageError> {
        let shared = Shared::open(options).await?;
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

impl From<MongoDb> for Arc<dyn Storage> {
    fn from(storage: MongoDb) -> Self {
        storage.into_storage()
    }
}

impl fmt::Debug for MongoDb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let options = &self.shared().options;
        f.debug_struct("MongoDb")
            .field("url", &options.shown)
            .field("database", &options.database)
            .field("collection", &options.collection)
            .field("closed", &self.shared().is_closed())
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl Storage for MongoDb {
    fn capabilities(&self) -> &Capabilities {
        &self.shared().capabilities
    }

    async fn get(&self, key: &Key) -> Result<Lookup, StorageError> {
        self.shared().open_while("get", self.shared().get(key)).await
    }

    async fn get_many(
        &self,
        keys: &[Key],
    ) -> Result<Vec<Result<Lookup, StorageError>>, StorageError> {
        self.shared().open_while("get_many", self.shared().get_many(keys)).await
    }

    async fn stamps(&self, keys: &[Key]) -> Result<Vec<Stamp>, StorageError> {
        self.shared().open_while("stamps", self.shared().stamps(keys)).await
    }

    async fn write(
        &self,
        writes: Vec<Write>,
    ) -> Result<Vec<Result<Outcome, StorageError>>, StorageError> {
        let answers = self.shared().open_while("write", self.shared().write(writes)).await?;
        let shared = self.shared();
        Ok(answers.into_iter().map(|it| it.map_err(|error| shared.as_closed(error))).collect())
    }

    async fn invalidate(
        &self,
        selector: &Selector,
        mode: InvalidationMode,
    ) -> Result<Invalidated, StorageError> {
        self.shared().open_while("invalidate", self.shared().invalidate(selector, mode)).await
    }

    fn scan<'a>(
        &'a self,
        selector: &'a Selector,
    ) -> BoxStream<'a, Result<EntryDetails, StorageError>> {
        match self.shared().ensure_open("scan") {
            Ok(()) => self.shared().scan(selector),
            Err(error) => stream::iter([Err(error)]).boxed(),
        }
    }

    async fn maintain(&self, budget: Budget) -> Result<Maintenance, StorageError> {
        self.shared().open_while("maintain", self.shared().maintain(budget)).await
    }

    async fn stats(&self) -> Result<StorageStats, StorageError> {
        self.shared().open_while("stats", self.shared().stats()).await
    }

    /// Writes which entries were used. What was answered is as durable as the write concern says.
    fn atomics(&self) -> Option<&dyn Atomics> {
        Some(self)
    }

    async fn flush(&self) -> Result<(), StorageError> {
        self.shared().open_while("flush", self.shared().write_accesses()).await
    }

    async fn close(&self) -> Result<(), StorageError> {
        self.shared().close().await
    }

    fn events(&self) -> Option<&dyn EventLog> {
        Some(self)
    }
}
