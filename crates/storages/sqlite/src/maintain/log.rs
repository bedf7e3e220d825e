//! The write-ahead log: how long it is, who brings it into the file, who waits for that.
//!
//! SQLite would checkpoint within a commit, which is half of the cost of writing or more. Here the
//! keeper's thread does it: it copies pages without a lock, waits for the disk without a lock, does
//! both again for what came in the meantime, and only then, with next to nothing left, takes the
//! write lock to let the log begin anew.

use std::cell::Cell;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use cache_core::storage::StorageError;
use rusqlite::Connection;

use crate::config::{JournalMode, SqliteOptions};
use crate::error::failure;
use crate::queue::Bell;
use crate::storage::Shared;

/// How long a checkpoint waits for readers while it holds the write lock.
const RESTART_TIMEOUT: Duration = Duration::from_millis(20);
/// How long the writer waits for the keeper before it looks for itself.
const RELIEF_PAUSE: Duration = Duration::from_millis(100);
/// How often it waits for a keeper that is at work: a disk may take long.
const RELIEF_PAUSES_MAX: u32 = 100;

/// Pages that a write changes at most, beside those of a long value: of the entries, of the index of
/// keys, of that of clean-up or of a tag, of the fence.
const PAGES_PER_WRITE: usize = 4;

thread_local! {
    /// The pages in the log after the last commit of this thread's connection.
    static PAGES: Cell<u32> = const { Cell::new(0) };
}

/// What the writer and the keeper know of the log.
#[derive(Debug)]
pub(crate) struct Log {
    pages: AtomicU32,
    /// The bound.
    pages_max: u32,
    page_bytes: u64,
    /// Wakes the writer.
    done: Bell,
    /// The keeper is at it.
    working: AtomicBool,
    /// The keeper was at it, and a reader was in the way.
    blocked: AtomicBool,
}

impl Log {
    pub(crate) fn new(options: &SqliteOptions, page_bytes: u64) -> Self {
        /// Before each page stands a header of this length.
        const HEADER_BYTES: u64 = 24;
        let pages_max = match options.journal_mode {
            JournalMode::Wal => options.wal_bytes_max / (page_bytes + HEADER_BYTES),
            // There is no such log.
            _ => u64::MAX,
        };
        Self {
            pages: AtomicU32::new(0),
            pages_max: u32::try_from(pages_max).unwrap_or(u32::MAX),
            page_bytes,
            done: Bell::default(),
            working: AtomicBool::new(false),
            blocked: AtomicBool::new(false),
        }
    }

    pub(super) fn is_long(&self) -> bool {
        self.pages.load(Ordering::Relaxed) >= self.pages_max / 4
    }

    /// Whether what is left of the bound is less than what a transaction may add.
    fn is_too_long(&self) -> bool {
        self.pages.load(Ordering::Relaxed) > self.pages_max - self.transaction_pages_max()
    }

    fn transaction_pages_max(&self) -> u32 {
        self.pages_max / 4
    }

    /// Whether so many writes, with so many bytes of values, are as much as a transaction may add.
    pub(crate) fn fills_transaction(&self, writes: usize, bytes: usize) -> bool {
        let pages = writes * PAGES_PER_WRITE + bytes / self.page_bytes.max(1) as usize;
        pages >= self.transaction_pages_max() as usize
    }

    pub(super) fn is_empty(&self) -> bool {
        self.pages.load(Ordering::Relaxed) == 0
    }
}

/// Has the length of the log noted after each commit of this connection.
pub(crate) fn watch_log(connection: &Connection) {
    PAGES.set(0);
    connection.wal_hook(Some(|_, pages| {
        PAGES.set(u32::try_from(pages).unwrap_or(0));
        Ok(())
    }));
}

/// After a commit, on the writer's thread: tells the keeper if the log has become long.
pub(crate) fn written(shared: &Shared) {
    shared.log.pages.store(PAGES.get(), Ordering::Relaxed);
    if shared.log.is_long() {
        shared.calls.checkpoints.ring();
    }
}

/// On the writer's thread: where the next transaction could take the log over its bound, waits for
/// the keeper, and does its work where it does not come. Where a reader is in the way, neither would
/// help.
pub(crate) fn relieve(shared: &Shared, connection: &Connection) {
    let log = &shared.log;
    let is_pressing = || log.is_too_long() && !log.blocked.load(Ordering::Acquire);
    for _ in 0..RELIEF_PAUSES_MAX {
        if !is_pressing() {
            return;
        }
        if !log.done.wait_for(RELIEF_PAUSE) && !log.working.load(Ordering::Acquire) {
            break;
        }
    }
    if is_pressing() && checkpoint(shared, connection, "RESTART").is_ok_and(|done| done) {
        reset(shared);
    }
}

fn reset(shared: &Shared) {
    // The writer may have committed since; it tells so after its next commit at the latest.
    shared.log.pages.store(0, Ordering::Relaxed);
}

/// On the keeper's thread: brings the log into the file and lets it begin anew, or `cut`s it off;
/// whether nobody was in the way.
pub(super) fn shorten(
    shared: &Shared,
    connection: &Connection,
    cut: bool,
) -> Result<bool, StorageError> {
    let log = &shared.log;
    log.working.store(true, Ordering::Release);
    let done = restart(shared, connection, cut).map_err(|source| failure("checkpoint", source));
    if matches!(done, Ok(true)) {
        reset(shared);
    }
    log.blocked.store(!matches!(done, Ok(true)), Ordering::Release);
    log.working.store(false, Ordering::Release);
    log.done.ring();
    done
}

fn restart(shared: &Shared, connection: &Connection, cut: bool) -> rusqlite::Result<bool> {
    for _ in 0..2 {
        checkpoint(shared, connection, "PASSIVE")?;
        // SQLite syncs by itself what has to be; here the wait is only taken out of the lock. If
        // it fails, the checkpoint that counts fails too, and says so.
        let _ = shared.file.sync();
    }
    let long_file = shared.file.wal_bytes() > shared.options.wal_bytes_max;
    let cut = cut || long_file;
    checkpoint(shared, connection, if cut { "TRUNCATE" } else { "RESTART" })
}

/// On the keeper's thread: what is in the log reaches the file, which bounds what is lost where
/// the power fails. Takes no lock that a writer needs.
pub(super) fn copy(shared: &Shared, connection: &Connection) -> Result<(), StorageError> {
    checkpoint(shared, connection, "PASSIVE")
        .map(drop)
        .map_err(|source| failure("checkpoint", source))
}

/// Whether it got all that it wanted: locks, and no reader in the way.
fn checkpoint(shared: &Shared, connection: &Connection, mode: &str) -> rusqlite::Result<bool> {
    connection.busy_timeout(RESTART_TIMEOUT)?;
    let sql = format!("PRAGMA wal_checkpoint({mode})");
    let busy = connection.prepare_cached(&sql)?.query_row([], |row| row.get::<_, i64>(0));
    connection.busy_timeout(shared.options.timeout)?;
    match busy {
        Ok(busy) => Ok(busy == 0),
        Err(source) if crate::error::is_busy(&source) => Ok(false),
        Err(source) => Err(source),
    }
}

/// The last connection leaves nothing in the log.
pub(crate) fn finish(shared: &Shared, connection: &Connection) -> rusqlite::Result<()> {
    checkpoint(shared, connection, "TRUNCATE").map(drop)
}

impl Shared {
    /// Waits until the keeper has brought the log into the file, as far as readers let it.
    pub(crate) async fn checkpoint(&self, operation: &'static str) -> Result<(), StorageError> {
        if self.options.journal_mode != JournalMode::Wal {
            return Ok(());
        }
        self.within(operation, self.calls.checkpoint(operation)).await
    }
}
