//! Reads: one statement each, of one key or of many.

mod row;
mod scan;

pub(crate) use row::{column, stamp, text};

use std::collections::HashMap;
use std::time::{SystemTime, UNIX_EPOCH};

use cache_core::fence::Stamp;
use cache_core::key::Key;
use cache_core::storage::{Lookup, StorageError};
use cache_sql::{EXPIRED, Known, NO_STAMP};
use foldhash::fast::RandomState;
use sqlx::mysql::MySqlRow;

use crate::error::{closed, damaged};
use crate::schema::READ_KEYS_MAX;
use crate::storage::Shared;

impl Shared {
    pub(crate) async fn get(&self, key: &Key) -> Result<Lookup, StorageError> {
        let before = self.known.before();
        self.get_of(key, before).await.map_err(|error| error.with_key(key))
    }

    async fn get_of(&self, key: &Key, before: Stamp) -> Result<Lookup, StorageError> {
        const OPERATION: &str = "get";
        let (sql, _) = self.statements.get(1);
        let rows = self.rows(OPERATION, sql, &[key.as_str()]).await?;
        let failed = |source| damaged(OPERATION, source);
        let told = self.told(&rows).map_err(failed)?;
        match rows.first() {
            Some(row) if row::key(row).map_err(failed)?.is_some() => {
                self.found(key, row, before, told)
            }
            _ => Ok(Lookup { entry: None, stamp: told }),
        }
    }

    pub(crate) async fn get_many(
        &self,
        keys: &[Key],
    ) -> Result<Vec<Result<Lookup, StorageError>>, StorageError> {
        if keys.is_empty() && self.pool.is_closed() {
            return Err(closed("get_many"));
        }
        let mut lookups = Vec::with_capacity(keys.len());
        for part in keys.chunks(READ_KEYS_MAX) {
            lookups.extend(self.get_part(part).await?);
        }
        Ok(lookups)
    }

    async fn get_part(
        &self,
        keys: &[Key],
    ) -> Result<Vec<Result<Lookup, StorageError>>, StorageError> {
        const OPERATION: &str = "get_many";
        let before = self.known.before();
        let (sql, places) = self.statements.get(keys.len());
        let mut arguments: Vec<_> = keys.iter().map(Key::as_str).collect();
        // A key that stands twice in a list is found once.
        arguments.resize(places, arguments[0]);
        let rows = self.rows(OPERATION, sql, &arguments).await?;
        let failed = |source| damaged(OPERATION, source);
        let told = self.told(&rows).map_err(failed)?;
        let mut found: HashMap<&[u8], &MySqlRow, RandomState> =
            HashMap::with_capacity_and_hasher(rows.len(), RandomState::default());
        for row in &rows {
            if let Some(key) = row::key(row).map_err(failed)? {
                found.insert(key, row);
            }
        }
        let lookup = |key: &Key| match found.get(key.as_str().as_bytes()) {
            None => Ok(Lookup { entry: None, stamp: told }),
            Some(row) => self.found(key, row, before, told).map_err(|error| error.with_key(key)),
        };
        Ok(keys.iter().map(lookup).collect())
    }

    pub(crate) async fn stamps(&self, keys: &[Key]) -> Result<Vec<Stamp>, StorageError> {
        const OPERATION: &str = "stamps";
        let rows = self.rows(OPERATION, &self.statements.stamp, &[]).await?;
        let stamp = self.told(&rows).map_err(|source| damaged(OPERATION, source))?;
        Ok(vec![stamp; keys.len()])
    }

    /// The stamp that a read has told. All rows of a statement are of one moment.
    fn told(&self, rows: &[MySqlRow]) -> Result<Stamp, cache_sql::Damaged> {
        let Some(row) = rows.first() else { return Ok(NO_STAMP) };
        let told = stamp(row)?;
        self.known.learn(told);
        Ok(told)
    }

    fn found(
        &self,
        key: &Key,
        row: &MySqlRow,
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
        let interval =
            i64::try_from(self.options.common.access_interval.as_millis()).unwrap_or(i64::MAX);
        if now.saturating_sub(last_accessed) >= interval {
            self.accesses.note(key, now);
        }
    }
}

/// This process' time, which need not agree with the server's: it orders uses, and nothing else.
pub(crate) fn now_ms() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(now.as_millis()).unwrap_or(i64::MAX)
}
