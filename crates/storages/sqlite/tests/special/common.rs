//! Short ways to entries and calls.

use std::path::Path;

use bytes::Bytes;
use cache_core::clock::Timestamp;
use cache_core::entry::{CodecId, Compression, Entry, EntryKind, Token};
use cache_core::key::{Key, Tag, Tags};
use cache_core::storage::{Outcome, Storage, Write, WriteAction};
use cache_sqlite::{Sqlite, SqliteOptions};
use rusqlite::Connection;
use tempfile::TempDir;

pub(crate) fn key(name: &str) -> Key {
    Key::parse(&format!("t:{name}:v1")).unwrap()
}

pub(crate) fn tag(label: &str) -> Tag {
    Tag::new("t", label).unwrap()
}

/// An entry without an end.
pub(crate) fn entry(key: &Key, payload: impl Into<Bytes>, tags: &[&str]) -> Entry {
    let payload = payload.into();
    let entry = Entry {
        kind: EntryKind::Value,
        codec: CodecId::BYTES,
        compression: Compression::None,
        decoded_bytes: payload.len() as u32,
        created: Timestamp::from_unix_ms(1_700_000_000_000),
        fresh_until: Timestamp::NEVER,
        kept_until: Timestamp::NEVER,
        idle: None,
        stamp: 0,
        token: Token::random(),
        tags: Tags::new(tags.iter().map(|label| tag(label)).collect()),
        payload,
        checksum: 0,
    };
    entry.sealed(key)
}

pub(crate) fn until(entry: Entry, end: Timestamp) -> Entry {
    Entry { fresh_until: end, kept_until: end, ..entry }
}

pub(crate) fn set_write(key: &Key, entry: Entry) -> Write {
    Write { key: key.clone(), action: WriteAction::Set { entry } }
}

pub(crate) async fn write(storage: &Sqlite, key: &Key, action: WriteAction) -> Outcome {
    let write = Write { key: key.clone(), action };
    storage.write(vec![write]).await.unwrap().remove(0).unwrap()
}

pub(crate) async fn set(storage: &Sqlite, key: &Key, entry: Entry) {
    assert_eq!(write(storage, key, WriteAction::Set { entry }).await, Outcome::Stored);
}

pub(crate) async fn put(storage: &Sqlite, name: &str) {
    let key = key(name);
    set(storage, &key, entry(&key, name.to_owned(), &[])).await;
}

pub(crate) async fn holds(storage: &Sqlite, name: &str) -> bool {
    storage.get(&key(name)).await.unwrap().entry.is_some()
}

/// A folder with a path for a database in it.
pub(crate) fn folder() -> (TempDir, SqliteOptions) {
    let folder = tempfile::tempdir().unwrap();
    let options = SqliteOptions::new(folder.path().join("cache.db"));
    (folder, options)
}

/// A connection of the test's own, as an administrator has one.
pub(crate) fn connection(path: &Path) -> Connection {
    let connection = Connection::open(path).unwrap();
    connection.busy_timeout(std::time::Duration::from_secs(10)).unwrap();
    connection
}

pub(crate) fn number(connection: &Connection, sql: &str) -> i64 {
    connection.query_row(sql, [], |row| row.get(0)).unwrap()
}
