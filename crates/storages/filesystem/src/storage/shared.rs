//! What callers share.

use std::pin::pin;
use std::sync::Arc;

use cache_core::storage::{Capabilities, StorageError, StorageErrorKind};
use cache_sqlite::Sqlite;
use futures_util::future::{Either, select};
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use crate::config::FilesystemOptions;
use crate::error::{closed, error};
use crate::layout::Files;

/// An open store.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) options: FilesystemOptions,
    pub(crate) capabilities: Capabilities,
    pub(crate) index: Sqlite,
    pub(crate) files: Arc<Files>,
    /// To read or write a file.
    turns: Arc<Semaphore>,
}

impl Shared {
    pub(super) fn new(
        options: FilesystemOptions,
        capabilities: Capabilities,
        index: Sqlite,
        files: Arc<Files>,
    ) -> Self {
        let turns = Arc::new(Semaphore::new(options.files_at_once));
        Self { options, capabilities, index, files, turns }
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.turns.is_closed()
    }

    pub(super) fn stop(&self) {
        self.turns.close();
    }

    /// Takes leave of those who share the folder. Where that fails, the next who opens it looks
    /// through it in vain.
    pub(super) async fn end_session(&self) {
        let files = Arc::clone(&self.files);
        let _ = spawn_blocking(move || files.end()).await;
    }

    /// Runs what blocks when it is its turn, on a thread that may be blocked. Where the caller goes
    /// away it runs to its end, and what it gives is dropped there.
    pub(crate) async fn blocking<T: Send + 'static>(
        &self,
        operation: &'static str,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, StorageError> {
        let limit = self.options.timeout;
        let turn = Arc::clone(&self.turns).acquire_owned();
        let turn = match select(pin!(turn), self.options.clock.sleep(limit)).await {
            Either::Left((turn, _)) => turn.map_err(|_| closed(operation))?,
            Either::Right(_) => {
                let message = format!("no file's turn came within {limit:?}: the disk is too slow");
                return Err(error(operation, StorageErrorKind::Unavailable, message));
            }
        };
        let work = spawn_blocking(move || {
            let _turn = turn;
            work()
        });
        work.await.map_err(|source| {
            error(operation, StorageErrorKind::Failed, "the file's thread ended unexpectedly")
                .with_source(source)
        })
    }
}
