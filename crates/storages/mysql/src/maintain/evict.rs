//! Bounds: what is there is counted, and what was used least recently goes. One process at a time.

use std::sync::atomic::Ordering;

use cache_core::storage::StorageError;
use futures_util::future::BoxFuture;
use sqlx::mysql::{MySqlConnection, MySqlRow};

use super::{Removed, keys_and_bytes};
use crate::config::MySqlOptions;
use crate::connection::{Answer, Script, Told, send_script};
use crate::error::damaged;
use crate::read::column;
use crate::schema::Statements;
use crate::storage::{Job, Shared};

const OPERATION: &str = "maintain";

/// Where another process evicts at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// It is left to that one.
    Leave,
    /// It is waited for.
    Wait,
}

/// What is in the table.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counted {
    pub(super) entries: u64,
    pub(super) bytes: u64,
    /// How long ago.
    age_ms: u64,
}

impl Counted {
    /// Whether it need not be counted again. An index is read through for it, a million entries in
    /// a quarter of a second or so: they are counted at most every ten seconds, 100,000 at will.
    pub(super) fn is_recent(&self) -> bool {
        const AT_WILL: u64 = 100_000;
        self.entries > AT_WILL && self.age_ms < self.entries / 100
    }

    pub(super) fn is_over(&self, options: &MySqlOptions) -> bool {
        self.entries > options.common.max_entries || self.bytes > options.common.max_bytes
    }

    /// Of entries in the order in which they would go, how many have to.
    fn over(&self, sizes: impl Iterator<Item = u64>, options: &MySqlOptions) -> usize {
        let (mut entries, mut bytes) = (self.entries, self.bytes);
        let goes = |size: &u64| {
            let is_over = entries > options.common.max_entries || bytes > options.common.max_bytes;
            entries = entries.saturating_sub(1);
            bytes = bytes.saturating_sub(*size);
            is_over
        };
        sizes.take_while(goes).count()
    }
}

/// Counts, and evicts at most `limit` entries.
struct Evict<'a> {
    shared: &'a Shared,
    limit: u64,
    turn: Turn,
}

impl Shared {
    /// Evicts a part of what is over the bound; gives what went, and whether more has to.
    pub(super) async fn evict(
        &self,
        limit: u64,
        turn: Turn,
    ) -> Result<(Removed, bool), StorageError> {
        let (removed, is_over) = self.run(OPERATION, Evict { shared: self, limit, turn }).await?;
        self.counters.evicted.fetch_add(removed.entries, Ordering::Relaxed);
        Ok((removed, is_over))
    }

    /// Counts.
    pub(super) async fn count(&self) -> Result<Counted, StorageError> {
        let rows = self.rows(OPERATION, &self.statements.count().into(), &[]).await?;
        counted(rows.first()).map_err(|source| damaged(OPERATION, source))
    }

    /// What was counted last, by whom ever.
    pub(super) async fn counted(&self) -> Result<Counted, StorageError> {
        let sql = format!(
            "SELECT entries, bytes, CAST(GREATEST({} - counted_at, 0) AS SIGNED) FROM {} \
             WHERE id = 1",
            self.statements.now_ms, self.statements.totals
        );
        let rows = self.rows(OPERATION, &sql.into(), &[]).await?;
        counted(rows.first()).map_err(|source| damaged(OPERATION, source))
    }
}

fn counted(row: Option<&MySqlRow>) -> Result<Counted, cache_sql::Damaged> {
    let Some(row) = row else { return Ok(Counted::default()) };
    let number = |at| column::<i64>(row, at, "totals").map(|number| number.max(0) as u64);
    Ok(Counted { entries: number(0)?, bytes: number(1)?, age_ms: number(2)? })
}

impl Statements {
    fn count(&self) -> String {
        format!(
            "SELECT COUNT(*), CAST(COALESCE(SUM(size_bytes), 0) AS SIGNED), 0 FROM {}",
            self.entries
        )
    }

    /// Keeps what was counted.
    fn keep_count(&self, script: &mut Script, counted: &Counted) {
        let Self { totals, now_ms, .. } = self;
        script.push(&format!("REPLACE INTO {totals} (id, entries, bytes, counted_at) VALUES (1, "));
        script.number(i64::try_from(counted.entries).unwrap_or(i64::MAX)).push(", ");
        script.number(i64::try_from(counted.bytes).unwrap_or(i64::MAX));
        script.push(&format!(", {now_ms}); "));
    }
}

impl Evict<'_> {
    async fn carry_out(
        &self,
        connection: &mut MySqlConnection,
    ) -> Result<(Removed, bool), sqlx::Error> {
        let Self { shared, limit, turn } = *self;
        let statements = &shared.statements;
        let mut look = Script::default();
        let before = shared.begin(&mut look);
        let skip = if turn == Turn::Leave { "SKIP LOCKED" } else { "" };
        look.push(&format!(
            "SELECT id FROM {totals} WHERE id = 1 FOR UPDATE {skip}; \
             SELECT COUNT(*) FROM {totals}; {count}; \
             SELECT `key`, size_bytes FROM {entries} ORDER BY last_accessed LIMIT {limit}",
            totals = statements.totals,
            entries = statements.entries,
            count = statements.count(),
        ));
        let told = match send_script(connection, &look.finish()).await? {
            Answer::Told(told) => told,
            Answer::Refused => return Ok((Removed::default(), false)),
        };
        let rows = |at: usize| -> &[MySqlRow] {
            told.get(before + at).map_or(&[], |told: &Told| &told.rows)
        };
        let decode = |source| sqlx::Error::Decode(Box::new(source));
        let is_there = match rows(1).first() {
            Some(row) => column::<i64>(row, 0, "totals").map_err(decode)? > 0,
            None => false,
        };
        if is_there && rows(0).is_empty() {
            send_script(connection, &"ROLLBACK".into()).await?;
            return Ok((Removed::default(), false));
        }
        let mut counted = counted(rows(2).first()).map_err(decode)?;
        let mut sizes = Vec::with_capacity(rows(3).len());
        for row in rows(3) {
            sizes.push(column::<i64>(row, 1, "size_bytes").map_err(decode)?.unsigned_abs());
        }
        let over = counted.over(sizes.into_iter(), &shared.options);
        let (keys, removed) = keys_and_bytes(&rows(3)[..over])?;
        let mut script = Script::default();
        if !keys.is_empty() {
            statements.remove(&mut script, &keys, "");
        }
        counted.entries -= removed.entries.min(counted.entries);
        counted.bytes -= removed.bytes.min(counted.bytes);
        statements.keep_count(&mut script, &counted);
        script.push("COMMIT");
        send_script(connection, &script.finish()).await?;
        Ok((removed, counted.is_over(&shared.options)))
    }
}

impl Job for Evict<'_> {
    type Output = (Removed, bool);

    fn run<'c>(
        &'c self,
        connection: &'c mut MySqlConnection,
    ) -> BoxFuture<'c, Result<(Removed, bool), sqlx::Error>> {
        Box::pin(self.carry_out(connection))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_go_as_are_over_either_bound() {
        let options = MySqlOptions::from_url("mysql://h/d?max_entries=10&max_bytes=100").unwrap();
        for (entries, bytes, expected) in
            [(10, 100, 0), (12, 50, 2), (10, 101, 1), (10, 110, 1), (10, 111, 2), (3, 900, 4)]
        {
            let counted = Counted { entries, bytes, age_ms: 0 };
            let over = counted.over([10, 10, 10, 10].into_iter(), &options);
            assert_eq!(over, expected, "{entries} {bytes}");
            assert_eq!(counted.is_over(&options), expected > 0);
        }
    }

    #[test]
    fn a_small_table_is_counted_at_will() {
        let recent = |entries, age_ms| Counted { entries, bytes: 0, age_ms }.is_recent();
        assert!(!recent(100_000, 0));
        assert!(recent(1_000_000, 9_999));
        assert!(!recent(1_000_000, 10_000));
    }
}
