//! Connections: made ready, lent out, taken back if they are sound.

use std::time::Duration;

use cache_core::storage::{StorageError, StorageErrorKind};
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{ConnectOptions, Connection, Executor, Row};

use crate::config::PostgresOptions;
use crate::error::{error, failure};

pub(crate) type Pool = cache_sql::Pool<Connector>;

/// The oldest server that has all that the scripts use.
const SERVER_VERSION_MIN: i32 = 130_000;

/// How connections are made.
#[derive(Clone)]
pub(crate) struct Connector {
    server: PgConnectOptions,
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

impl Connector {
    pub(crate) fn new(options: &PostgresOptions) -> Self {
        let server = options
            .server
            .clone()
            .disable_statement_logging()
            // No floating-point number is read, and poolers do not know the setting.
            .extra_float_digits(None);
        Self { server, prepared: options.common.prepared, timeout: options.common.timeout }
    }
}

impl cache_sql::Connect for Connector {
    type Connection = PgConnection;
    type Error = ConnectError;

    async fn connect(&self) -> Result<PgConnection, ConnectError> {
        let mut connection = self.server.connect().await.map_err(ConnectError::Driver)?;
        // What is set for the session would stay with a pooler's connection; there, each
        // transaction sets it for itself.
        let session = if self.prepared { session(self.timeout) } else { String::new() };
        let sql = format!(
            "SELECT current_setting('server_version_num')::integer AS version, \
             pg_is_in_recovery() AS standby, current_setting('server_encoding') AS encoding{session}"
        );
        let row = connection
            .fetch_one(sqlx::raw_sql(sqlx::AssertSqlSafe(sql)))
            .await
            .map_err(ConnectError::Driver)?;
        let read = || -> Result<(i32, bool, String), sqlx::Error> {
            Ok((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?))
        };
        let (version, standby, encoding) = read().map_err(ConnectError::Driver)?;
        let refused =
            |kind, message: String| Err(ConnectError::Server(error("connect", kind, message)));
        if version < SERVER_VERSION_MIN {
            let message = format!("the server has version {version}, older than PostgreSQL 13");
            return refused(StorageErrorKind::Incompatible, message);
        }
        if encoding != "UTF8" {
            let message = format!("the database is encoded in {encoding}, not in UTF8");
            return refused(StorageErrorKind::Incompatible, message);
        }
        if standby {
            let message = "the server is a standby, which takes no writes";
            return refused(StorageErrorKind::Unavailable, message.to_owned());
        }
        Ok(connection)
    }
    async fn close(connection: PgConnection) {
        let _ = connection.close().await;
    }
}

/// Settings, each as a column of the statement that a connection begins with.
fn session(timeout: Duration) -> String {
    let timeout_ms = statement_timeout_ms(timeout);
    format!(
        ", set_config('statement_timeout', '{timeout_ms}', false), \
         set_config('default_transaction_isolation', 'read committed', false), \
         set_config('synchronous_commit', CASE current_setting('synchronous_commit') \
         WHEN 'off' THEN 'on' ELSE current_setting('synchronous_commit') END, false)"
    )
}

/// The same for one transaction, of which it is the beginning.
pub(crate) fn begin(timeout: Duration) -> String {
    let timeout_ms = statement_timeout_ms(timeout);
    format!(
        "BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL statement_timeout = {timeout_ms}; \
         SELECT set_config('synchronous_commit', 'on', true) \
         WHERE current_setting('synchronous_commit') = 'off'"
    )
}

/// What the server may take for a statement: as long as its caller waits, so that nothing runs on
/// that nobody waits for. Zero would be for ever.
fn statement_timeout_ms(timeout: Duration) -> u128 {
    timeout.as_millis().clamp(1, i32::MAX as u128)
}

impl ConnectError {
    pub(crate) fn into_storage_error(self, operation: &'static str) -> StorageError {
        match self {
            Self::Driver(source) => failure(operation, source),
            Self::Server(error) => error,
        }
    }
}
