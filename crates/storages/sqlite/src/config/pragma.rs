//! The options that are a word of SQLite's own.

/// How SQLite keeps a commit atomic.
///
/// SQLite's `MEMORY` and `OFF` are not offered: a process that is killed would leave a damaged file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum JournalMode {
    /// A log beside the file: readers and the writer do not wait for each other. The default.
    #[default]
    Wal,
    /// A rollback journal, deleted after each commit. For file systems without shared memory.
    Delete,
    /// A rollback journal, cut to nothing after each commit.
    Truncate,
    /// A rollback journal whose header is overwritten after each commit.
    Persist,
}

/// How often SQLite waits for the disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Synchronous {
    /// Never; a power failure may damage the file. A killed process does not.
    Off,
    /// At checkpoints: a power failure may take back the last commits, and damages nothing.
    /// The default.
    #[default]
    Normal,
    /// At each commit.
    Full,
    /// At each commit, the folder included.
    Extra,
}

/// Where SQLite keeps temporary tables and sorting.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum TempStore {
    /// As SQLite was compiled.
    Default,
    /// In files.
    File,
    /// In memory. The default.
    #[default]
    Memory,
}

/// What happens to pages that removed entries leave; fixed when the file is made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum AutoVacuum {
    /// They stay in the file for later entries.
    None,
    /// They are given back at each commit.
    Full,
    /// They are given back by maintenance, and where the file is over its bound. The default.
    #[default]
    Incremental,
}

/// How an existing file is examined when it is opened. Both checks read the whole file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum IntegrityCheck {
    /// Not at all: only what is read is checked, when it is read.
    Off,
    /// The structure of tables and indexes (`PRAGMA quick_check`): about a second for some
    /// gigabytes that the system has in memory. The default.
    #[default]
    Quick,
    /// Besides, that every index agrees with its table (`PRAGMA integrity_check`): many times slower.
    Full,
}

macro_rules! words {
    ($type:ident, $($variant:ident = $word:literal),+) => {
        impl $type {
            /// SQLite's word for it.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }

            /// All of them by their words.
            pub(super) const WORDS: &[(&str, Self)] = &[$(($word, Self::$variant)),+];
        }
    };
}

words!(JournalMode, Wal = "WAL", Delete = "DELETE", Truncate = "TRUNCATE", Persist = "PERSIST");
words!(Synchronous, Off = "OFF", Normal = "NORMAL", Full = "FULL", Extra = "EXTRA");
words!(TempStore, Default = "DEFAULT", File = "FILE", Memory = "MEMORY");
words!(AutoVacuum, None = "NONE", Full = "FULL", Incremental = "INCREMENTAL");
words!(IntegrityCheck, Off = "OFF", Quick = "QUICK", Full = "FULL");
