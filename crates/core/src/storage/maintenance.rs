use std::time::Duration;

/// How much a run of maintenance may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// At most this many entries are removed.
    pub entries_max: u64,
    /// It stops at the next batch after this long.
    pub duration_max: Duration,
}

impl Budget {
    /// As much as there is to do.
    pub const UNLIMITED: Self = Self { entries_max: u64::MAX, duration_max: Duration::MAX };
}

/// What a run of maintenance did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Maintenance {
    /// Entries past their time that were removed.
    pub expired: u64,
    /// Entries removed to keep the bound.
    pub evicted: u64,
    /// Bytes given back to the file system or the server.
    pub freed_bytes: u64,
    /// Whether something is left to do because the budget ran out.
    pub unfinished: bool,
}

impl Maintenance {
    /// A run that removed so many and has nothing left to do.
    pub const fn new(expired: u64, evicted: u64, freed_bytes: u64) -> Self {
        Self { expired, evicted, freed_bytes, unfinished: false }
    }
}

/// What a storage knows about itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct StorageStats {
    /// Entries held, those past their time that were not yet cleaned up included.
    pub entries: u64,
    /// Bytes of their payloads.
    pub payload_bytes: u64,
    /// Bytes that it takes on disk or in the server, as far as known.
    pub stored_bytes: u64,
    /// Entries removed to keep the bound since it was opened.
    pub evicted: u64,
    /// Entries removed because their time had passed since it was opened.
    pub expired: u64,
}
