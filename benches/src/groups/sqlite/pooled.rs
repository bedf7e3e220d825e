//! sqlx, as one would use it over the same tables: a pool of connections.

use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteRow,
    SqliteSynchronous,
};
use sqlx::{AssertSqlSafe, Row as _, SqlSafeStr as _, SqlStr};
use tiers::entry::Entry;
use tiers::key::Key;

use super::bare::{BUSY_TIMEOUT_SECONDS, CACHE_KIBIBYTES, COLUMNS, Owned, UPSERT, integers};

const CONNECTIONS: u32 = 4;

/// A pool; clones share it.
#[derive(Debug, Clone)]
pub(super) struct Pooled {
    pool: SqlitePool,
    get: SqlStr,
}

impl Pooled {
    pub(super) async fn open(path: &Path) -> anyhow::Result<Self> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Normal)
            .busy_timeout(Duration::from_secs(BUSY_TIMEOUT_SECONDS))
            .pragma("cache_size", format!("-{CACHE_KIBIBYTES}"))
            .pragma("temp_store", "MEMORY");
        let pool = SqlitePoolOptions::new()
            .min_connections(CONNECTIONS)
            .max_connections(CONNECTIONS)
            .connect_with(options)
            .await?;
        let get = format!("SELECT {COLUMNS} FROM cache WHERE id = ?1");
        Ok(Self { pool, get: AssertSqlSafe(get).into_sql_str() })
    }

    pub(super) async fn get(&self, key: &Key) -> anyhow::Result<Owned> {
        let query = sqlx::query(self.get.clone()).bind(key.digest() as i64);
        let row = query.fetch_optional(&self.pool).await?;
        Ok(owned(&row.with_context(|| format!("{key} is not there"))?)?)
    }

    /// Upserts one row in a transaction of its own.
    pub(super) async fn set(&self, key: &Key, entry: &Entry) -> anyhow::Result<()> {
        let mut query = sqlx::query(UPSERT);
        for integer in integers(key, entry) {
            query = query.bind(integer);
        }
        query.bind(&entry.payload[..]).bind(key.as_str()).execute(&self.pool).await?;
        Ok(())
    }

    pub(super) async fn close(&self) {
        self.pool.close().await;
    }
}

fn owned(row: &SqliteRow) -> sqlx::Result<Owned> {
    Ok(Owned {
        key: row.try_get(0)?,
        times: [row.try_get(1)?, row.try_get(2)?, row.try_get(3)?],
        idle_ms: row.try_get(4)?,
        marks: [row.try_get(5)?, row.try_get(6)?, row.try_get(7)?],
        kinds: [row.try_get(8)?, row.try_get(9)?, row.try_get(10)?],
        lengths: [row.try_get(11)?, row.try_get(12)?],
        tags: row.try_get(13)?,
        value: row.try_get(14)?,
    })
}
