//! Reads: on the caller's thread where that holds nobody up, otherwise by a reader thread.

mod many;
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
use cache_core::storage::{Lookup, StorageError};
use rusqlite::{Connection, OptionalExtension};
use tokio::sync::oneshot;
use tokio::task::coop::consume_budget;

use crate::error::{closed, damaged, failure, is_busy};
use crate::maintain::Operation;
use crate::schema::Statements;
use crate::storage::Shared;
use row::{Found, NO_STAMP, STAMP, found, stamp};

/// A longer value is read by a reader thread, for copying it takes more than a task switch.
const AT_ONCE_VALUE_BYTES_MAX: i64 = 64 << 10;

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
    let Some(row) = rows.next()? else { return Ok(Ok(Found::Miss(NO_STAMP))) };
    Ok(match stamp(row, STAMP) {
        Ok(stamp) => found(row, key, now, stamp, statements.place, operation),
        Err(_) => Err(damaged(operation, "counter")),
    })
}

fn counter(connection: &Connection, statements: &Statements) -> rusqlite::Result<Stamp> {
    let mut statement = connection.prepare_cached(&statements.stamp)?;
    let stamp = statement.query_row([], |row| stamp(row, 0)).optional()?;
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
