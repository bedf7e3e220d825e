//! The options under which a file is written; each has its own ways to be interrupted.

use std::path::PathBuf;

use cache_sqlite::{IntegrityCheck, JournalMode, SqliteOptions, Synchronous};

#[derive(Clone, Copy, Debug)]
pub(super) struct Setting {
    pub(super) journal_mode: JournalMode,
    synchronous: Synchronous,
    pub(super) entries_max: u64,
    pub(super) bytes_max: u64,
}

impl Setting {
    pub(super) fn numbered(number: u64) -> Self {
        let plain = Self {
            journal_mode: JournalMode::Wal,
            synchronous: Synchronous::Normal,
            entries_max: 1_000_000,
            bytes_max: 4 << 30,
        };
        match number % 5 {
            0 | 1 => plain,
            2 => Self { journal_mode: JournalMode::Delete, ..plain },
            3 => Self { entries_max: 40, synchronous: Synchronous::Full, ..plain },
            _ => Self { bytes_max: 320 << 10, ..plain },
        }
    }

    /// Whether entries may have been evicted.
    pub(super) fn is_tight(self) -> bool {
        self.entries_max < 1_000_000 || self.bytes_max < 4 << 30
    }

    pub(super) fn options(self, path: PathBuf) -> SqliteOptions {
        SqliteOptions::new(path)
            .journal_mode(self.journal_mode)
            .synchronous(self.synchronous)
            .max_entries(self.entries_max)
            .max_bytes(self.bytes_max)
            // The smallest: the log is brought into the file all the time.
            .wal_bytes_max(256 << 10)
            .integrity_check(IntegrityCheck::Full)
    }
}
