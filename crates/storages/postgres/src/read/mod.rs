//! Reads: one statement each, of one key or of many.

mod row;
mod scan;

pub(crate) use row::{column, stamp};

use std::collections::HashMap;
use std::time::{SystemTime, UNIX_EPOCH};

use cache_core::fence::Stamp;
use cache_core::key::Key;
use cache_core::storage::{Lookup, StorageError};
use cache_sql::{EXPIRED, Known, NO_STAMP};
use foldhash::fast::RandomState;
use sqlx::postgres::PgRow;

use crate::error::{closed, damaged};
use crate::storage::{Arguments, Shared};

impl Shared {
    pub(crate) async fn get(&self, key: &Key) -> Result<Lookup, StorageError> {
        const OPERATION: &str = "get";
        let before = self.known.before();
        let arguments = || Arguments::default().with(key.as_str());
        let row = self.row(OPERATION, &self.statements.get, arguments).await;
        let row = row.map_err(|error| error.with_key(key))?;
        let told = stamp(&row).map_err(|source| damaged(OPERATION, source))?;
        self.known.learn(told);
        let lookup = match row::key(&row) {
            Ok(None) => Ok(Lookup { entry: None, stamp: told }),
            Ok(Some(_)) => self.found(key, &row, before, told),
            Err(source) => Err(damaged(OPERATION, source)),
        };
        lookup.map_err(|error| error.with_key(key))
    }

    pub(crate) async fn get_many(
        &self,
        keys: &[Key],
    ) -> Result<Vec<Result<Lookup, StorageError>>, StorageError> {
        const OPERATION: &str = "get_many";
        if keys.is_empty() {
            return if self.pool.is_closed() { Err(closed(OPERATION)) } else { Ok(Vec::new()) };
        }
        let before = self.known.before();
        let texts: Vec<&str> = keys.iter().map(Key::as_str).collect();
        let arguments = || Arguments::default().with(&texts[..]);
        let rows = self.rows(OPERATION, &self.statements.get_many, arguments).await?;
        let failed = |source| damaged(OPERATION, source);
        let mut found: HashMap<&str, &PgRow, RandomState> =
            HashMap::with_capacity_and_hasher(rows.len(), RandomState::default());
        for row in &rows {
            if let Some(key) = row::key(row).map_err(failed)? {
                found.insert(key, row);
            }
        }
        // The same in each row.
        let told = rows.first().map(stamp).transpose().map_err(failed)?.unwrap_or(NO_STAMP);
        self.known.learn(told);
        let lookup = |key: &Key| match found.get(key.as_str()) {
            None => Ok(Lookup { entry: None, stamp: told }),
            Some(row) => self.found(key, row, before, told).map_err(|error| error.with_key(key)),
        };
        Ok(keys.iter().map(lookup).collect())
    }

    pub(crate) async fn stamps(&self, keys: &[Key]) -> Result<Vec<Stamp>, StorageError> {
        const OPERATION: &str = "stamps";
        let row = self.row(OPERATION, &self.statements.stamp, Arguments::default).await?;
        let stamp = stamp(&row).map_err(|source| damaged(OPERATION, source))?;
        self.known.learn(stamp);
        Ok(vec![stamp; keys.len()])
    }

    fn found(
        &self,
        key: &Key,
        row: &PgRow,
        before: Stamp,
        told: Stamp,
    ) -> Result<Lookup, StorageError> {
        let (entry, last_accessed) = row::entry(row).map_err(|source| damaged("get", source))?;
        // What an invalidation has made stale is known to be older than it.
        let stamp = if entry.fresh_until == EXPIRED { told } else { Known::of_hit(before, told) };
        self.note_use(key, last_accessed);
        Ok(Lookup { entry: Some(entry), stamp })
    }

    /// Notes a use, where the one that is written lies far enough behind.
    fn note_use(&self, key: &Key, last_accessed: i64) {
        let now = now_ms();
        if now.saturating_sub(last_accessed) >= self.access_interval_ms() {
            self.accesses.note(key, now);
        }
    }

    /// How far a use lies behind before a later one is noted.
    pub(crate) fn access_interval_ms(&self) -> i64 {
        i64::try_from(self.options.common.access_interval.as_millis()).unwrap_or(i64::MAX)
    }
}

/// This process' time, which need not agree with the server's: it orders uses, and nothing else.
pub(crate) fn now_ms() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(now.as_millis()).unwrap_or(i64::MAX)
}
