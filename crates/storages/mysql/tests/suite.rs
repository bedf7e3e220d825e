//! The behaviour suite of the core, on the server that `TIERS_TEST_MYSQL_URL` names: with
//! statements prepared, with few connections, and with nothing set for a session.

use std::process::ExitCode;
use std::sync::Arc;

use cache_core::storage::Storage;
use cache_core::testing::suite::{Failure, Setup, StorageFactory, Time};
use cache_mysql::MySqlOptions;
use cache_sql::testing::server_trials;
use libtest_mimic::Arguments;
use sqlx::{AssertSqlSafe, Connection, Executor, MySqlConnection};

const VARIABLE: &str = "TIERS_TEST_MYSQL_URL";

/// Stores in tables of their own.
struct Tables {
    url: String,
    options: &'static str,
}

/// Tables that go when their case has ended.
struct Table {
    url: String,
    name: String,
}

impl StorageFactory for Tables {
    type Store = Table;

    fn time(&self) -> Time {
        Time::Server
    }

    async fn create(&self) -> Result<Table, Failure> {
        let name = format!("suite_{:016x}", fastrand::u64(..));
        Ok(Table { url: self.url.clone(), name })
    }

    async fn open(&self, store: &Table, setup: &Setup) -> Result<Arc<dyn Storage>, Failure> {
        let separator = if self.url.contains('?') { '&' } else { '?' };
        let url = format!("{}{separator}table={}{}", self.url, store.name, self.options);
        let mut options = MySqlOptions::from_url(&url)?;
        if let Some(value_bytes_max) = setup.value_bytes_max() {
            options = options.value_bytes_max(value_bytes_max);
        }
        if let (Some(entries_max), Some(bytes_max)) = (setup.entries_max(), setup.bytes_max()) {
            // Cases use entries within milliseconds of each other.
            let exactly = std::time::Duration::from_millis(1);
            options =
                options.max_entries(entries_max).max_bytes(bytes_max).access_interval(exactly);
        }
        if let Some(events_max) = setup.events_max() {
            options = options.events_max(events_max);
        }
        Ok(options.open().await?.into_storage())
    }
}

impl Drop for Table {
    fn drop(&mut self) {
        let names = ["", "_meta", "_fence", "_tags", "_totals", "_events", "_atomics"];
        let names = names.map(|end| format!("`{}{end}`", self.name)).join(", ");
        let sql = format!("DROP TABLE IF EXISTS {names}");
        let url = self.url.clone();
        // Tables that stay behind have names that nobody else uses.
        let dropped = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(async {
                let mut connection = MySqlConnection::connect(&url).await?;
                connection.execute(sqlx::raw_sql(AssertSqlSafe(sql))).await?;
                connection.close().await
            })
        });
        drop(dropped.join());
    }
}

/// The storages that are tried, with the options that tell them apart.
const STORAGES: [(&str, &str); 3] = [
    ("mysql", "&timeout=60s"),
    ("mysql-narrow", "&timeout=60s&pool_size=2"),
    ("mysql-unprepared", "&timeout=60s&prepared=false"),
];

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let trials = server_trials(VARIABLE, &STORAGES, |url, options| Tables { url, options });
    libtest_mimic::run(&arguments, trials).exit_code()
}
