//! What callers and threads share.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use cache_core::clock::{Clock, Timestamp};
use cache_core::storage::{Capabilities, StorageError, StorageErrorKind};
use futures_util::future::{Either, select};
use parking_lot::Mutex;
use tempfile::TempDir;

use crate::calls::Calls;
use crate::config::SqliteOptions;
use crate::connection::DatabaseFile;
use crate::error::error;
use crate::fence::micros;
use crate::maintain::{Counters, Log, Tallies};
use crate::read::{Pool, Read};
use crate::schema::Statements;
use crate::write::Job;

/// An open store.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) options: SqliteOptions,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) capabilities: Capabilities,
    pub(crate) statements: Statements,
    /// Whether the file gives back pages when asked to.
    pub(crate) incremental: bool,
    pub(crate) pool: Pool,
    pub(crate) calls: Arc<Calls<Read, Job>>,
    pub(crate) log: Log,
    /// What was counted anywhere but on the connections.
    pub(crate) tallies: Mutex<Tallies>,
    pub(crate) counters: Counters,
    last_use: AtomicI64,
    // What follows is dropped last: its connections are closed by then.
    pub(crate) file: DatabaseFile,
    _folder: Option<TempDir>,
}

/// What was opened, and becomes a [`Shared`].
pub(super) struct Opened {
    pub(super) options: SqliteOptions,
    pub(super) capabilities: Capabilities,
    pub(super) incremental: bool,
    pub(super) page_bytes: u64,
    pub(super) pool: Pool,
    pub(super) file: DatabaseFile,
    pub(super) folder: Option<TempDir>,
}

impl Shared {
    pub(super) fn new(opened: Opened) -> Self {
        let Opened { options, capabilities, incremental, page_bytes, pool, file, folder } = opened;
        Self {
            clock: Arc::clone(&options.clock),
            capabilities,
            statements: Statements::new(&options.table, options.place()),
            incremental,
            pool,
            calls: Arc::new(Calls::new()),
            log: Log::new(&options, page_bytes),
            tallies: Mutex::default(),
            counters: Counters::default(),
            last_use: AtomicI64::new(0),
            options,
            file,
            _folder: folder,
        }
    }

    /// A moment of use: the time, and later than every one that was given before.
    pub(crate) fn next_use(&self, now: Timestamp) -> i64 {
        let now = micros(now);
        let next = |last: i64| now.max(last.saturating_add(1));
        let last = self
            .last_use
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |last| Some(next(last)));
        next(last.unwrap_or(now))
    }

    /// Flushes, stops everything and waits for it.
    pub(super) async fn close(&self) -> Result<(), StorageError> {
        self.calls.close(self.flush()).await
    }

    /// Waits for an answer, for the lock's timeout and as long again in the queue.
    pub(crate) async fn within<T>(
        &self,
        operation: &'static str,
        answer: impl Future<Output = Result<T, StorageError>>,
    ) -> Result<T, StorageError> {
        let limit = self.options.timeout.saturating_mul(2);
        match select(pin!(answer), self.clock.sleep(limit)).await {
            Either::Left((answer, _)) => answer,
            Either::Right(_) => {
                let message = format!("no answer within {limit:?}: too much is queued");
                Err(error(operation, StorageErrorKind::Unavailable, message))
            }
        }
    }
}
