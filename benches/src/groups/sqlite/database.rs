//! The rows, and the same file three times: one for each contestant.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use bytes::Bytes;
use rand::Rng as _;
use rand_pcg::Pcg64Mcg;
use tempfile::TempDir;
use tiers::clock::{Clock as _, SystemClock, Timestamp};
use tiers::entry::{CodecId, Compression, Entry, EntryKind, Token};
use tiers::key::{Key, Tags};
use tiers::sqlite::{Sqlite, SqliteOptions};
use tiers::storage::{Lookup, Outcome, Storage, Write, WriteAction};
use tokio::runtime::Runtime;

/// The length of a value, if nothing else is said.
pub(super) const VALUE_BYTES: usize = 100;

const TTL: Duration = Duration::from_secs(86_400);

/// The keys that are asked for, and their values.
#[derive(Debug)]
pub(super) struct Rows {
    keys: Vec<Key>,
    payloads: Vec<Bytes>,
    next: AtomicU64,
}

/// Of so many different values; they are not compressed.
const PAYLOADS: usize = 64;

impl Rows {
    pub(super) fn new(rows: usize, value_bytes: usize) -> anyhow::Result<Self> {
        let key = |row| Key::parse(&format!("bench:article:{row}:v1"));
        let keys = (0..rows).map(key).collect::<Result<_, _>>().context("a key")?;
        let mut random = Pcg64Mcg::new(7);
        let payload = |_| {
            let mut bytes = vec![0; value_bytes];
            random.fill_bytes(&mut bytes);
            Bytes::from(bytes)
        };
        Ok(Self { keys, payloads: (0..PAYLOADS).map(payload).collect(), next: AtomicU64::new(0) })
    }

    pub(super) fn keys(&self) -> &[Key] {
        &self.keys
    }

    /// Another key each time, all over the table.
    pub(super) fn next(&self) -> &Key {
        let turn = self.next.fetch_add(1, Ordering::Relaxed);
        let scattered = turn.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
        &self.keys[scattered as usize % self.keys.len()]
    }

    /// So many keys that differ, all over the table; as many as there are at most.
    pub(super) fn batch(&self, keys: usize) -> Vec<Key> {
        // A prime that divides no number of rows used here, so that it comes to each row once.
        const STRIDE: usize = 997;
        let first = self.next.fetch_add(1, Ordering::Relaxed) as usize * 31;
        let at = |index| (first + index * STRIDE) % self.keys.len();
        (0..keys.min(self.keys.len())).map(|index| self.keys[at(index)].clone()).collect()
    }

    /// An entry for this key, as the cache makes one of an encoded value.
    pub(super) fn entry(&self, key: &Key) -> Entry {
        let payload = self.payloads[key.digest() as usize % PAYLOADS].clone();
        let created = SystemClock.wall();
        let until: Timestamp = created.after(TTL);
        Entry {
            kind: EntryKind::Value,
            codec: CodecId::BYTES,
            compression: Compression::None,
            decoded_bytes: payload.len() as u32,
            created,
            fresh_until: until,
            kept_until: until,
            idle: None,
            stamp: 0,
            token: Token::random(),
            tags: Tags::NONE,
            payload,
            checksum: 0,
        }
        .sealed(key)
    }

    pub(super) fn set(&self, key: &Key) -> Write {
        Write { key: key.clone(), action: WriteAction::Set { entry: self.entry(key) } }
    }
}

/// A file with the storage's tables and rows, and copies of it for those who are measured beside.
#[derive(Debug)]
pub(super) struct Database {
    pub(super) rows: Arc<Rows>,
    pub(super) storage: Arc<Sqlite>,
    folder: TempDir,
}

impl Database {
    pub(super) fn make(runtime: &Runtime, rows: usize) -> anyhow::Result<Self> {
        let rows = Arc::new(Rows::new(rows, VALUE_BYTES)?);
        let folder = tempfile::tempdir().context("a folder")?;
        let path = folder.path().join(Copy::Tiers.file_name());
        runtime.block_on(fill(&path, &rows))?;
        for copy in [Copy::Rusqlite, Copy::Sqlx] {
            fs::copy(&path, folder.path().join(copy.file_name())).context("a copy")?;
        }
        let storage = runtime.block_on(SqliteOptions::new(path).open())?;
        Ok(Self { rows, storage: Arc::new(storage), folder })
    }

    pub(super) fn path(&self, copy: Copy) -> PathBuf {
        self.folder.path().join(copy.file_name())
    }

    /// Closes the storage and opens it anew, with an empty log.
    pub(super) async fn reopen(mut self) -> anyhow::Result<Self> {
        self.storage.close().await?;
        self.storage = Arc::new(SqliteOptions::new(self.path(Copy::Tiers)).open().await?);
        Ok(self)
    }

    pub(super) async fn close(self) -> anyhow::Result<()> {
        Ok(self.storage.close().await?)
    }
}

/// Whose file.
#[derive(Debug, Clone, Copy)]
pub(super) enum Copy {
    Tiers,
    Rusqlite,
    Sqlx,
}

impl Copy {
    fn file_name(self) -> &'static str {
        match self {
            Self::Tiers => "tiers.db",
            Self::Rusqlite => "rusqlite.db",
            Self::Sqlx => "sqlx.db",
        }
    }
}

const BATCH: usize = 1000;

/// Makes a file with all rows in it.
pub(super) async fn fill(path: &Path, rows: &Rows) -> anyhow::Result<()> {
    let storage = SqliteOptions::new(path).open().await?;
    for keys in rows.keys().chunks(BATCH) {
        set_many(&storage, rows, keys).await?;
    }
    storage.close().await?;
    Ok(())
}

/// One set.
pub(super) async fn set(storage: &Sqlite, rows: &Rows, key: &Key) -> anyhow::Result<()> {
    for outcome in storage.write(vec![rows.set(key)]).await? {
        stored(outcome?)?;
    }
    Ok(())
}

/// One batch of sets.
pub(super) async fn set_many(storage: &Sqlite, rows: &Rows, keys: &[Key]) -> anyhow::Result<()> {
    let writes = keys.iter().map(|key| rows.set(key)).collect();
    for outcome in storage.write(writes).await? {
        stored(outcome?)?;
    }
    Ok(())
}

fn stored(outcome: Outcome) -> anyhow::Result<()> {
    ensure!(outcome == Outcome::Stored, "a set was not stored but {outcome:?}");
    Ok(())
}

/// What the cache does with what a storage answers.
pub(super) fn verified(key: &Key, lookup: Lookup) -> anyhow::Result<Entry> {
    let Some(entry) = lookup.entry else { bail!("{key} is not there") };
    entry.verify(key)?;
    Ok(entry)
}
