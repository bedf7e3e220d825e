//! Up to where a storage on this host has been told what others have invalidated, kept in the
//! storage itself.
//!
//! It is written after what it stands for, and by as many processes as use the storage: one that is
//! too old only has some events applied once more. One that is not there, since it was evicted or
//! the storage is new to the cache, counts as a gap. So it can be an entry like others, under a
//! prefix of its own.

use std::time::Duration;

use bytes::Bytes;

use super::log::Position;
use crate::cache::Registered;
use crate::clock::Timestamp;
use crate::entry::{CodecId, Compression, Entry, EntryKind, Token};
use crate::key::{Key, Tags};
use crate::storage::{StorageError, Write, WriteAction};

/// How often it is written at most.
pub(super) const INTERVAL: Duration = Duration::from_secs(1);

fn key(prefix: &str) -> Option<Key> {
    // A prefix has up to 64 bytes; this one is as long as it comes.
    Key::parse(&format!("backplane~{prefix}:position:v1")).ok()
}

/// The position, if one stands there.
pub(super) async fn load(
    storage: &Registered,
    prefix: &str,
) -> Result<Option<Position>, StorageError> {
    let Some(key) = key(prefix) else { return Ok(None) };
    let found = storage.get(&key).await?.entry;
    let whole = found.filter(|entry| entry.verify(&key).is_ok());
    Ok(whole.map(|entry| Position::from_bytes(entry.payload)))
}

pub(super) async fn save(
    storage: &Registered,
    prefix: &str,
    position: &Position,
    now: Timestamp,
) -> Result<(), StorageError> {
    let Some(key) = key(prefix) else { return Ok(()) };
    let payload: Bytes = position.as_bytes().clone();
    let entry = Entry {
        kind: EntryKind::Value,
        codec: CodecId::BYTES,
        compression: Compression::None,
        decoded_bytes: u32::try_from(payload.len()).unwrap_or(u32::MAX),
        created: now,
        fresh_until: Timestamp::NEVER,
        kept_until: Timestamp::NEVER,
        idle: None,
        stamp: 0,
        token: Token::random(),
        tags: Tags::NONE,
        payload,
        checksum: 0,
    }
    .sealed(&key);
    let write = Write { key, action: WriteAction::Set { entry } };
    for outcome in storage.write(vec![write]).await? {
        outcome?;
    }
    Ok(())
}
