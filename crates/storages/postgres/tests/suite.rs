//! The behaviour suite of the core, on the server that `TIERS_TEST_POSTGRES_URL` names: with
//! statements prepared, with unlogged entries, and without prepared statements.

use std::process::ExitCode;
use std::sync::Arc;

use cache_core::storage::Storage;
use cache_core::testing::suite::{Failure, Setup, StorageFactory, Time};
use cache_postgres::PostgresOptions;
use cache_sql::testing::server_trials;
use libtest_mimic::Arguments;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};

const VARIABLE: &str = "TIERS_TEST_POSTGRES_URL";

/// Stores in a schema of their own.
struct Schemas {
    url: String,
    options: &'static str,
}

/// A schema that goes when its case has ended.
struct Schema {
    url: String,
    name: String,
}

impl StorageFactory for Schemas {
    type Store = Schema;

    fn time(&self) -> Time {
        Time::Server
    }

    async fn create(&self) -> Result<Schema, Failure> {
        let name = format!("suite_{:016x}", fastrand::u64(..));
        Ok(Schema { url: self.url.clone(), name })
    }

    async fn open(&self, store: &Schema, setup: &Setup) -> Result<Arc<dyn Storage>, Failure> {
        let separator = if self.url.contains('?') { '&' } else { '?' };
        let url = format!("{}{separator}schema={}{}", self.url, store.name, self.options);
        let mut options = PostgresOptions::from_url(&url)?;
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

impl Drop for Schema {
    fn drop(&mut self) {
        let sql = format!("DROP SCHEMA IF EXISTS \"{}\" CASCADE", self.name);
        let url = self.url.clone();
        // A schema that stays behind has a name that nobody else uses.
        let dropped = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(async {
                let mut connection = PgConnection::connect(&url).await?;
                connection.execute(sqlx::raw_sql(AssertSqlSafe(sql))).await?;
                connection.close().await
            })
        });
        drop(dropped.join());
    }
}

/// The storages that are tried, with the options that tell them apart.
const STORAGES: [(&str, &str); 3] = [
    ("postgres", ""),
    ("postgres-unlogged", "&unlogged=true&pool_size=3"),
    ("postgres-unprepared", "&prepared=false"),
];

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let trials = server_trials(VARIABLE, &STORAGES, |url, options| Schemas { url, options });
    libtest_mimic::run(&arguments, trials).exit_code()
}
