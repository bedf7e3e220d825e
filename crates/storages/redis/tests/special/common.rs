//! Short ways to servers, entries and calls.

use std::time::{Duration, Instant};

use bytes::Bytes;
use cache_core::clock::{Clock, SystemClock, Timestamp};
use cache_core::entry::{CodecId, Compression, Entry, EntryKind, Token};
use cache_core::fence::Stamp;
use cache_core::key::{Key, Tag, Tags};
use cache_core::storage::{
    InvalidationMode, Outcome, Selector, Storage, StorageError, StorageErrorKind, Write,
    WriteAction,
};
use cache_redis::{Redis, RedisOptions};
use redis::AsyncConnectionConfig;
use redis::aio::MultiplexedConnection;
use tiers_servers::Redis as Server;

/// Does what blocks, such as starting a server.
pub(crate) fn blocking<T>(work: impl FnOnce() -> anyhow::Result<T>) -> T {
    tokio::task::block_in_place(work).unwrap()
}

pub(crate) fn server() -> Server {
    blocking(Server::start)
}

pub(crate) fn server_with(arguments: &[&str]) -> Server {
    blocking(|| Server::start_with(arguments))
}

pub(crate) fn options(url: &str) -> RedisOptions {
    RedisOptions::from_url(url).unwrap()
}

pub(crate) async fn opened(server: &Server) -> Redis {
    options(&server.url()).open().await.unwrap()
}

/// How long a test waits for an answer that has to come.
const PATIENCE: Duration = Duration::from_secs(180);

/// A connection of the test's own, as an administrator has one.
pub(crate) async fn connection(port: u16) -> MultiplexedConnection {
    let client = redis::Client::open(format!("redis://127.0.0.1:{port}")).unwrap();
    // The driver gives up after half a second, which a busy machine needs now and then.
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(PATIENCE))
        .set_response_timeout(Some(PATIENCE));
    client.get_multiplexed_async_connection_with_config(&config).await.unwrap()
}

/// A command in words.
pub(crate) async fn ask<T: redis::FromRedisValue>(
    connection: &mut MultiplexedConnection,
    words: &str,
) -> T {
    let mut command = redis::Cmd::new();
    for word in words.split(' ') {
        command.arg(word);
    }
    command.query_async(connection).await.unwrap()
}

/// Puts bytes at a name, past the storage.
pub(crate) async fn put(connection: &mut MultiplexedConnection, name: &str, bytes: &[u8]) {
    redis::cmd("SET").arg(name).arg(bytes).exec_async(connection).await.unwrap();
}

pub(crate) fn key(name: &str) -> Key {
    Key::parse(&format!("t:{name}:v1")).unwrap()
}

pub(crate) fn tag(label: &str) -> Tag {
    Tag::new("t", label).unwrap()
}

pub(crate) fn now() -> Timestamp {
    SystemClock.wall()
}

/// An entry without an end.
pub(crate) fn entry(key: &Key, payload: impl Into<Bytes>, tags: &[&str]) -> Entry {
    let payload = payload.into();
    let entry = Entry {
        kind: EntryKind::Value,
        codec: CodecId::BYTES,
        compression: Compression::None,
        decoded_bytes: payload.len() as u32,
        created: now(),
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

pub(crate) fn set_write(name: &str, payload: impl Into<Bytes>, tags: &[&str]) -> Write {
    let key = key(name);
    let entry = entry(&key, payload, tags);
    Write { key, action: WriteAction::Set { entry } }
}

pub(crate) async fn write(storage: &Redis, write: Write) -> Result<Outcome, StorageError> {
    storage.write(vec![write]).await?.remove(0)
}

pub(crate) async fn set(storage: &Redis, name: &str, tags: &[&str]) {
    let stored = write(storage, set_write(name, name.to_owned(), tags)).await;
    assert_eq!(stored.unwrap(), Outcome::Stored);
}

pub(crate) async fn fill(storage: &Redis, name: &str, tags: &[&str], stamp: Stamp) -> Outcome {
    let key = key(name);
    let entry = entry(&key, name.to_owned(), tags);
    write(storage, Write { key, action: WriteAction::Fill { entry, stamp } }).await.unwrap()
}

pub(crate) async fn stamp(storage: &Redis, name: &str) -> Stamp {
    storage.stamps(&[key(name)]).await.unwrap()[0]
}

pub(crate) async fn holds(storage: &Redis, name: &str) -> bool {
    let key = key(name);
    let found = storage.get(&key).await.unwrap().entry;
    found.inspect(|entry| entry.verify(&key).unwrap()).is_some()
}

pub(crate) async fn remove_tag(storage: &Redis, label: &str) -> Result<u64, StorageError> {
    let selector = Selector::AnyTag(vec![tag(label)]);
    Ok(storage.invalidate(&selector, InvalidationMode::Remove).await?.entries)
}

pub(crate) async fn remove_key(storage: &Redis, name: &str) -> Result<u64, StorageError> {
    let selector = Selector::Keys(vec![key(name)]);
    Ok(storage.invalidate(&selector, InvalidationMode::Remove).await?.entries)
}

pub(crate) fn kind<T: std::fmt::Debug>(answer: Result<T, StorageError>) -> StorageErrorKind {
    answer.unwrap_err().kind()
}

/// Tries until it holds.
pub(crate) async fn eventually<F: Future<Output = bool>>(what: &str, mut holds: impl FnMut() -> F) {
    let begun = Instant::now();
    while !holds().await {
        assert!(begun.elapsed() < PATIENCE, "never: {what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Whether something can be written, read and removed.
pub(crate) async fn works(storage: &Redis) -> bool {
    let written = write(storage, set_write("works", "x", &["works"])).await;
    matches!(written, Ok(Outcome::Stored))
        && storage.get(&key("works")).await.is_ok()
        && remove_tag(storage, "works").await.is_ok()
}
