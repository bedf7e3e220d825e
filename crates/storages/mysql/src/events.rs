//! The log of events: a table, looked at again and again.
//!
//! Its numbers have no holes, for an append takes the next ones from a row that it locks until its
//! commit. A reader that goes by them misses none that commits late, and tells by a hole what was
//! removed.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use cache_core::backplane::{EventLog, Page, Position};
use cache_core::storage::{StorageError, StorageErrorKind};
use cache_sql::fill_in;
use tokio::sync::OnceCell;
use tokio::time::sleep;

use crate::config::MySqlOptions;
use crate::connection::{Answer, Script};
use crate::error::{closed, damaged, error};
use crate::fence::REFUSE;
use crate::read::column;
use crate::schema::Statements;
use crate::storage::{MySql, Shared};

const APPEND: &str = "append";
const READ: &str = "read events";

/// How many events and bytes one script appends.
const EVENTS_PER_APPEND: usize = 256;
const BYTES_PER_APPEND: usize = 1 << 20;
/// How many rows one append removes at most, beside as many as it adds.
const TRIMMED_MAX: usize = 256;

/// What reading and appending share.
pub(crate) struct Events {
    table: String,
    /// Origin, the last number, number and event or nulls; no row where there is no log.
    read: String,
    /// Whether the table has been found or made.
    made: OnceCell<()>,
}

/// The script of the log, with its names filled in.
pub(crate) fn script(options: &MySqlOptions) -> Result<String, StorageError> {
    let values = [("table", &*options.common.table)];
    fill_in(include_str!("../schema/events_v1.sql"), &values).map_err(|source| {
        error("schema", StorageErrorKind::Failed, source.to_string()).with_source(source)
    })
}

impl Events {
    pub(crate) fn new(options: &MySqlOptions, statements: &Statements) -> Self {
        let table = format!("`{}_events`", options.common.table);
        let (origin, meta) = (statements.origin, &statements.meta);
        // Arguments are bytes, and no number by themselves.
        let read = format!(
            "SELECT {origin}, l.last, e.id, e.event FROM {meta} m \
             JOIN {table} l ON l.id = 0 LEFT JOIN (SELECT id, event FROM {table} \
             WHERE id > CAST(CAST(? AS CHAR) AS SIGNED) AND id > 0 ORDER BY id LIMIT {{limit}}) e \
             ON 1 = 1 WHERE m.id = 1 ORDER BY e.id"
        );
        Self { table, read, made: OnceCell::new() }
    }
}

#[async_trait]
impl EventLog for MySql {
    async fn append(&self, events: Vec<Bytes>) -> Result<(), StorageError> {
        let shared = self.shared();
        shared.make_events().await?;
        let mut rest = &events[..];
        while !rest.is_empty() {
            let mut bytes = 0;
            let fits = rest.iter().take(EVENTS_PER_APPEND).take_while(|event| {
                bytes += event.len();
                bytes <= BYTES_PER_APPEND
            });
            let count = fits.count().max(1);
            shared.append_events(&rest[..count]).await?;
            rest = &rest[count..];
        }
        Ok(())
    }

    async fn end(&self) -> Result<Position, StorageError> {
        let shared = self.shared();
        shared.make_events().await?;
        // Past every number, so that the end alone is told.
        let ((origin, last), _) = shared.rows_of_events(u64::MAX, 1).await?;
        Ok(Position::numbered(origin, last))
    }

    async fn read(
        &self,
        after: &Position,
        wait: Duration,
        limit: usize,
    ) -> Result<Page, StorageError> {
        let shared = self.shared();
        shared.make_events().await?;
        let begun = Instant::now();
        let number = after.as_numbered().map_or(u64::MAX, |(_, number)| number);
        loop {
            let (end, rows) = shared.rows_of_events(number, limit).await?;
            let page = Page::of_table(after, end, rows, limit);
            let left = wait.saturating_sub(begun.elapsed());
            if left.is_zero() || page.gap || page.more || page.next != *after {
                return Ok(page);
            }
            sleep(left.min(shared.options.events_interval)).await;
        }
    }
}

impl Shared {
    async fn append_events(&self, events: &[Bytes]) -> Result<(), StorageError> {
        if let Answer::Told(_) = self.script(APPEND, self.appending(events)).await? {
            return Ok(());
        }
        // The log has lost its first row, or was emptied.
        self.make_table_of_events().await?;
        match self.script(APPEND, self.appending(events)).await? {
            Answer::Told(_) => Ok(()),
            Answer::Refused => {
                let message = "the table of events does not keep what is written to it";
                Err(error(APPEND, StorageErrorKind::Failed, message))
            }
        }
    }

    /// Takes numbers, stores under them, and removes what is over the bound.
    fn appending(&self, events: &[Bytes]) -> Script {
        let mut script = Script::default();
        let table = &self.events.table;
        let count = events.len() as i64;
        self.begin(&mut script);
        script.push(&format!("UPDATE {table} SET last = LAST_INSERT_ID(last + "));
        script.number(count).push(") WHERE id = 0; ");
        script.push(&format!("SET @last = IF(ROW_COUNT() = 1, LAST_INSERT_ID(), {REFUSE}); "));
        script.push(&format!("INSERT INTO {table} (id, last, event) VALUES "));
        for (at, event) in events.iter().enumerate() {
            script.push(if at == 0 { "(@last - " } else { ", (@last - " });
            script.number(count - 1 - at as i64).push(", 0, ").bytes(event).push(")");
        }
        script.push(&format!("; DELETE FROM {table} WHERE id > 0 AND id <= @last - "));
        script.number(i64::try_from(self.options.common.events_max).unwrap_or(i64::MAX));
        script.push(" ORDER BY id LIMIT ");
        script.number((TRIMMED_MAX + events.len()) as i64).push("; COMMIT; ");
        script
    }

    async fn rows_of_events(
        &self,
        after: u64,
        limit: usize,
    ) -> Result<((u64, u64), Vec<(u64, Bytes)>), StorageError> {
        let after = i64::try_from(after).unwrap_or(i64::MAX).to_string();
        let sql: Arc<str> = self.events.read.replace("{limit}", &limit.to_string()).into();
        let found = self.rows(READ, &sql, &[&after]).await?;
        let failed = |source| damaged(READ, source);
        let (mut end, mut rows) = ((0, 0), Vec::with_capacity(found.len()));
        for row in &found {
            let origin: i64 = column(row, 0, "origin").map_err(failed)?;
            let last: i64 = column(row, 1, "last").map_err(failed)?;
            end = (origin as u64, last as u64);
            let number: Option<i64> = column(row, 2, "id").map_err(failed)?;
            let event: Option<Vec<u8>> = column(row, 3, "event").map_err(failed)?;
            if let (Some(number), Some(event)) = (number, event) {
                rows.push((number as u64, Bytes::from(event)));
            }
        }
        if found.is_empty() {
            // Without its first row nothing is known, and an append makes it anew.
            self.make_table_of_events().await?;
        }
        Ok((end, rows))
    }

    async fn make_events(&self) -> Result<(), StorageError> {
        if self.pool.is_closed() {
            return Err(closed(READ));
        }
        let made = self.events.made.get_or_try_init(|| async {
            let known = format!(
                "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = DATABASE() \
                 AND table_name = '{}_events'",
                self.options.common.table
            );
            let rows = self.rows(READ, &known.into(), &[]).await?;
            let count: i64 = match rows.first() {
                Some(row) => column(row, 0, "count").map_err(|source| damaged(READ, source))?,
                None => 0,
            };
            if count == 0 { self.make_table_of_events().await } else { Ok(()) }
        });
        made.await.copied()
    }

    async fn make_table_of_events(&self) -> Result<(), StorageError> {
        if !self.options.common.create {
            let message =
                format!("there is no table `{}_events`, or it is empty", self.options.common.table);
            return Err(error(READ, StorageErrorKind::Incompatible, message));
        }
        let mut text = Script::default();
        text.push(&script(&self.options)?);
        self.script(APPEND, text).await.map(drop)
    }
}
