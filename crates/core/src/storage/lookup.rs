use crate::clock::Timestamp;
use crate::entry::{Entry, EntryKind};
use crate::fence::Stamp;
use crate::key::{Key, Tags};

/// What a storage answers to a read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lookup {
    /// The entry, if one is kept. It may no longer be fresh.
    pub entry: Option<Entry>,
    /// The fence's counter, taken before the entry was looked for.
    pub stamp: Stamp,
}

/// What a scan tells about an entry; the payload stays where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct EntryDetails {
    /// The key.
    pub key: Key,
    /// Value or negative result.
    pub kind: EntryKind,
    /// When it was loaded or set.
    pub created: Timestamp,
    /// Until when it is fresh.
    pub fresh_until: Timestamp,
    /// Until when it is kept.
    pub kept_until: Timestamp,
    /// Its tags.
    pub tags: Tags,
    /// Length of the stored payload in bytes.
    pub payload_bytes: u64,
}

impl EntryDetails {
    /// What `entry` says of itself, under `key`.
    pub fn of(key: Key, entry: &Entry) -> Self {
        Self {
            key,
            kind: entry.kind,
            created: entry.created,
            fresh_until: entry.fresh_until,
            kept_until: entry.kept_until,
            tags: entry.tags.clone(),
            payload_bytes: entry.payload.len() as u64,
        }
    }

    /// Puts details together from a storage's own columns.
    pub fn new(
        key: Key,
        kind: EntryKind,
        created: Timestamp,
        fresh_until: Timestamp,
        kept_until: Timestamp,
        tags: Tags,
        payload_bytes: u64,
    ) -> Self {
        Self { key, kind, created, fresh_until, kept_until, tags, payload_bytes }
    }
}
