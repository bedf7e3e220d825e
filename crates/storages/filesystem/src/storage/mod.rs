//! The storage itself: what callers hold, and the trait, reading like a list.

mod open;
mod shared;

pub(crate) use shared::Shared;

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use cache_core::atomics::Atomics;
use cache_core::fence::Stamp;
use cache_core::key::Key;
use cache_core::storage::{
    Budget, Capabilities, EntryDetails, Invalidated, InvalidationMode, Lookup, Maintenance,
    Outcome, Selector, Storage, StorageError, StorageErrorKind, StorageStats, Write,
};
use futures_util::stream::{BoxStream, StreamExt};

use crate::config::FilesystemOptions;
use crate::error::{error, of_index};
use crate::maintain::{Checked, Thoroughness};
use crate::read::ValueLookup;
use crate::write::ValueWriter;

/// A store of values in files; cheap to clone. Its index' threads end when the last clone is
/// dropped, or with [`close`](Storage::close), which waits for that.
#[derive(Clone)]
pub struct Filesystem {
    shared: Arc<Shared>,
}

impl Filesystem {
    pub(crate) fn shared(&self) -> &Shared {
        &self.shared
    }

    /// Opens the folder that a URL names, such as `file:///var/cache/audio?max_bytes=64GiB`; see
    /// [`FilesystemOptions::from_url`].
    ///
    /// # Errors
    /// [`StorageError`] of kind `Invalid` for a URL or option that is not valid, otherwise as
    /// [`FilesystemOptions::open`].
    pub async fn open(url: &str) -> Result<Self, StorageError> {
        let options = FilesystemOptions::from_url(url).map_err(|problem| {
            error("open", StorageErrorKind::Invalid, problem.to_string()).with_source(problem)
        })?;
        Self::open_with(options).await
    }

    pub(crate) async fn open_with(options: FilesystemOptions) -> Result<Self, StorageError> {
        Ok(Self { shared: open::open(options).await? })
    }

    /// The folder, as an absolute path without symbolic links.
    pub fn path(&self) -> &Path {
        self.shared.files.folder.path()
    }

    /// Opens a value to be read piece by piece. The file stays readable to its end even if the entry
    /// is replaced or removed meanwhile. An entry whose file is gone or of another length is not
    /// there.
    ///
    /// # Errors
    /// [`StorageError`] if the storage could not be asked, or its record is damaged.
    pub async fn reader(&self, key: &Key) -> Result<ValueLookup, StorageError> {
        self.shared.reader(key).await
    }

    /// Begins a value that comes piece by piece: `write` says of its entry all but payload, checksum
    /// and, where it is not compressed, its decoded length, which are those of what is written. Nobody
    /// sees it before [`ValueWriter::commit`], which checks the fence as
    /// [`write`](Storage::write) does; dropped before, it leaves nothing.
    ///
    /// ```no_run
    /// # async fn example(
    /// #     storage: cache_filesystem::Filesystem,
    /// #     key: cache_core::key::Key,
    /// #     entry: cache_core::entry::Entry,
    /// #     mut source: tokio::fs::File,
    /// # ) -> Result<(), Box<dyn std::error::Error>> {
    /// use cache_core::storage::{Write, WriteAction};
    ///
    /// let found = storage.reader(&key).await?;
    /// if found.value.is_none() {
    ///     let action = WriteAction::Fill { entry, stamp: found.stamp };
    ///     let mut writer = storage.writer(Write { key, action }).await?;
    ///     tokio::io::copy(&mut source, &mut writer).await?;
    ///     let outcome = writer.commit().await?;
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`StorageError`] of kind `Invalid` for an action that stores nothing, otherwise if no file
    /// could be made.
    pub async fn writer(&self, write: Write) -> Result<ValueWriter, StorageError> {
        self.shared.writer(write).await
    }

    /// Looks for files that nobody refers to and for entries whose file is gone, cut off or, with
    /// [`Thoroughness::Contents`], changed, and removes both. Runs beside all else, in any number of
    /// processes: what a living process is writing is left alone. Lists every file; with
    /// `Contents` reads all of them.
    ///
    /// # Errors
    /// [`StorageError`] if files or index could not be asked; what was mended until then stays so.
    pub async fn check(&self, thoroughness: Thoroughness) -> Result<Checked, StorageError> {
        self.shared.check(thoroughness).await
    }

    /// How often [`reader`](Self::reader) found a value's file gone, cut off or changed, at once or
    /// while the value was read, since this storage was opened. What [`get`](Storage::get) finds so
    /// is counted by the cache that asks.
    pub fn damaged_reads(&self) -> u64 {
        self.shared.files.damaged_reads()
    }

    /// The storage as caches take it.
    pub fn into_storage(self) -> Arc<dyn Storage> {
        Arc::new(self)
    }
}

impl From<Filesystem> for Arc<dyn Storage> {
    fn from(storage: Filesystem) -> Self {
        storage.into_storage()
    }
}

impl fmt::Debug for Filesystem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Filesystem")
            .field("path", &self.path())
            .field("closed", &self.shared.is_closed())
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl Storage for Filesystem {
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
        self.shared.index.scan(selector).map(|details| details.map_err(of_index)).boxed()
    }

    async fn maintain(&self, budget: Budget) -> Result<Maintenance, StorageError> {
        self.shared.maintain(budget).await
    }

    async fn stats(&self) -> Result<StorageStats, StorageError> {
        self.shared.index.stats().await.map_err(of_index)
    }

    fn atomics(&self) -> Option<&dyn Atomics> {
        Some(self)
    }

    async fn flush(&self) -> Result<(), StorageError> {
        self.shared.index.flush().await.map_err(of_index)
    }

    async fn close(&self) -> Result<(), StorageError> {
        self.shared.stop();
        let closed = self.shared.index.close().await.map_err(of_index);
        self.shared.end_session().await;
        closed
    }
}
