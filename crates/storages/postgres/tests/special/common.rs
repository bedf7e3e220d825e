//! Servers, storages and entries for the tests.

use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use bytes::Bytes;
use cache_core::clock::{Clock, SystemClock, Timestamp};
use cache_core::entry::{CodecId, Compression, Entry, EntryKind, Token};
use cache_core::fence::Stamp;
use cache_core::key::{Key, Tag, Tags};
use cache_core::storage::{Outcome, Storage, StorageError, Write, WriteAction};
use cache_postgres::{Postgres, PostgresOptions};
use parking_lot::Mutex;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection, Row};
use tiers_servers::Postgres as Server;

/// A server that nobody hurts, for all tests that want no other; it ends with the last of them.
pub(crate) async fn shared_server() -> Arc<Server> {
    static SERVER: OnceLock<Mutex<Weak<Server>>> = OnceLock::new();
    blocking(|| {
        let mut server = SERVER.get_or_init(Mutex::default).lock();
        server.upgrade().unwrap_or_else(|| {
            let started = Arc::new(Server::start().unwrap());
            *server = Arc::downgrade(&started);
            started
        })
    })
    .await
}

/// A server of its own.
pub(crate) async fn own_server(settings: &'static [&'static str]) -> Arc<Server> {
    blocking(|| Arc::new(Server::start_with(settings).unwrap())).await
}

/// Runs what blocks where it may.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.unwrap()
}

/// Options for a table of its own.
pub(crate) fn options(url: &str, query: &str) -> PostgresOptions {
    let schema = format!("s{:016x}", fastrand::u64(..));
    let url = format!("{url}?schema={schema}&cleanup_interval=off{query}");
    PostgresOptions::from_url(&url).unwrap()
}

pub(crate) async fn open(url: &str, query: &str) -> Postgres {
    options(url, query).open().await.unwrap()
}

/// Opens with a timeout that making the tables would take too long for on a busy machine.
pub(crate) async fn open_hurried(options: PostgresOptions, timeout: Duration) -> Postgres {
    options.clone().timeout(Duration::from_secs(60)).apply_schema().await.unwrap();
    options.timeout(timeout).open().await.unwrap()
}

/// A connection beside the storage, as an administrator has one.
pub(crate) async fn connect(url: &str) -> PgConnection {
    PgConnection::connect(url).await.unwrap()
}

pub(crate) async fn execute(connection: &mut PgConnection, sql: &str) {
    connection.execute(sqlx::raw_sql(AssertSqlSafe(sql))).await.unwrap();
}

pub(crate) async fn number(connection: &mut PgConnection, sql: &str) -> i64 {
    let row = connection.fetch_one(sqlx::raw_sql(AssertSqlSafe(sql))).await.unwrap();
    row.try_get(0).unwrap()
}

/// Waits until `sql` gives a number above zero.
pub(crate) async fn wait_for(connection: &mut PgConnection, sql: &str) {
    for _ in 0..2_000 {
        if number(connection, sql).await > 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    panic!("did not come about: {sql}");
}

/// How many statements of others wait for a lock.
pub(crate) const WAITING: &str =
    "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'";

pub(crate) fn key(name: &str) -> Key {
    Key::parse(&format!("p:{name}:v1")).unwrap()
}

pub(crate) fn tag(label: &str) -> Tag {
    Tag::new("p", label).unwrap()
}

pub(crate) fn now() -> Timestamp {
    SystemClock.wall()
}

/// A value that is kept for an hour.
pub(crate) fn value(key: &Key, payload: impl AsRef<[u8]>, tags: &[Tag]) -> Entry {
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
pub(crate) fn expired(key: &Key) -> Entry {
    let past = Timestamp::from_unix_ms(now().unix_ms() - 1_000);
    Entry { fresh_until: past, kept_until: past, ..value(key, "expired", &[]) }
}

pub(crate) fn set(key: &Key, entry: Entry) -> Write {
    Write { key: key.clone(), action: WriteAction::Set { entry } }
}

pub(crate) fn fill(key: &Key, entry: Entry, stamp: Stamp) -> Write {
    Write { key: key.clone(), action: WriteAction::Fill { entry, stamp } }
}

pub(crate) async fn write(storage: &dyn Storage, write: Write) -> Result<Outcome, StorageError> {
    storage.write(vec![write]).await?.pop().unwrap()
}

/// Writes that must succeed.
pub(crate) async fn store(storage: &dyn Storage, writes: Vec<Write>) {
    for outcome in storage.write(writes).await.unwrap() {
        assert_eq!(outcome.unwrap(), Outcome::Stored);
    }
}

pub(crate) async fn stamp(storage: &dyn Storage, key: &Key) -> Stamp {
    storage.stamps(std::slice::from_ref(key)).await.unwrap()[0]
}

/// What stands under a key, found whole.
pub(crate) async fn read(storage: &dyn Storage, key: &Key) -> Option<Entry> {
    let entry = storage.get(key).await.unwrap().entry?;
    entry.verify(key).unwrap();
    Some(entry)
}
