//! Reads: on the caller's thread where that holds nobody up, otherwise by a reader thread.

mod pool;
mod row;
mod scan;
mod select;
mod thread;

pub(crate) use pool::{Pool, Slot};
pub(crate) use row::{Details, kind_number, moment, tags_from, tags_text, timestamp};
pub(crate) use select::{Cursor, page};
pub(crate) use thread::{READERS_MAX, Read, run};

use std::time::Instant;

use cache_core::clock::Timestamp;
use cache_core::fence::Stamp;
use cache_core::key::Key;
use cache_core::storage::{Lookup, StorageError, StorageErrorKind};
use rusqlite::{Connection, OptionalExtension};
use tokio::sync::oneshot;
use tokio::task::coop::consume_budget;

use crate::error::{closed, failure, is_busy};
use crate::maintain::Operation;
use crate::schema::Statements;
use crate::storage::Shared;
use row::{Found, NO_STAMP, found, stamp};

/// A longer value is read by a reader thread, for copying it takes more than a task switch.
const AT_ONCE_VALUE_BYTES_MAX: i64 = 64 << 10;
/// More keys than this are read by a reader thread.
const AT_ONCE_KEYS_MAX: usize = 8;
/// What a key of a batch weighs in the queue of reads.
const KEYS_PER_WEIGHT: usize = 16;

impl Shared {
    pub(crate) async fn get(&self, key: &Key) -> Result<Lookup, StorageError> {
        const OPERATION: &str = "get";
        // Otherwise a task that only hits would never let its neighbours run.
        consume_budget().await;
        let begun = Instant::now();
        if let Some(answer) = self.get_at_once(key, begun) {
            return answer;
        }
        let (answer, answered) = oneshot::channel();
        let answer =
            self.read(OPERATION, Read::Get { key: key.clone(), answer }, 1, answered).await;
        let hits = answer.as_ref().map(|lookup| u64::from(lookup.entry.is_some()));
        self.tallies.lock().add(Operation::Get, begun, 1, hits.ok());
        answer
    }

    /// `None` if no connection is free, one would have to wait, or the value is long.
    fn get_at_once(&self, key: &Key, begun: Instant) -> Option<Result<Lookup, StorageError>> {
        const OPERATION: &str = "get";
        let mut slot = self.pool.try_slot()?;
        let Slot { connection, accesses, tallies } = &mut *slot;
        let Some(connection) = connection else { return Some(Err(closed(OPERATION))) };
        let now = self.clock.wall();
        let found = get(connection, &self.statements, key, now, AT_ONCE_VALUE_BYTES_MAX, OPERATION);
        let answer = match found {
            Ok(Ok(Found::Hit(lookup, id))) => {
                accesses.add(id, self.next_use(now));
                Ok(lookup)
            }
            Ok(Ok(Found::Miss(stamp))) => Ok(Lookup { entry: None, stamp }),
            Ok(Ok(Found::Long)) => return None,
            Ok(Err(damage)) => Err(damage.with_key(key)),
            Err(source) if is_busy(&source) => return None,
            Err(source) => Err(failure(OPERATION, source).with_key(key)),
        };
        let hits = answer.as_ref().map(|lookup| u64::from(lookup.entry.is_some()));
        tallies.add(Operation::Get, begun, 1, hits.ok());
        Some(answer)
    }

    pub(crate) async fn get_many(
        &self,
        keys: &[Key],
    ) -> Result<Vec<Result<Lookup, StorageError>>, StorageError> {
        const OPERATION: &str = "get_many";
        if keys.is_empty() {
            return if self.calls.is_closed() { Err(closed(OPERATION)) } else { Ok(Vec::new()) };
        }
        consume_budget().await;
        let begun = Instant::now();
        let answer = match self.get_many_at_once(keys) {
            Some(answer) => answer,
            None => {
                let (answer, answered) = oneshot::channel();
                let read = Read::GetMany { keys: keys.to_vec(), answer };
                let weight = keys.len().div_ceil(KEYS_PER_WEIGHT);
                self.read(OPERATION, read, weight, answered).await
            }
        };
        let hits = |lookups: &Vec<Result<Lookup, StorageError>>| {
            let hit = |lookup: &&Result<Lookup, _>| {
                lookup.as_ref().is_ok_and(|lookup| lookup.entry.is_some())
            };
            lookups.iter().filter(hit).count() as u64
        };
        let hits = answer.as_ref().ok().map(hits);
        self.tallies.lock().add(Operation::GetMany, begun, keys.len() as u64, hits);
        answer
    }

    fn get_many_at_once(
        &self,
        keys: &[Key],
    ) -> Option<Result<Vec<Result<Lookup, StorageError>>, StorageError>> {
        if keys.len() > AT_ONCE_KEYS_MAX {
            return None;
        }
        let mut slot = self.pool.try_slot()?;
        match get_many(self, &mut slot, keys, AT_ONCE_VALUE_BYTES_MAX) {
            Ok(answers) => answers.map(Ok),
            Err(error) if error.kind() == StorageErrorKind::Unavailable => None,
            Err(error) => Some(Err(error)),
        }
    }

    pub(crate) async fn stamps(&self, keys: &[Key]) -> Result<Vec<Stamp>, StorageError> {
        const OPERATION: &str = "stamps";
        consume_budget().await;
        let at_once = self.pool.try_slot().and_then(|slot| match &slot.connection {
            None => Some(Err(closed(OPERATION))),
            Some(connection) => match counter(connection, &self.statements) {
                Err(source) if is_busy(&source) => None,
                answer => Some(answer.map_err(|source| failure(OPERATION, source))),
            },
        });
        let stamp = match at_once {
            Some(answer) => answer?,
            None => {
                let (answer, answered) = oneshot::channel();
                self.read(OPERATION, Read::Stamp { answer }, 1, answered).await?
            }
        };
        Ok(vec![stamp; keys.len()])
    }

    /// Hands a read to the reader threads and waits for its answer.
    pub(crate) async fn read<T>(
        &self,
        operation: &'static str,
        read: Read,
        weight: usize,
        answered: oneshot::Receiver<Result<T, StorageError>>,
    ) -> Result<T, StorageError> {
        self.within(operation, self.calls.read(operation, read, weight, answered)).await
    }
}

/// Reads one key; the outer error is the driver's, the inner one a damaged record.
fn get(
    connection: &Connection,
    statements: &Statements,
    key: &Key,
    now: Timestamp,
    value_bytes_max: i64,
    operation: &'static str,
) -> rusqlite::Result<Result<Found, StorageError>> {
    let mut statement = connection.prepare_cached(&statements.get)?;
    let mut rows = statement.query([key.digest() as i64, value_bytes_max])?;
    match rows.next()? {
        Some(row) => Ok(found(row, key, now, operation)),
        None => Ok(Ok(Found::Miss(NO_STAMP))),
    }
}

/// Reads many keys from one snapshot. `None` if a value is longer than was to be read.
fn get_many(
    shared: &Shared,
    slot: &mut Slot,
    keys: &[Key],
    value_bytes_max: i64,
) -> Result<Option<Vec<Result<Lookup, StorageError>>>, StorageError> {
    const OPERATION: &str = "get_many";
    let Slot { connection, accesses, .. } = slot;
    let Some(connection) = connection else { return Err(closed(OPERATION)) };
    let now = shared.clock.wall();
    // In the order of rows, so that neighbours are found on one page.
    let mut order: Vec<usize> = (0..keys.len()).collect();
    order.sort_unstable_by_key(|index| keys[*index].digest() as i64);
    let snapshot = Snapshot::begin(connection, keys.len() > 1);
    let mut answers: Vec<Option<Result<Lookup, StorageError>>> = vec![None; keys.len()];
    for index in order {
        let key = &keys[index];
        let found = get(connection, &shared.statements, key, now, value_bytes_max, OPERATION);
        let answer = match found {
            Ok(Ok(Found::Hit(lookup, id))) => {
                accesses.add(id, shared.next_use(now));
                Ok(lookup)
            }
            Ok(Ok(Found::Miss(stamp))) => Ok(Lookup { entry: None, stamp }),
            Ok(Ok(Found::Long)) => return Ok(None),
            Ok(Err(damage)) => Err(damage.with_key(key)),
            Err(source) => {
                let error = failure(OPERATION, source).with_key(key);
                // A damaged page hits one key, anything else hits all.
                if error.kind() != StorageErrorKind::Corrupt {
                    return Err(error);
                }
                Err(error)
            }
        };
        answers[index] = Some(answer);
    }
    drop(snapshot);
    Ok(Some(answers.into_iter().flatten().collect()))
}

fn counter(connection: &Connection, statements: &Statements) -> rusqlite::Result<Stamp> {
    // A key that is nowhere: what is asked for stands in every answer.
    let mut statement = connection.prepare_cached(&statements.get)?;
    let stamp = statement.query_row([0, 0], stamp).optional()?;
    Ok(stamp.unwrap_or(NO_STAMP))
}

/// A read transaction that ends with this value.
struct Snapshot<'a>(Option<&'a Connection>);

impl<'a> Snapshot<'a> {
    /// Begins one if `several` statements are to see the same state; without one each sees the
    /// newest.
    fn begin(connection: &'a Connection, several: bool) -> Self {
        let begun = several && execute(connection, "BEGIN").is_ok();
        Self(begun.then_some(connection))
    }
}

impl Drop for Snapshot<'_> {
    fn drop(&mut self) {
        if let Some(connection) = self.0
            && execute(connection, "COMMIT").is_err()
            && !connection.is_autocommit()
        {
            // Nothing was written; a transaction that cannot be ended ends with its connection.
            let _ = execute(connection, "ROLLBACK");
        }
    }
}

pub(crate) fn execute(connection: &Connection, sql: &str) -> rusqlite::Result<()> {
    connection.prepare_cached(sql)?.execute([]).map(drop)
}
