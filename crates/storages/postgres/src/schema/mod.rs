//! The tables: their script, their version, what is in a database already.

mod shape;
mod statements;
mod unfenced;

pub(crate) use statements::{Condition, Statements};

use std::time::Instant;

use cache_core::fence::CELL_FUNCTION;
use cache_core::storage::{StorageError, StorageErrorKind};
use cache_sql::{NoLease, RetryPolicy, fill_in};
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection, Executor, Row};
use tokio::time::{sleep, timeout};

use crate::config::PostgresOptions;
use crate::error::{closed, error, failure, late};
use crate::storage::Shared;

/// The version of the tables that this release makes. Older ones are migrated when they are opened,
/// newer ones refused.
pub const SCHEMA_VERSION: i32 = 2;

/// A step from one version to the next.
struct Migration {
    version: i32,
    script: &'static str,
}

/// In order, without gaps. A script is never changed once it is released.
const MIGRATIONS: [Migration; SCHEMA_VERSION as usize] = [
    Migration { version: 1, script: include_str!("../../schema/v1.sql") },
    Migration { version: 2, script: include_str!("../../schema/v2.sql") },
];

/// What a database holds of a storage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Found {
    Nothing,
    Version(i32),
}

/// The scripts above `from`, with their names filled in.
fn scripts(options: &PostgresOptions, from: i32) -> Result<String, StorageError> {
    let persistence = if options.unlogged { "UNLOGGED" } else { "" };
    let values = [
        ("schema", &*options.schema),
        ("table", &*options.common.table),
        ("persistence", persistence),
    ];
    let newer = MIGRATIONS.iter().filter(|migration| migration.version > from);
    let filled = newer.map(|migration| fill_in(migration.script, &values));
    let filled = filled.collect::<Result<Vec<_>, _>>().map_err(|source| {
        error("schema", StorageErrorKind::Failed, source.to_string()).with_source(source)
    })?;
    let script = filled.join("\n").replace("CREATE  TABLE", "CREATE TABLE");
    Ok(if cfg!(fencing_off) { unfenced::without_fence(script) } else { script })
}

/// All scripts, as an administrator would run them.
pub(crate) fn script(options: &PostgresOptions) -> Result<String, StorageError> {
    let schema = match options.schema.as_str() {
        "public" => String::new(),
        schema => format!("CREATE SCHEMA IF NOT EXISTS \"{schema}\";\n\n"),
    };
    let events = crate::events::script(options)?;
    Ok(format!("BEGIN;\n\n{schema}{}\n{events}\nCOMMIT;\n", scripts(options, 0)?))
}

/// Makes the tables, brings them to this version, or only checks them, as the options say.
pub(crate) async fn prepare(shared: &Shared, operation: &'static str) -> Result<(), StorageError> {
    let (begun, limit) = (Instant::now(), shared.options.common.timeout);
    let prepared = timeout(limit, async {
        let mut retry = RetryPolicy::DEFAULT.begin();
        loop {
            let error = match prepare_once(shared, operation).await {
                Ok(()) => return Ok(()),
                Err(error) => error,
            };
            let left = limit.saturating_sub(begun.elapsed());
            let wait = if error.is_transient() { retry.wait(fastrand::f64(), left) } else { None };
            let Some(wait) = wait else { return Err(error) };
            sleep(wait).await;
        }
    });
    prepared.await.unwrap_or_else(|_| Err(late(operation, limit)))
}

async fn prepare_once(shared: &Shared, operation: &'static str) -> Result<(), StorageError> {
    let mut lease = shared.pool.lease().await.map_err(|none| match none {
        NoLease::Closed => closed(operation),
        NoLease::Connect(refused) => refused.into_storage_error(operation),
    })?;
    prepare_on(&mut lease, &shared.options, operation).await?;
    lease.give_back();
    Ok(())
}

async fn prepare_on(
    connection: &mut PgConnection,
    options: &PostgresOptions,
    operation: &'static str,
) -> Result<(), StorageError> {
    let driver = |source| failure(operation, source);
    let mut transaction = connection.begin().await.map_err(driver)?;
    let found = match inspect(&mut transaction, options, operation).await? {
        // Looked at again once nobody else is at work.
        Found::Version(SCHEMA_VERSION) => Found::Version(SCHEMA_VERSION),
        _ => {
            lock(&mut transaction, options).await.map_err(driver)?;
            inspect(&mut transaction, options, operation).await?
        }
    };
    let from = match found {
        Found::Nothing => 0,
        Found::Version(version) => version,
    };
    if from < SCHEMA_VERSION {
        if !options.common.create {
            return Err(match found {
                Found::Nothing => {
                    incompatible(operation, format!("there is no table {}", named(options)))
                }
                Found::Version(version) => incompatible(
                    operation,
                    format!(
                        "{} has schema version {version}; {SCHEMA_VERSION} is current",
                        named(options)
                    ),
                ),
            });
        }
        if found == Found::Nothing {
            make_schema(&mut transaction, options).await.map_err(driver)?;
        }
        let script = scripts(options, from)?;
        transaction.execute(sqlx::raw_sql(AssertSqlSafe(script))).await.map_err(driver)?;
        let sql = format!(
            "UPDATE \"{}\".\"{}_meta\" SET version = {SCHEMA_VERSION}",
            options.schema, options.common.table
        );
        transaction.execute(sqlx::raw_sql(AssertSqlSafe(sql))).await.map_err(driver)?;
    }
    let difference = shape::difference(&mut transaction, options).await.map_err(driver)?;
    if let Some(difference) = difference {
        let message =
            format!("{} has another shape than this release expects: {difference}", named(options));
        return Err(incompatible(operation, message));
    }
    transaction.commit().await.map_err(driver)
}

/// Waits until no other process makes or migrates tables of this name. Held to the transaction's end.
async fn lock(connection: &mut PgConnection, options: &PostgresOptions) -> sqlx::Result<()> {
    let name = format!("tiers schema {}.{}", options.schema, options.common.table);
    let sql = format!("SELECT pg_advisory_xact_lock(hashtextextended('{name}', 0))::text");
    connection.execute(sqlx::raw_sql(AssertSqlSafe(sql))).await.map(drop)
}

/// Makes the schema if it is not there: even asking for it `IF NOT EXISTS` takes a right that few
/// have.
async fn make_schema(connection: &mut PgConnection, options: &PostgresOptions) -> sqlx::Result<()> {
    let schema = &options.schema;
    let sql = format!("SELECT to_regnamespace('\"{schema}\"') IS NULL");
    let row = connection.fetch_one(sqlx::raw_sql(AssertSqlSafe(sql))).await?;
    if row.try_get::<bool, _>(0)? {
        let sql = format!("CREATE SCHEMA \"{schema}\"");
        connection.execute(sqlx::raw_sql(AssertSqlSafe(sql))).await?;
    }
    Ok(())
}

/// Looks at a database without changing it.
async fn inspect(
    connection: &mut PgConnection,
    options: &PostgresOptions,
    operation: &'static str,
) -> Result<Found, StorageError> {
    let driver = |source| failure(operation, source);
    let there = shape::there(connection, options).await.map_err(driver)?;
    if there.is_empty() {
        return Ok(Found::Nothing);
    }
    let (schema, table) = (&options.schema, &options.common.table);
    if !there.contains(&format!("{table}_meta")) {
        let message = format!("{} is a table of something else", named(options));
        return Err(incompatible(operation, message));
    }
    // Asked for as a row of any shape, so that a table of another one is an answer and no error
    // that would end the transaction.
    let sql = format!(
        "SELECT to_jsonb(m)->>'version', to_jsonb(m)->>'cell_function' \
         FROM \"{schema}\".\"{table}_meta\" m LIMIT 1"
    );
    let row = connection.fetch_optional(sqlx::raw_sql(AssertSqlSafe(sql))).await.map_err(driver)?;
    let Some(row) = row else {
        // Emptied; writes make the row again. What the last version has made tells it.
        let is_current = there.contains(&format!("{table}_atomics"));
        return Ok(Found::Version(if is_current { SCHEMA_VERSION } else { 1 }));
    };
    let version: Option<String> = row.try_get(0).map_err(driver)?;
    let function: Option<String> = row.try_get(1).map_err(driver)?;
    let version = version.and_then(|version| version.parse::<i32>().ok());
    let Some(version) = version.filter(|version| *version > 0) else {
        let message = format!(
            "{} has another shape than this release expects: it does not say its version",
            named(options)
        );
        return Err(incompatible(operation, message));
    };
    if version > SCHEMA_VERSION {
        let message = format!(
            "{} has schema version {version}, newer than {SCHEMA_VERSION}, which this release knows",
            named(options)
        );
        return Err(incompatible(operation, message));
    }
    match function {
        Some(function) if function != CELL_FUNCTION => Err(incompatible(
            operation,
            format!(
                "the fence of {} uses the cells `{function}`, this release `{CELL_FUNCTION}`",
                named(options)
            ),
        )),
        _ => Ok(Found::Version(version)),
    }
}

fn named(options: &PostgresOptions) -> String {
    format!("`{}.{}`", options.schema, options.common.table)
}

fn incompatible(operation: &'static str, message: String) -> StorageError {
    error(operation, StorageErrorKind::Incompatible, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_script_has_the_names_of_the_options() {
        let options = PostgresOptions::from_url("postgres://h/d?schema=app&table=prices").unwrap();
        let script = options.schema_script().unwrap();
        assert!(script.contains("CREATE SCHEMA IF NOT EXISTS \"app\""), "{script}");
        assert!(script.contains("CREATE TABLE \"app\".\"prices\""), "{script}");
        let places = ["{schema}", "{table}", "{persistence}"];
        assert!(!places.iter().any(|place| script.contains(place)), "{script}");
        let script = options.unlogged(true).schema_script().unwrap();
        assert!(script.contains("CREATE UNLOGGED TABLE \"app\".\"prices\" "), "{script}");
        assert!(script.contains("CREATE TABLE \"app\".\"prices_fence\""), "the fence is logged");
    }

    #[test]
    fn versions_have_no_gaps() {
        for (index, migration) in MIGRATIONS.iter().enumerate() {
            assert_eq!(migration.version as usize, index + 1);
        }
        let cells = format!("'{CELL_FUNCTION}'");
        assert!(MIGRATIONS[0].script.contains(&cells), "it names how cells are found");
    }
}
