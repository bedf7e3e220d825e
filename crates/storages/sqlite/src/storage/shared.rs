//! What callers and threads share.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use cache_core::clock::{Clock, Timestamp};
use cache_core::storage::{Capabilities, StorageError, StorageErrorKind};
use futures_util::future::{Either, select};
use parking_lot::Mutex;
use tempfile::TempDir;
use tokio::sync::watch;

use crate::config::SqliteOptions;
use crate::connection::DatabaseFile;
use crate::error::error;
use crate::fence::micros;
use crate::maintain::{Counters, Log, Removed, Tallies};
use crate::queue::Queue;
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
    pub(crate) reads: Queue<Read>,
    pub(crate) writes: Queue<Job>,
    pub(crate) log: Log,
    pub(crate) removed: Removed,
    /// What was counted anywhere but on the connections.
    pub(crate) tallies: Mutex<Tallies>,
    pub(crate) counters: Counters,
    last_use: AtomicI64,
    stopping: AtomicBool,
    /// `Some` once everything has stopped.
    pub(super) stopped: watch::Sender<Option<Result<(), StorageError>>>,
    // What follows is dropped last: its connections are closed by then.
    pub(crate) file: DatabaseFile,
    _folder: Option<TempDir>,
}

/// Weights that the queues take: about as many reads, and kibibytes of writes.
const READS_MAX: u32 = 16_384;
const WRITES_MAX: u32 = 64 << 10;

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
            reads: Queue::new(READS_MAX),
            writes: Queue::new(WRITES_MAX),
            removed: Removed::default(),
            log: Log::new(&options, page_bytes),
            tallies: Mutex::default(),
            counters: Counters::default(),
            last_use: AtomicI64::new(0),
            stopping: AtomicBool::new(false),
            stopped: watch::Sender::new(None),
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

    /// Whether it takes no more calls.
    pub(crate) fn is_closed(&self) -> bool {
        self.writes.is_closed()
    }

    /// Takes no more calls; the threads finish what is queued, and end.
    pub(super) fn stop(&self) {
        self.writes.close();
    }

    /// Flushes, stops everything and waits for it.
    pub(super) async fn close(&self) -> Result<(), StorageError> {
        let flushed = if self.is_closed() { Ok(()) } else { self.flush().await };
        self.stop();
        let mut stopped = self.stopped.subscribe();
        // The sender lives in `self`, so that waiting cannot fail.
        let result = match stopped.wait_for(Option::is_some).await {
            Ok(result) => result.clone().unwrap_or(Ok(())),
            Err(_) => Ok(()),
        };
        match flushed {
            // Another call closed it in the meantime; that one flushed.
            Err(error) if error.kind() == StorageErrorKind::Closed => result,
            flushed => flushed.and(result),
        }
    }

    /// Whether the keeper is to end.
    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }

    pub(super) fn stop_keeper(&self) {
        self.stopping.store(true, Ordering::Release);
        self.log.wake();
        self.removed.wake();
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
