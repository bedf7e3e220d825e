//! The behaviour suite of the core, on folders, without and with waiting for the disk.

use std::process::ExitCode;
use std::sync::Arc;

use cache_core::storage::Storage;
use cache_core::testing::suite::{self, Failure, Setup, StorageFactory};
use cache_filesystem::FilesystemOptions;
use libtest_mimic::Arguments;
use tempfile::TempDir;

/// Stores in a folder of their own.
struct Folders {
    fsync: bool,
}

impl StorageFactory for Folders {
    type Store = TempDir;

    async fn create(&self) -> Result<TempDir, Failure> {
        Ok(TempDir::new()?)
    }

    async fn open(&self, store: &TempDir, setup: &Setup) -> Result<Arc<dyn Storage>, Failure> {
        let mut options =
            FilesystemOptions::new(store.path()).fsync(self.fsync).clock(setup.clock());
        if let Some(value_bytes_max) = setup.value_bytes_max() {
            options = options.value_bytes_max(value_bytes_max);
        }
        if let Some(entries_max) = setup.entries_max() {
            options = options.max_entries(entries_max);
        }
        if let Some(bytes_max) = setup.bytes_max() {
            options = options.max_bytes(bytes_max);
        }
        Ok(options.open().await?.into_storage())
    }
}

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let mut trials = suite::trials("filesystem", Folders { fsync: false });
    trials.extend(suite::trials("filesystem-fsync", Folders { fsync: true }));
    libtest_mimic::run(&arguments, trials).exit_code()
}
