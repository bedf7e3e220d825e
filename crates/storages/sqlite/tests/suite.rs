//! The behaviour suite of the core, on a file and in every journal mode's way of locking.

use std::process::ExitCode;
use std::sync::Arc;

use cache_core::storage::Storage;
use cache_core::testing::suite::{self, Failure, Setup, StorageFactory};
use cache_sqlite::{JournalMode, SqliteOptions};
use libtest_mimic::Arguments;
use tempfile::TempDir;

/// Stores in a folder of their own.
struct Files {
    journal_mode: JournalMode,
}

impl StorageFactory for Files {
    type Store = TempDir;

    async fn create(&self) -> Result<TempDir, Failure> {
        Ok(TempDir::new()?)
    }

    async fn open(&self, store: &TempDir, setup: &Setup) -> Result<Arc<dyn Storage>, Failure> {
        let mut options = SqliteOptions::new(store.path().join("cache.db"))
            .journal_mode(self.journal_mode)
            .clock(setup.clock());
        if let Some(value_bytes_max) = setup.value_bytes_max() {
            options = options.value_bytes_max(value_bytes_max);
        }
        if let Some(entries_max) = setup.entries_max() {
            options = options.max_entries(entries_max);
        }
        if let Some(bytes_max) = setup.bytes_max() {
            options = options.max_bytes(bytes_max);
        }
        if let Some(events_max) = setup.events_max() {
            options = options.events_max(events_max);
        }
        Ok(options.open().await?.into_storage())
    }
}

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let mut trials = suite::trials("sqlite", Files { journal_mode: JournalMode::Wal });
    let delete = Files { journal_mode: JournalMode::Delete };
    trials.extend(suite::trials("sqlite-delete", delete));
    libtest_mimic::run(&arguments, trials).exit_code()
}
