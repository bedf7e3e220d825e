//! Servers, storages and entries for the tests.

use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use cache_mysql::{MySql, MySqlOptions};
pub(crate) use cache_sql::testing::{
    expired, fill, key, now, read, set, stamp, store, tag, value, write,
};
use parking_lot::Mutex;
use sqlx::{AssertSqlSafe, Connection, Executor, MySqlConnection, Row};
use tiers_servers::MariaDb as Server;

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
pub(crate) fn options(url: &str, query: &str) -> MySqlOptions {
    let table = format!("t{:016x}", fastrand::u64(..));
    // Nobody waits in vain where a machine is busy; tests of waiting say how long.
    let timeout = if query.contains("timeout=") { "" } else { "&timeout=60s" };
    let url = format!("{url}?table={table}&cleanup_interval=off{query}{timeout}");
    MySqlOptions::from_url(&url).unwrap()
}

pub(crate) async fn open(url: &str, query: &str) -> MySql {
    options(url, query).open().await.unwrap()
}

/// Opens with a timeout that making the tables would take too long for on a busy machine.
pub(crate) async fn open_hurried(options: MySqlOptions, timeout: Duration) -> MySql {
    options.clone().timeout(Duration::from_secs(60)).apply_schema().await.unwrap();
    options.timeout(timeout).open().await.unwrap()
}

/// How long a call waits in tests of that, and more than the calls of one take in all.
pub(crate) const HURRY: Duration = Duration::from_millis(1500);
pub(crate) const LONG: Duration = Duration::from_secs(10);

/// A connection beside the storage, as an administrator has one.
pub(crate) async fn connect(url: &str) -> MySqlConnection {
    MySqlConnection::connect(url).await.unwrap()
}

pub(crate) async fn execute(connection: &mut MySqlConnection, sql: &str) {
    connection.execute(sqlx::raw_sql(AssertSqlSafe(sql))).await.unwrap();
}

pub(crate) async fn number(connection: &mut MySqlConnection, sql: &str) -> i64 {
    let row = connection.fetch_one(sqlx::raw_sql(AssertSqlSafe(sql))).await.unwrap();
    row.try_get(0).unwrap()
}

/// Waits until `sql` gives a number above zero.
pub(crate) async fn wait_for(connection: &mut MySqlConnection, sql: &str) {
    for _ in 0..2_000 {
        if number(connection, sql).await > 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    panic!("did not come about: {sql}");
}

/// How many transactions of a server wait for a lock of a row.
pub(crate) const WAITING: &str = "SELECT CAST(variable_value AS SIGNED) \
    FROM information_schema.global_status WHERE variable_name = 'Innodb_row_lock_current_waits'";
