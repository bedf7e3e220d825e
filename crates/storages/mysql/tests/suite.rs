//! The behaviour suite of the core, on the server that `TIERS_TEST_MYSQL_URL` names: with
//! statements prepared, with few connections, and with nothing set for a session.

use std::process::ExitCode;
use std::sync::Arc;

use cache_core::storage::Storage;
use cache_core::testing::suite::Failure;
use cache_mysql::MySql;
use cache_sql::testing::{SuiteDatabase, run_suite};
use sqlx::{AssertSqlSafe, Connection, Executor, MySqlConnection};

/// Stores in tables of their own.
struct Tables;

impl SuiteDatabase for Tables {
    const VARIABLE: &'static str = "TIERS_TEST_MYSQL_URL";
    const PLACE: &'static str = "table";
    const STORAGES: &'static [(&'static str, &'static str)] = &[
        ("mysql", "&timeout=60s"),
        ("mysql-narrow", "&timeout=60s&pool_size=2"),
        ("mysql-unprepared", "&timeout=60s&prepared=false"),
    ];

    async fn open(url: &str) -> Result<Arc<dyn Storage>, Failure> {
        Ok(MySql::open(url).await?.into_storage())
    }

    async fn remove(url: &str, table: &str) -> Result<(), Failure> {
        let names = ["", "_meta", "_fence", "_tags", "_totals", "_events", "_atomics"];
        let names = names.map(|end| format!("`{table}{end}`")).join(", ");
        let sql = format!("DROP TABLE IF EXISTS {names}");
        let mut connection = MySqlConnection::connect(url).await?;
        connection.execute(sqlx::raw_sql(AssertSqlSafe(sql))).await?;
        Ok(connection.close().await?)
    }
}

fn main() -> ExitCode {
    run_suite::<Tables>()
}
