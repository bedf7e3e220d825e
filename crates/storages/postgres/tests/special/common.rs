//! Servers, storages and entries for the tests.

use cache_postgres::{Postgres, PostgresOptions};
use cache_sql::testing::Database;
pub(crate) use cache_sql::testing::{
    blocking, fill, key, read, set, stamp, store, tag, value, write,
};
use sqlx::PgConnection;

/// PostgreSQL as the tests that the SQL storages share use it.
pub(crate) struct PostgreSql;

impl Database for PostgreSql {
    cache_sql::database_driver!(PostgresOptions, Postgres, PgConnection);

    const AGE: &'static str = "UPDATE {t} SET last_accessed = last_accessed - 3600000 \
        + substr(key, 4, 3)::integer";
    const ADVANCE: &'static str = "SELECT {t}_advance()";
    const FALL_BACK: &'static str = "SELECT setval('{t}_counter', 1000)";
    const UNDO_SECOND_SCHEMA: &'static str = "DROP TABLE {t}_atomics; DROP FUNCTION {t}_atomic; \
        UPDATE {t}_meta SET version = 1";
    const LOCK: &'static str = "BEGIN; LOCK TABLE {t} IN ACCESS EXCLUSIVE MODE";
    const UNLOCK: &'static str = "ROLLBACK";
    const LARGE_BATCH: u64 = 1_000;

    fn options(url: &str, query: &str) -> PostgresOptions {
        let schema = format!("s{:016x}", fastrand::u64(..));
        let url = format!("{url}?schema={schema}&cleanup_interval=off{query}");
        PostgresOptions::from_url(&url).unwrap()
    }

    fn table(options: &PostgresOptions) -> String {
        format!("{}.{}", options.schema_name(), options.table_name())
    }
}

cache_sql::database_functions!(
    PostgreSql,
    PostgresOptions,
    Postgres,
    PgConnection,
    tiers_servers::Postgres
);

/// How many statements of others wait for a lock.
pub(crate) const WAITING: &str =
    "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'";
