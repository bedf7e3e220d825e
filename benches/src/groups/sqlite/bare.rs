//! rusqlite, as one would use it over the same tables: one connection, on the caller's thread.

use std::path::Path;

use anyhow::{Context as _, ensure};
use rusqlite::{Connection, Row, params_from_iter};
use tiers::entry::Entry;
use tiers::key::Key;

/// The columns of an entry, as the storage reads them.
pub(super) const COLUMNS: &str = "key, expire_at, fresh_until, created_at, idle_ms, stamp, token, \
     checksum, kind, data_type, compressed, decoded_bytes, size_bytes, tags, value";

/// Parameters are those of [`Values`].
pub(super) const UPSERT: &str = "INSERT INTO cache (id, expire_at, fresh_until, created_at, last_accessed, idle_ms, stamp, \
     token, checksum, kind, data_type, compressed, decoded_bytes, size_bytes, tags, value, key, cleanup_at) \
     VALUES (?1, ?2, ?3, ?4, ?5, NULL, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, NULL, ?14, ?15, ?2) \
     ON CONFLICT (id) DO UPDATE SET expire_at = excluded.expire_at, \
     fresh_until = excluded.fresh_until, created_at = excluded.created_at, \
     last_accessed = excluded.last_accessed, idle_ms = excluded.idle_ms, stamp = excluded.stamp, \
     token = excluded.token, checksum = excluded.checksum, kind = excluded.kind, \
     data_type = excluded.data_type, compressed = excluded.compressed, \
     decoded_bytes = excluded.decoded_bytes, size_bytes = excluded.size_bytes, \
     tags = excluded.tags, value = excluded.value";

/// What every connection is set to, as the storage has it.
pub(super) const BUSY_TIMEOUT_SECONDS: u64 = 30;
pub(super) const CACHE_KIBIBYTES: u64 = 64_000;

/// An entry that was read, its own.
#[derive(Debug)]
#[expect(dead_code, reason = "read like an entry, and then thrown away")]
pub(super) struct Owned {
    pub(super) key: String,
    pub(super) times: [i64; 3],
    pub(super) idle_ms: Option<i64>,
    pub(super) marks: [i64; 3],
    pub(super) kinds: [i64; 3],
    pub(super) lengths: [i64; 2],
    pub(super) tags: Option<String>,
    pub(super) value: Vec<u8>,
}

/// What a set writes besides value and key, in the order of [`UPSERT`].
pub(super) fn integers(key: &Key, entry: &Entry) -> [i64; 13] {
    let [expire_at, fresh_until, created_at] =
        [entry.kept_until, entry.fresh_until, entry.created].map(|time| time.unix_ms() as i64);
    [
        key.digest() as i64,
        expire_at,
        fresh_until,
        created_at,
        created_at * 1000,
        created_at,
        entry.token.0 as i64,
        entry.checksum as i64,
        0,
        i64::from(entry.codec.number()),
        i64::from(entry.compression.number()),
        i64::from(entry.decoded_bytes),
        entry.payload.len() as i64,
    ]
}

/// One connection.
#[derive(Debug)]
pub(super) struct Bare {
    connection: Connection,
}

impl Bare {
    pub(super) fn open(path: &Path) -> anyhow::Result<Self> {
        let connection = Connection::open(path)?;
        connection.busy_timeout(std::time::Duration::from_secs(BUSY_TIMEOUT_SECONDS))?;
        let mode: String =
            connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))?;
        ensure!(mode == "wal", "the journal is {mode}");
        connection.execute_batch(&format!(
            "PRAGMA synchronous = NORMAL; PRAGMA cache_size = -{CACHE_KIBIBYTES}; \
             PRAGMA temp_store = MEMORY"
        ))?;
        Ok(Self { connection })
    }

    /// The rows of these keys, in any order.
    pub(super) fn get_many(&self, keys: &[Key]) -> anyhow::Result<Vec<Owned>> {
        let marks = vec!["?"; keys.len()].join(", ");
        let sql = format!("SELECT {COLUMNS} FROM cache WHERE id IN ({marks})");
        let mut statement = self.connection.prepare_cached(&sql)?;
        let ids = keys.iter().map(|key| key.digest() as i64);
        let rows = statement.query_map(params_from_iter(ids), owned)?;
        let rows: Vec<Owned> = rows.collect::<Result<_, _>>()?;
        ensure!(rows.len() == keys.len(), "{} of {} rows", rows.len(), keys.len());
        Ok(rows)
    }

    /// Upserts one row, in a transaction of its own if there is none.
    pub(super) fn set(&self, key: &Key, entry: &Entry) -> anyhow::Result<()> {
        let mut statement = self.connection.prepare_cached(UPSERT)?;
        let integers = integers(key, entry);
        for (index, integer) in integers.iter().enumerate() {
            statement.raw_bind_parameter(index + 1, integer)?;
        }
        statement.raw_bind_parameter(14, &entry.payload[..])?;
        statement.raw_bind_parameter(15, key.as_str())?;
        statement.raw_execute().map(drop).context("an upsert")
    }

    /// Upserts many rows in one transaction.
    pub(super) fn set_many(
        &self,
        entries: impl Iterator<Item = (Key, Entry)>,
    ) -> anyhow::Result<()> {
        let transaction = self.connection.unchecked_transaction()?;
        for (key, entry) in entries {
            self.set(&key, &entry)?;
        }
        Ok(transaction.commit()?)
    }
}

fn owned(row: &Row<'_>) -> rusqlite::Result<Owned> {
    Ok(Owned {
        key: row.get(0)?,
        times: [row.get(1)?, row.get(2)?, row.get(3)?],
        idle_ms: row.get(4)?,
        marks: [row.get(5)?, row.get(6)?, row.get(7)?],
        kinds: [row.get(8)?, row.get(9)?, row.get(10)?],
        lengths: [row.get(11)?, row.get(12)?],
        tags: row.get(13)?,
        value: row.get(14)?,
    })
}
