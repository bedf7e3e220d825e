//! Keeping the store small and known: accesses, expiry, bounds.

mod evict;
mod keeper;

pub(crate) use keeper::start;

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use cache_core::storage::{Budget, Maintenance, StorageError, StorageStats};
use futures_util::future::BoxFuture;
use sqlx::mysql::{MySqlConnection, MySqlRow};
use tokio::time::timeout;

use crate::connection::{Answer, Script, send_script};
use crate::error::damaged;
use crate::read::{column, text};
use crate::storage::{Job, Shared};
use evict::Turn;

const OPERATION: &str = "maintain";

/// Rows that one transaction touches.
const STEP_ROWS: u64 = 1000;

/// What was removed since the storage was opened.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    evicted: AtomicU64,
    expired: AtomicU64,
}

/// What a step has removed.
#[derive(Clone, Copy, Debug, Default)]
struct Removed {
    entries: u64,
    bytes: u64,
}

/// Removes what has expired, at most `limit`; what others hold at the moment is theirs to remove.
struct RemoveExpired<'a> {
    shared: &'a Shared,
    limit: u64,
}

impl Shared {
    pub(crate) async fn maintain(&self, budget: Budget) -> Result<Maintenance, StorageError> {
        self.maintain_within(budget, true).await
    }

    /// `counts`: the bounds are looked at even if another has just done so.
    async fn maintain_within(
        &self,
        budget: Budget,
        counts: bool,
    ) -> Result<Maintenance, StorageError> {
        let begun = Instant::now();
        let mut done = Maintenance::default();
        self.write_accesses(OPERATION).await?;
        let left = |done: &Maintenance| budget.entries_max - (done.expired + done.evicted);
        let is_late = || begun.elapsed() >= budget.duration_max;
        loop {
            let limit = STEP_ROWS.min(left(&done));
            if limit == 0 || is_late() {
                done.unfinished |= self.any_expired().await?;
                break;
            }
            let removed = self.run(OPERATION, RemoveExpired { shared: self, limit }).await?;
            self.counters.expired.fetch_add(removed.entries, Ordering::Relaxed);
            done.expired += removed.entries;
            done.freed_bytes += removed.bytes;
            if removed.entries < limit {
                break;
            }
        }
        // They are no entries: the budget is for its time alone.
        while !is_late() && self.remove_ended(OPERATION, STEP_ROWS).await? == STEP_ROWS {}
        if !counts && self.counted().await?.is_recent() {
            return Ok(done);
        }
        loop {
            let limit = if is_late() { 0 } else { STEP_ROWS.min(left(&done)) };
            let (evicted, is_over) = self.evict(limit, Turn::Leave).await?;
            done.evicted += evicted.entries;
            done.freed_bytes += evicted.bytes;
            if !is_over {
                break;
            }
            if evicted.entries == 0 {
                done.unfinished |= limit == 0;
                break;
            }
        }
        Ok(done)
    }

    /// Evicts what is over the bound, after a write that began at `begun`, within what is left of
    /// its time. What fails or is cut off here is left to maintenance, for the write has been
    /// carried out.
    pub(crate) async fn hold_bounds(&self, begun: Instant) {
        /// More would keep the write from returning for long.
        const STEPS_MAX: usize = 16;
        let left = self.options.common.timeout.saturating_sub(begun.elapsed());
        let held = timeout(left, async {
            self.write_accesses("write").await?;
            for _ in 0..STEPS_MAX {
                if !self.count().await?.is_over(&self.options) {
                    break;
                }
                let (_, is_over) = self.evict(STEP_ROWS, Turn::Wait).await?;
                if !is_over {
                    break;
                }
            }
            Ok::<(), StorageError>(())
        });
        let _ = held.await;
    }

    async fn any_expired(&self) -> Result<bool, StorageError> {
        let sql = format!(
            "SELECT CAST(EXISTS (SELECT 1 FROM {} WHERE {}) AS SIGNED)",
            self.statements.entries,
            self.statements.expired()
        );
        let rows = self.rows(OPERATION, &sql.into(), &[]).await?;
        let any = rows.first().map_or(Ok(0), |row| column::<i64>(row, 0, "expired"));
        any.map(|any| any != 0).map_err(|source| damaged(OPERATION, source))
    }

    /// Writes down when entries were last used.
    pub(crate) async fn write_accesses(&self, operation: &'static str) -> Result<(), StorageError> {
        loop {
            let taken = self.accesses.take(STEP_ROWS as usize);
            if taken.is_empty() {
                return Ok(());
            }
            let mut script = Script::default();
            script.push("UPDATE (");
            for (at, (key, used)) in taken.iter().enumerate() {
                script.push(if at == 0 { "SELECT " } else { " UNION ALL SELECT " });
                script.bytes(key.as_bytes()).push(if at == 0 { " AS k, " } else { ", " });
                script.number(*used).push(if at == 0 { " AS used" } else { "" });
            }
            script.push(&format!(
                ") n STRAIGHT_JOIN {} e ON e.`key` = n.k SET e.last_accessed = n.used \
                 WHERE e.last_accessed < n.used",
                self.statements.entries
            ));
            self.script(operation, script).await?;
        }
    }

    pub(crate) async fn stats(&self) -> Result<StorageStats, StorageError> {
        // A large table is counted now and then.
        let mut counted = self.counted().await?;
        if !counted.is_recent() {
            counted = self.count().await?;
        }
        let mut stats = StorageStats::default();
        stats.entries = counted.entries;
        stats.payload_bytes = counted.bytes;
        stats.stored_bytes = self.stored_bytes().await?;
        stats.evicted = self.counters.evicted.load(Ordering::Relaxed);
        stats.expired = self.counters.expired.load(Ordering::Relaxed);
        Ok(stats)
    }

    async fn stored_bytes(&self) -> Result<u64, StorageError> {
        const OPERATION: &str = "stats";
        let sql = format!(
            "SELECT CAST(COALESCE(SUM(data_length + index_length), 0) AS SIGNED) \
             FROM information_schema.tables WHERE table_schema = DATABASE() \
             AND table_name IN ('{table}', '{table}_tags')",
            table = self.options.common.table
        );
        let rows = self.rows(OPERATION, &sql.into(), &[]).await?;
        let bytes = rows.first().map_or(Ok(0), |row| column::<i64>(row, 0, "bytes"));
        bytes.map(i64::unsigned_abs).map_err(|source| damaged(OPERATION, source))
    }

    pub(crate) async fn flush(&self) -> Result<(), StorageError> {
        const OPERATION: &str = "flush";
        self.write_accesses(OPERATION).await?;
        // What was committed is as durable as the server is told to make it.
        self.stamps(&[]).await.map(drop)
    }
}

impl crate::schema::Statements {
    /// Whether an entry is past its time.
    fn expired(&self) -> String {
        format!("expire_at BETWEEN 0 AND {}", self.now_ms)
    }
}

impl Job for RemoveExpired<'_> {
    type Output = Removed;

    fn run<'c>(
        &'c self,
        connection: &'c mut MySqlConnection,
    ) -> BoxFuture<'c, Result<Removed, sqlx::Error>> {
        Box::pin(async move {
            let statements = &self.shared.statements;
            let mut find = Script::default();
            self.shared.begin(&mut find);
            find.push(&format!(
                "SELECT `key`, size_bytes FROM {} WHERE {} ORDER BY expire_at LIMIT {} \
                 FOR UPDATE SKIP LOCKED",
                statements.entries,
                statements.expired(),
                self.limit
            ));
            let rows = match send_script(connection, &find.finish()).await? {
                Answer::Told(mut told) => told.pop().unwrap_or_default().rows,
                Answer::Refused => Vec::new(),
            };
            let (keys, removed) = keys_and_bytes(&rows)?;
            let mut script = Script::default();
            if !keys.is_empty() {
                statements.remove(&mut script, &keys, "");
            }
            script.push("COMMIT");
            send_script(connection, &script.finish()).await?;
            Ok(removed)
        })
    }
}

/// Keys in their order, and the bytes of all, from rows of both.
fn keys_and_bytes(rows: &[MySqlRow]) -> Result<(Vec<&str>, Removed), sqlx::Error> {
    let decode = |source| sqlx::Error::Decode(Box::new(source));
    let (mut keys, mut bytes) = (Vec::with_capacity(rows.len()), 0);
    for row in rows {
        keys.push(text(row, 0, "key").map_err(decode)?);
        bytes += column::<i64>(row, 1, "size_bytes").map_err(decode)?.unsigned_abs();
    }
    keys.sort_unstable();
    let removed = Removed { entries: keys.len() as u64, bytes };
    Ok((keys, removed))
}
