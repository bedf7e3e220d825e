//! The behaviour suite of the core, on the server that `TIERS_TEST_POSTGRES_URL` names: with
//! statements prepared, with unlogged entries, and without prepared statements.

use std::process::ExitCode;
use std::sync::Arc;

use cache_core::storage::Storage;
use cache_core::testing::suite::Failure;
use cache_postgres::Postgres;
use cache_sql::testing::{SuiteDatabase, run_suite};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};

/// Stores in schemas of their own.
struct Schemas;

impl SuiteDatabase for Schemas {
    const VARIABLE: &'static str = "TIERS_TEST_POSTGRES_URL";
    const PLACE: &'static str = "schema";
    const STORAGES: &'static [(&'static str, &'static str)] = &[
        ("postgres", ""),
        ("postgres-unlogged", "&unlogged=true&pool_size=3"),
        ("postgres-unprepared", "&prepared=false"),
    ];

    async fn open(url: &str) -> Result<Arc<dyn Storage>, Failure> {
        Ok(Postgres::open(url).await?.into_storage())
    }

    async fn remove(url: &str, schema: &str) -> Result<(), Failure> {
        let sql = format!("DROP SCHEMA IF EXISTS \"{schema}\" CASCADE");
        let mut connection = PgConnection::connect(url).await?;
        connection.execute(sqlx::raw_sql(AssertSqlSafe(sql))).await?;
        Ok(connection.close().await?)
    }
}

fn main() -> ExitCode {
    run_suite::<Schemas>()
}
