//! Short ways to servers, entries and calls.

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use bytes::Bytes;
use cache_core::clock::Timestamp;
use cache_core::entry::{CodecId, Compression, Entry, EntryKind, Token};
use cache_core::key::{Key, Tag, Tags};
use cache_core::storage::{Outcome, Storage, StorageError, Write, WriteAction};
use cache_mongodb::{MongoDb, MongoDbOptions};
use mongodb::bson::Document;
use tiers_servers::MongoDb as Server;

/// How long calls may take, in tests of what happens when they take longer.
pub(crate) const TIMEOUT: Duration = Duration::from_millis(1_500);

/// What a busy machine may add to that.
pub(crate) const SLACK: Duration = Duration::from_secs(4);

/// The server, or `None` where none is installed and none is required.
fn installed(started: anyhow::Result<Server>) -> Option<Server> {
    match started {
        Ok(server) => Some(server),
        Err(error) if std::env::var_os("TIERS_TEST_SERVERS_REQUIRED").is_none() => {
            println!("not run, for no server could be started: {error:#}");
            None
        }
        Err(error) => panic!("{error:#}"),
    }
}

/// A server of the test's own.
pub(crate) fn own_server(arguments: &[&str]) -> Option<Server> {
    installed(Server::start_with(arguments))
}

/// The server of all tests that do it no harm.
pub(crate) fn server() -> Option<Arc<Server>> {
    static SHARED: Mutex<Weak<Server>> = Mutex::new(Weak::new());
    let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(server) = shared.upgrade() {
        return Some(server);
    }
    let server = Arc::new(installed(Server::start())?);
    *shared = Arc::downgrade(&server);
    Some(server)
}

/// Options for a collection of the test's own.
pub(crate) fn options(server: &Server) -> MongoDbOptions {
    options_of(&server.url())
}

pub(crate) fn options_of(url: &str) -> MongoDbOptions {
    MongoDbOptions::from_url(url)
        .unwrap()
        .collection(format!("c{:016x}", fastrand::u64(..)))
        .cleanup_interval(None)
        .access_interval(Duration::from_secs(3600))
        .timeout(Duration::from_secs(30))
}

/// The collection as an administrator sees it.
pub(crate) async fn documents(options: &MongoDbOptions, url: &str) -> Documents {
    let client = mongodb::Client::with_uri_str(url).await.unwrap();
    client.database(options.database_name()).collection(options.collection_name())
}

pub(crate) type Documents = mongodb::Collection<Document>;

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

pub(crate) fn set_write(key: &Key, payload: impl Into<Bytes>, tags: &[&str]) -> Write {
    Write { key: key.clone(), action: WriteAction::Set { entry: entry(key, payload, tags) } }
}

pub(crate) async fn set(storage: &MongoDb, name: &str, tags: &[&str]) -> Result<(), StorageError> {
    let key = key(name);
    let outcome = storage.write(vec![set_write(&key, name.to_owned(), tags)]).await?.remove(0)?;
    assert_eq!(outcome, Outcome::Stored);
    Ok(())
}

pub(crate) async fn fill(
    storage: &MongoDb,
    name: &str,
    stamp: cache_core::fence::Stamp,
) -> Result<Outcome, StorageError> {
    let key = key(name);
    let entry = entry(&key, name.to_owned(), &[]);
    storage.write(vec![Write { key, action: WriteAction::Fill { entry, stamp } }]).await?.remove(0)
}

pub(crate) async fn holds(storage: &MongoDb, name: &str) -> Result<bool, StorageError> {
    let key = key(name);
    let found = storage.get(&key).await?.entry;
    if let Some(entry) = &found {
        entry.verify(&key).unwrap();
    }
    Ok(found.is_some())
}

/// Lets commands of a kind fail or wait, as a server in trouble does; `mode` says which: of those to
/// come, so many (`times`) after so many (`skip`).
pub(crate) async fn fail(server: &Server, mode: Document, data: Document) {
    let client = mongodb::Client::with_uri_str(server.url()).await.unwrap();
    let command = mongodb::bson::doc! {
        "configureFailPoint": "failCommand", "mode": mode, "data": data,
    };
    client.database("admin").run_command(command).await.unwrap();
}
