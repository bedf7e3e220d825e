//! Entries, writes and reads of tests.

use std::time::Duration;

use bytes::Bytes;
use cache_core::clock::{Clock, SystemClock, Timestamp};
use cache_core::entry::{CodecId, Compression, Entry, EntryKind, Token};
use cache_core::fence::Stamp;
use cache_core::key::{Key, Tag, Tags};
use cache_core::storage::{Outcome, Storage, StorageError, Write, WriteAction};

/// A key of the prefix `p`.
pub fn key(name: &str) -> Key {
    Key::parse(&format!("p:{name}:v1")).unwrap()
}

/// A tag of the prefix `p`.
pub fn tag(label: &str) -> Tag {
    Tag::new("p", label).unwrap()
}

/// What time it is.
pub fn now() -> Timestamp {
    SystemClock.wall()
}

/// A value that is kept for an hour.
pub fn value(key: &Key, payload: impl AsRef<[u8]>, tags: &[Tag]) -> Entry {
    let payload = payload.as_ref();
    Entry {
        kind: EntryKind::Value,
        codec: CodecId::BYTES,
        compression: Compression::None,
        decoded_bytes: payload.len() as u32,
        created: now(),
        fresh_until: now().after(Duration::from_secs(3600)),
        kept_until: now().after(Duration::from_secs(3600)),
        idle: None,
        stamp: 0,
        token: Token::random(),
        tags: Tags::new(tags.to_vec()),
        payload: Bytes::copy_from_slice(payload),
        checksum: 0,
    }
    .sealed(key)
}

/// One that is past its time already.
pub fn expired(key: &Key) -> Entry {
    let past = Timestamp::from_unix_ms(now().unix_ms() - 1_000);
    Entry { fresh_until: past, kept_until: past, ..value(key, "expired", &[]) }
}

/// A set.
pub fn set(key: &Key, entry: Entry) -> Write {
    Write { key: key.clone(), action: WriteAction::Set { entry } }
}

/// A fill under a stamp.
pub fn fill(key: &Key, entry: Entry, stamp: Stamp) -> Write {
    Write { key: key.clone(), action: WriteAction::Fill { entry, stamp } }
}

/// One write.
pub async fn write(storage: &dyn Storage, write: Write) -> Result<Outcome, StorageError> {
    storage.write(vec![write]).await?.pop().unwrap()
}

/// Writes that must succeed.
pub async fn store(storage: &dyn Storage, writes: Vec<Write>) {
    for outcome in storage.write(writes).await.unwrap() {
        assert_eq!(outcome.unwrap(), Outcome::Stored);
    }
}

/// The stamp of a load that begins now.
pub async fn stamp(storage: &dyn Storage, key: &Key) -> Stamp {
    storage.stamps(std::slice::from_ref(key)).await.unwrap()[0]
}

/// What stands under a key, found whole.
pub async fn read(storage: &dyn Storage, key: &Key) -> Option<Entry> {
    let entry = storage.get(key).await.unwrap().entry?;
    entry.verify(key).unwrap();
    Some(entry)
}
