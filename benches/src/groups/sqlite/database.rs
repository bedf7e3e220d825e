//! The rows, and the same file three times: one for each contestant.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use tempfile::TempDir;
use tiers::key::Key;
use tiers::sqlite::{Sqlite, SqliteOptions};
use tiers::storage::Storage;
use tokio::runtime::Runtime;

use crate::groups::rows::{Rows, VALUE_BYTES, stored};

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
