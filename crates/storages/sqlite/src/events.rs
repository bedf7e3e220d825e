//! The log of events: a table in the same file, looked at again and again.
//!
//! Its numbers have no holes, for a writer takes the next one under the lock of the file. A reader
//! that goes by them misses nothing, and tells by a hole what was removed.

use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use cache_core::backplane::{EventLog, Page, Position};
use cache_core::storage::StorageError;
use rusqlite::{Connection, OptionalExtension, params};
use tokio::sync::oneshot;
use tokio::time::sleep;

use crate::error::closed;
use crate::read::Read;
use crate::storage::{Shared, Sqlite};
use crate::write::{Job, Transaction};

const APPEND: &str = "append";
const READ: &str = "read events";

/// How many rows one append removes at most, beside as many as it adds.
const TRIMMED_MAX: i64 = 256;

/// Origin and number of the last event.
pub(crate) type End = (u64, u64);

/// The end, and numbers and events after the number that was asked for.
pub(crate) type Rows = (End, Vec<(u64, Bytes)>);

#[async_trait]
impl EventLog for Sqlite {
    async fn append(&self, events: Vec<Bytes>) -> Result<(), StorageError> {
        self.shared().append_events(events).await.map(drop)
    }

    async fn end(&self) -> Result<Position, StorageError> {
        let (origin, last) = self.shared().append_events(Vec::new()).await?;
        Ok(Position::numbered(origin, last))
    }

    async fn read(
        &self,
        after: &Position,
        wait: Duration,
        limit: usize,
    ) -> Result<Page, StorageError> {
        let shared = self.shared();
        let begun = Instant::now();
        loop {
            let page = shared.page_of_events(after, limit).await?;
            let left = wait.saturating_sub(begun.elapsed());
            if left.is_zero() || page.gap || page.more || page.next != *after {
                return Ok(page);
            }
            sleep(left.min(shared.options.events_interval)).await;
        }
    }
}

impl Shared {
    async fn append_events(&self, events: Vec<Bytes>) -> Result<End, StorageError> {
        if self.calls.is_closed() {
            return Err(closed(APPEND));
        }
        let weight = 1 + events.iter().map(Bytes::len).sum::<usize>() / 1024;
        let (answer, answered) = oneshot::channel();
        let job = Job::Append { events, end: (0, 0), answer };
        self.job(APPEND, job, weight, answered).await
    }

    async fn page_of_events(&self, after: &Position, limit: usize) -> Result<Page, StorageError> {
        if self.calls.is_closed() {
            return Err(closed(READ));
        }
        let number = after.as_numbered().map_or(u64::MAX, |(_, number)| number);
        let (answer, answered) = oneshot::channel();
        let read = Read::Events { after: number, limit, answer };
        let (end, rows) = self.read(READ, read, 1, answered).await?;
        Ok(Page::of_table(after, end, rows, limit))
    }
}

/// Appends events in a transaction of the writer, and removes what is over the bound.
pub(crate) fn append(txn: &mut Transaction<'_>, events: &[Bytes]) -> rusqlite::Result<End> {
    let (statements, options) = (txn.statements(), &txn.shared.options);
    let connection = txn.connection;
    if options.create {
        connection.prepare_cached(&statements.events_create)?.execute([])?;
    }
    let last = connection
        .prepare_cached(&statements.events_last)?
        .query_row([], |row| row.get::<_, Option<i64>>(0))?;
    let mut insert = connection.prepare_cached(&statements.events_insert)?;
    let mut last = match last {
        Some(last) => last,
        None => {
            // By the clock: a log that was emptied never goes on with numbers that were given out.
            let first = i64::try_from(txn.now.unix_ms().saturating_mul(1000)).unwrap_or(1);
            insert.execute(params![first, &[][..] as &[u8]])?;
            first
        }
    };
    for event in events {
        last += 1;
        insert.execute(params![last, &event[..]])?;
    }
    if !events.is_empty() {
        let bound = last.saturating_sub(i64::try_from(options.events_max).unwrap_or(i64::MAX));
        let rows = TRIMMED_MAX.saturating_add(i64::try_from(events.len()).unwrap_or(i64::MAX));
        connection.prepare_cached(&statements.events_trim)?.execute([bound, rows])?;
    }
    txn.bytes += events.iter().map(Bytes::len).sum::<usize>();
    Ok((txn.fence.origin, last as u64))
}

/// The end of the log, and what comes after a number. Where there is no table yet, nothing.
pub(crate) fn rows(
    connection: &Connection,
    statements: &crate::schema::Statements,
    after: u64,
    limit: usize,
) -> rusqlite::Result<Rows> {
    let made = connection.prepare_cached(&statements.events_exist)?.exists([])?;
    let origin = connection
        .prepare_cached(&statements.stamp)?
        .query_row([], |row| row.get::<_, i64>(1))
        .optional()?;
    let origin = origin.unwrap_or_default() as u64;
    if !made {
        return Ok(((origin, 0), Vec::new()));
    }
    let after = i64::try_from(after).unwrap_or(i64::MAX);
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut statement = connection.prepare_cached(&statements.events)?;
    let mut found = statement.query([after, limit])?;
    let (mut last, mut rows) = (0, Vec::new());
    while let Some(row) = found.next()? {
        last = row.get::<_, Option<i64>>(0)?.unwrap_or_default() as u64;
        if let (Some(number), Some(event)) =
            (row.get::<_, Option<i64>>(1)?, row.get::<_, Option<Vec<u8>>>(2)?)
        {
            rows.push((number as u64, Bytes::from(event)));
        }
    }
    Ok(((origin, last), rows))
}
