//! Reader threads: each takes what is queued, **then** begins a read transaction, so that no read
//! joins a snapshot from before its caller asked.

use std::sync::Arc;

use cache_core::clock::Timestamp;
use cache_core::fence::Stamp;
use cache_core::key::Key;
use cache_core::storage::{Lookup, Selector, StorageError, StorageStats};
use rusqlite::Connection;
use tokio::sync::oneshot;

use super::many::{Lookups, read_all};
use super::select::{Cursor, Page, page, references};
use super::{Found, Slot, Snapshot, counter, get};
use crate::error::{closed, failure};
use crate::events::{self, Rows};
use crate::maintain::{HistorySample, samples, stats};
use crate::outside::Referring;
use crate::queue::Queued;
use crate::storage::Shared;

/// More threads gain nothing: what they wait for is the lock of the page cache and the disk.
pub(crate) const READERS_MAX: usize = 2;
/// How many requests share a transaction at most.
const BATCH_MAX: usize = 64;
/// How many rows a page of a scan has.
const PAGE_ROWS: usize = 256;

type Answer<T> = oneshot::Sender<Result<T, StorageError>>;

/// A read that is waited for.
#[derive(Debug)]
pub(crate) enum Read {
    Get { key: Key, answer: Answer<Lookup> },
    GetMany { keys: Vec<Key>, answer: Answer<Lookups> },
    Stamp { answer: Answer<Stamp> },
    Page { selector: Arc<Selector>, cursor: Cursor, answer: Answer<Page> },
    Stats { answer: Answer<StorageStats> },
    References { after: Option<i64>, limit: usize, answer: Answer<Vec<Referring>> },
    Events { after: u64, limit: usize, answer: Answer<Rows> },
    History { since: Timestamp, limit: usize, answer: Answer<Vec<HistorySample>> },
}

/// Sends an answer; a caller that has gone away is not missed.
type Reply = Box<dyn FnOnce()>;

/// Reads until the queue is closed and empty.
pub(crate) fn run(shared: &Shared, index: usize) {
    let mut taken: Vec<Queued<Read>> = Vec::with_capacity(BATCH_MAX);
    let mut replies: Vec<Reply> = Vec::with_capacity(BATCH_MAX);
    while shared.calls.reads.take(&mut taken, BATCH_MAX, true).is_ok() {
        taken.retain(|queued| !queued.item.is_abandoned());
        let mut slot = shared.pool.thread_slot(index);
        let whole = match &slot.connection {
            Some(connection) if taken.len() > 1 => begin(connection),
            _ => false,
        };
        replies.extend(taken.drain(..).map(|queued| queued.item.answer(shared, &mut slot)));
        if let Some(connection) = slot.connection.as_ref().filter(|_| whole) {
            end(connection);
        }
        drop(slot);
        replies.drain(..).for_each(|reply| reply());
    }
}

fn begin(connection: &Connection) -> bool {
    super::execute(connection, "BEGIN").is_ok()
}

fn end(connection: &Connection) {
    drop(Snapshot(Some(connection)));
}

impl Read {
    fn is_abandoned(&self) -> bool {
        match self {
            Self::Get { answer, .. } => answer.is_closed(),
            Self::GetMany { answer, .. } => answer.is_closed(),
            Self::Stamp { answer } => answer.is_closed(),
            Self::Page { answer, .. } => answer.is_closed(),
            Self::Stats { answer } => answer.is_closed(),
            Self::References { answer, .. } => answer.is_closed(),
            Self::Events { answer, .. } => answer.is_closed(),
            Self::History { answer, .. } => answer.is_closed(),
        }
    }

    /// Reads, and gives what sends the answer once the transaction has ended.
    fn answer(self, shared: &Shared, slot: &mut Slot) -> Reply {
        let statements = &shared.statements;
        match self {
            Self::Get { key, answer } => reply(answer, get_one(shared, slot, &key)),
            Self::GetMany { keys, answer } => reply(answer, read_all(shared, slot, &keys)),
            Self::Stamp { answer } => {
                reply(answer, run_on(slot, "stamps", |connection| counter(connection, statements)))
            }
            Self::Page { selector, cursor, answer } => {
                let read = |connection: &Connection| {
                    page(connection, statements, &selector, &cursor, PAGE_ROWS)
                };
                reply(answer, run_on(slot, "scan", read))
            }
            Self::Stats { answer } => {
                reply(answer, run_on(slot, "stats", |connection| stats(shared, connection)))
            }
            Self::References { after, limit, answer } => {
                let read =
                    |connection: &Connection| references(connection, statements, after, limit);
                reply(answer, run_on(slot, "references", read))
            }
            Self::Events { after, limit, answer } => {
                let read =
                    |connection: &Connection| events::rows(connection, statements, after, limit);
                reply(answer, run_on(slot, "read events", read))
            }
            Self::History { since, limit, answer } => {
                let read = |connection: &Connection| samples(connection, statements, since, limit);
                reply(answer, run_on(slot, "history", read))
            }
        }
    }
}

fn reply<T: 'static>(answer: Answer<T>, result: Result<T, StorageError>) -> Reply {
    Box::new(move || drop(answer.send(result)))
}

fn run_on<T>(
    slot: &Slot,
    operation: &'static str,
    read: impl FnOnce(&Connection) -> rusqlite::Result<T>,
) -> Result<T, StorageError> {
    let connection = slot.connection.as_ref().ok_or_else(|| closed(operation))?;
    read(connection).map_err(|source| failure(operation, source))
}

fn get_one(shared: &Shared, slot: &mut Slot, key: &Key) -> Result<Lookup, StorageError> {
    const OPERATION: &str = "get";
    let Slot { connection, accesses, .. } = slot;
    let connection = connection.as_ref().ok_or_else(|| closed(OPERATION))?;
    let now = shared.clock.wall();
    match get(connection, &shared.statements, key, now, i64::MAX, OPERATION) {
        Ok(Ok(Found::Hit(lookup, id))) => {
            accesses.add(id, shared.next_use(now));
            Ok(lookup)
        }
        Ok(Ok(Found::Miss(stamp))) => Ok(Lookup { entry: None, stamp }),
        Ok(Ok(Found::Long)) => Err(crate::error::damaged(OPERATION, "value").with_key(key)),
        Ok(Err(damage)) => Err(damage.with_key(key)),
        Err(source) => Err(failure(OPERATION, source).with_key(key)),
    }
}
