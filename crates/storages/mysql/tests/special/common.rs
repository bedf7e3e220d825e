//! Servers, storages and entries for the tests.

use std::time::Duration;

use cache_mysql::{MySql, MySqlOptions};
use cache_sql::testing::Database;
pub(crate) use cache_sql::testing::{
    expired, fill, key, now, read, set, stamp, store, tag, value, write,
};
use sqlx::MySqlConnection;

/// MariaDB as the tests that the SQL storages share use it.
pub(crate) struct MariaDb;

impl Database for MariaDb {
    cache_sql::database_driver!(MySqlOptions, MySql, MySqlConnection);

    const AGE: &'static str = "UPDATE {t} SET last_accessed = last_accessed - 3600000 \
        + CAST(SUBSTR(`key`, 4, 3) AS SIGNED)";
    const ADVANCE: &'static str = "UPDATE {t}_meta SET counter = counter + 1";
    const FALL_BACK: &'static str = "UPDATE {t}_meta SET counter = 1000";
    const UNDO_SECOND_SCHEMA: &'static str =
        "DROP TABLE {t}_atomics; UPDATE {t}_meta SET version = 1";
    const LOCK: &'static str = "LOCK TABLES {t} WRITE";
    const UNLOCK: &'static str = "UNLOCK TABLES";
    const LARGE_BATCH: u64 = 300;

    fn options(url: &str, query: &str) -> MySqlOptions {
        let table = format!("t{:016x}", fastrand::u64(..));
        // Nobody waits in vain where a machine is busy; tests of waiting say how long.
        let timeout = if query.contains("timeout=") { "" } else { "&timeout=60s" };
        let url = format!("{url}?table={table}&cleanup_interval=off{query}{timeout}");
        MySqlOptions::from_url(&url).unwrap()
    }

    fn table(options: &MySqlOptions) -> String {
        options.table_name().to_owned()
    }
}

cache_sql::database_functions!(
    MariaDb,
    MySqlOptions,
    MySql,
    MySqlConnection,
    tiers_servers::MariaDb
);

/// How long a call waits in tests of that, and more than the calls of one take in all.
pub(crate) const HURRY: Duration = Duration::from_millis(1500);
pub(crate) const LONG: Duration = Duration::from_secs(10);

/// How many transactions of a server wait for a lock of a row.
pub(crate) const WAITING: &str = "SELECT CAST(variable_value AS SIGNED) \
    FROM information_schema.global_status WHERE variable_name = 'Innodb_row_lock_current_waits'";
