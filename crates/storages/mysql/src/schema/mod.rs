//! The tables: their script, their version, what is in a database already.

mod shape;
mod statements;

pub(crate) use statements::{READ_KEYS_MAX, SERVER, Statements, is_like};

use std::time::Instant;

use cache_core::fence::CELL_FUNCTION;
use cache_core::storage::{StorageError, StorageErrorKind};
use cache_sql::{NoLease, RetryPolicy, fill_in};
use sqlx::mysql::MySqlConnection;
use sqlx::{AssertSqlSafe, Executor, Row};
use tokio::time::{sleep, timeout};

use crate::config::MySqlOptions;
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

/// In order, without gaps. A script is never changed once it is released. Each can be run again
/// after it was interrupted, since every statement of it is a transaction of its own.
const MIGRATIONS: [Migration; SCHEMA_VERSION as usize] = [
    Migration { version: 1, script: include_str!("../../schema/v1.sql") },
    Migration { version: 2, script: include_str!("../../schema/v2.sql") },
];

/// What a database holds of a storage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Found {
    Nothing,
    /// Tables that were not finished, or emptied.
    Unfinished,
    Version(i32),
}

/// The scripts above `from`, with their names filled in.
fn scripts(options: &MySqlOptions, from: i32) -> Result<String, StorageError> {
    let newer = MIGRATIONS.iter().filter(|migration| migration.version > from);
    let filled =
        newer.map(|migration| fill_in(migration.script, &[("table", &options.common.table)]));
    let filled = filled.collect::<Result<Vec<_>, _>>().map_err(|source| {
        error("schema", StorageErrorKind::Failed, source.to_string()).with_source(source)
    })?;
    Ok(filled.join("\n"))
}

/// All scripts, as an administrator would run them.
pub(crate) fn script(options: &MySqlOptions) -> Result<String, StorageError> {
    Ok(format!("{}\n{}", scripts(options, 0)?, crate::events::script(options)?))
}

/// Makes the tables, brings them to this version, or only checks them, as the options say. Gives
/// the largest packet that the server takes.
pub(crate) async fn prepare(shared: &Shared, operation: &'static str) -> Result<u64, StorageError> {
    let (begun, limit) = (Instant::now(), shared.options.common.timeout);
    let prepared = timeout(limit, async {
        let mut retry = RetryPolicy::DEFAULT.begin();
        loop {
            let error = match prepare_once(shared, operation).await {
                Ok(packet_bytes) => return Ok(packet_bytes),
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

async fn prepare_once(shared: &Shared, operation: &'static str) -> Result<u64, StorageError> {
    let mut lease = shared.pool.lease().await.map_err(|none| match none {
        NoLease::Closed => closed(operation),
        NoLease::Connect(refused) => refused.into_storage_error(operation),
    })?;
    let packet_bytes = prepare_on(&mut lease, &shared.options, operation).await?;
    lease.give_back();
    Ok(packet_bytes)
}

async fn prepare_on(
    connection: &mut MySqlConnection,
    options: &MySqlOptions,
    operation: &'static str,
) -> Result<u64, StorageError> {
    let driver = |source| failure(operation, source);
    let sql = "SELECT CAST(@@max_allowed_packet AS SIGNED)";
    let packet_bytes = number(connection, sql).await.map_err(driver)?;
    let mut found = inspect(connection, options, operation).await?;
    if found != Found::Version(SCHEMA_VERSION) {
        if !options.common.create {
            return Err(match found {
                Found::Nothing => {
                    incompatible(operation, format!("there is no table {}", named(options)))
                }
                Found::Unfinished => {
                    incompatible(operation, format!("{} is not finished", named(options)))
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
        // One process at a time. The lock goes with the connection at the latest.
        lock(connection, options, operation).await?;
        found = inspect(connection, options, operation).await?;
        let from = match found {
            Found::Nothing | Found::Unfinished => 0,
            Found::Version(version) => version,
        };
        if from < SCHEMA_VERSION {
            let script = scripts(options, from)?;
            connection.execute(sqlx::raw_sql(AssertSqlSafe(script))).await.map_err(driver)?;
            let sql =
                format!("UPDATE `{}_meta` SET version = {SCHEMA_VERSION}", options.common.table);
            connection.execute(sqlx::raw_sql(AssertSqlSafe(sql))).await.map_err(driver)?;
        }
        let sql = format!("DO RELEASE_LOCK({})", lock_name(options));
        connection.execute(sqlx::raw_sql(AssertSqlSafe(sql))).await.map_err(driver)?;
    }
    let difference = shape::difference(connection, options).await.map_err(driver)?;
    if let Some(difference) = difference {
        let message =
            format!("{} has another shape than this release expects: {difference}", named(options));
        return Err(incompatible(operation, message));
    }
    Ok(u64::try_from(packet_bytes).unwrap_or(0))
}

/// At most 64 characters.
fn lock_name(options: &MySqlOptions) -> String {
    format!("CONCAT('tiers:', SHA1(CONCAT(DATABASE(), '.{}')))", options.common.table)
}

/// Waits until no other process makes or migrates tables of this name.
async fn lock(
    connection: &mut MySqlConnection,
    options: &MySqlOptions,
    operation: &'static str,
) -> Result<(), StorageError> {
    let seconds = options.common.timeout.as_secs_f64().ceil().max(1.0) as u64;
    let sql = format!("SELECT CAST(GET_LOCK({}, {seconds}) AS SIGNED)", lock_name(options));
    match number(connection, &sql).await.map_err(|source| failure(operation, source))? {
        1 => Ok(()),
        _ => Err(late(operation, options.common.timeout)),
    }
}

/// Looks at a database without changing it.
async fn inspect(
    connection: &mut MySqlConnection,
    options: &MySqlOptions,
    operation: &'static str,
) -> Result<Found, StorageError> {
    let driver = |source| failure(operation, source);
    let table = &options.common.table;
    let there = shape::there(connection, options).await.map_err(driver)?;
    if there.is_empty() {
        return Ok(Found::Nothing);
    }
    if !there.contains(&format!("{table}_meta")) {
        let message = format!("{} is a table of something else", named(options));
        return Err(incompatible(operation, message));
    }
    let difference = shape::difference_of_meta(connection, options).await.map_err(driver)?;
    if let Some(difference) = difference {
        let message =
            format!("{} has another shape than this release expects: {difference}", named(options));
        return Err(incompatible(operation, message));
    }
    let sql = format!("SELECT version, cell_function FROM `{table}_meta` LIMIT 1");
    let row = connection.fetch_optional(sqlx::raw_sql(AssertSqlSafe(sql))).await.map_err(driver)?;
    let Some(row) = row else { return Ok(Found::Unfinished) };
    let version: i32 = row.try_get(0).map_err(driver)?;
    let function: &[u8] = row.try_get(1).map_err(driver)?;
    if version > SCHEMA_VERSION {
        let message = format!(
            "{} has schema version {version}, newer than {SCHEMA_VERSION}, which this release knows",
            named(options)
        );
        return Err(incompatible(operation, message));
    }
    if function != CELL_FUNCTION.as_bytes() {
        let message = format!(
            "the fence of {} uses the cells `{}`, this release `{CELL_FUNCTION}`",
            named(options),
            function.escape_ascii()
        );
        return Err(incompatible(operation, message));
    }
    Ok(Found::Version(version))
}

async fn number(connection: &mut MySqlConnection, sql: &str) -> sqlx::Result<i64> {
    let row = connection.fetch_one(sqlx::raw_sql(AssertSqlSafe(sql))).await?;
    row.try_get(0)
}

fn named(options: &MySqlOptions) -> String {
    format!("`{}`", options.common.table)
}

fn incompatible(operation: &'static str, message: String) -> StorageError {
    error(operation, StorageErrorKind::Incompatible, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_script_has_the_name_of_the_options() {
        let options = MySqlOptions::from_url("mysql://h/d?table=prices").unwrap();
        let script = options.schema_script().unwrap();
        assert!(script.contains("CREATE TABLE IF NOT EXISTS `prices` ("), "{script}");
        assert!(!script.contains("{table}") && !script.contains("`cache"), "{script}");
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
