//! Servers, storages and entries for the tests.

use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use cache_postgres::{Postgres, PostgresOptions};
pub(crate) use cache_sql::testing::{
    expired, fill, key, read, set, stamp, store, tag, value, write,
};
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
