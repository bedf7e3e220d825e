//! Connections: made ready, lent out, taken back if they are sound.

mod script;

pub(crate) use script::Script;

use std::sync::Arc;
use std::time::Duration;

use cache_core::storage::{StorageError, StorageErrorKind};
use futures_util::TryStreamExt;
use sqlx::mysql::{MySqlConnectOptions, MySqlConnection, MySqlRow};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Either, Executor, Row};

use crate::config::MySqlOptions;
use crate::error::{ends_connection, error, failure, is_refusal};
use crate::schema::SERVER;

pub(crate) type Pool = cache_sql::Pool<Connector>;

/// How connections are made.
#[derive(Clone)]
pub(crate) struct Connector {
    server: MySqlConnectOptions,
    prepared: bool,
    timeout: Duration,
}

/// Why there is no connection.
#[derive(Debug)]
pub(crate) enum ConnectError {
    /// The server or the driver says so.
    Driver(sqlx::Error),
    /// The server is not one that this storage can work with.
    Server(StorageError),
}

/// What one statement of a script has answered.
#[derive(Debug, Default)]
pub(crate) struct Told {
    pub(crate) rows: Vec<MySqlRow>,
    /// Rows that it found to be changed, whether or not they became others by it.
    pub(crate) affected: u64,
}

/// What a script has answered.
#[derive(Debug)]
pub(crate) enum Answer {
    /// Every statement, in their order.
    Told(Vec<Told>),
    /// A condition in it did not hold, and nothing of it was done but a raise of the counter.
    Refused,
}

impl Connector {
    pub(crate) fn new(options: &MySqlOptions) -> Self {
        // Nothing of a session is relied on but what is set below.
        let server = options
            .server
            .clone()
            .disable_statement_logging()
            .pipes_as_concat(false)
            .no_engine_substitution(false)
            .timezone(None)
            .set_names(false);
        Self { server, prepared: options.common.prepared, timeout: options.common.timeout }
    }
}

impl cache_sql::Connect for Connector {
    type Connection = MySqlConnection;
    type Error = ConnectError;

    async fn connect(&self) -> Result<MySqlConnection, ConnectError> {
        let mut connection = self.server.connect().await.map_err(ConnectError::Driver)?;
        // What is set for the session would stay with a pooler's connection.
        let mut script = if self.prepared { session(self.timeout) } else { String::new() };
        script.push_str("SELECT @@version, IF(CONCAT(@@read_only) IN ('0', 'OFF'), 0, 1)");
        let read = read_settings(&mut connection, script).await;
        let (version, read_only) = read.map_err(ConnectError::Driver)?;
        if let Some(problem) = too_old(&version) {
            let refused = error("connect", StorageErrorKind::Incompatible, problem);
            return Err(ConnectError::Server(refused));
        }
        if read_only {
            let message = "the server takes no writes (`read_only`), as a replica does not";
            let refused = error("connect", StorageErrorKind::Unavailable, message);
            return Err(ConnectError::Server(refused));
        }
        Ok(connection)
    }

    async fn close(connection: MySqlConnection) {
        let _ = connection.close().await;
    }
}

async fn read_settings(
    connection: &mut MySqlConnection,
    script: String,
) -> Result<(String, bool), sqlx::Error> {
    let row = connection.fetch_one(sqlx::raw_sql(AssertSqlSafe(script))).await?;
    Ok((row.try_get(0)?, row.try_get::<i64, _>(1)? != 0))
}

/// What is wrong with a server of this version.
fn too_old(version: &str) -> Option<String> {
    let mut parts = version.split(['.', '-']).map(|part| part.parse::<u32>().unwrap_or(0));
    let number = (parts.next().unwrap_or(0), parts.next().unwrap_or(0));
    let (name, least) =
        if version.contains("MariaDB") { ("MariaDB 10.6", (10, 6)) } else { ("MySQL 8.0", (8, 0)) };
    (number < least).then(|| format!("the server has version {version}, older than {name}"))
}

/// What a connection begins with: the server waits, and works, no longer than the caller does. A
/// transaction whose process stands still is given up where the server can be told so.
fn session(timeout: Duration) -> String {
    let seconds = timeout.as_secs_f64().ceil().clamp(1.0, 1e6) as u64;
    let timeout_ms = timeout.as_millis().clamp(1, u128::from(u32::MAX));
    format!(
        "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED; \
         SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION', autocommit = 1, \
         innodb_lock_wait_timeout = {seconds} \
         /*M! , max_statement_time = {seconds}, idle_transaction_timeout = {idle} */ \
         /*!80000 , max_execution_time = {timeout_ms} */; SET @tiers_server = {SERVER}; ",
        idle = seconds.saturating_mul(2),
    )
}

impl ConnectError {
    pub(crate) fn into_storage_error(self, operation: &'static str) -> StorageError {
        match self {
            Self::Driver(source) => failure(operation, source),
            Self::Server(error) => error,
        }
    }
}

/// Sends a script and reads all that it answers. After a failure nothing of it is left open.
pub(crate) async fn send_script(
    connection: &mut MySqlConnection,
    script: &Arc<str>,
) -> Result<Answer, sqlx::Error> {
    match read_answers(connection, script).await {
        Ok(told) => Ok(Answer::Told(told)),
        Err(source) if ends_connection(&source) => Err(source),
        Err(source) => {
            connection.execute(sqlx::raw_sql("ROLLBACK")).await?;
            if is_refusal(&source) { Ok(Answer::Refused) } else { Err(source) }
        }
    }
}

async fn read_answers(
    connection: &mut MySqlConnection,
    script: &Arc<str>,
) -> Result<Vec<Told>, sqlx::Error> {
    let script = AssertSqlSafe(Arc::clone(script));
    let mut answers = connection.fetch_many(sqlx::raw_sql(script));
    let (mut told, mut rows) = (Vec::new(), Vec::new());
    while let Some(answer) = answers.try_next().await? {
        match answer {
            Either::Right(row) => rows.push(row),
            Either::Left(done) => {
                let rows = std::mem::take(&mut rows);
                told.push(Told { rows, affected: done.rows_affected() });
            }
        }
    }
    Ok(told)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_that_lack_what_is_used_are_refused() {
        for version in
            ["8.0.36", "8.4.0-commercial", "9.7.0", "10.6.12-MariaDB", "11.4.2-MariaDB-log"]
        {
            assert_eq!(too_old(version), None, "{version}");
        }
        for version in ["5.7.44", "10.5.9-MariaDB-1:10.5.9", "", "x"] {
            assert!(too_old(version).is_some(), "{version}");
        }
    }

    #[test]
    fn the_server_waits_at_least_a_second() {
        assert!(session(Duration::from_millis(250)).contains("innodb_lock_wait_timeout = 1 "));
        assert!(session(Duration::from_millis(5_500)).contains("innodb_lock_wait_timeout = 6 "));
    }
}
