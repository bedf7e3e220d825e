//! Options, their defaults and what they may be.

mod url;

use std::fmt;

use cache_core::error::ConfigError;
use cache_core::storage::StorageError;
use cache_sql::{TableOptions, validate_name};
use sqlx::postgres::PgConnectOptions;

use crate::error::SCHEME;
use crate::storage::Postgres;

/// How a [`Postgres`] is opened; made [from a URL](Self::from_url).
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use cache_postgres::PostgresOptions;
///
/// let options = PostgresOptions::from_url("postgres://cache@localhost/app")?;
/// let storage = options.max_entries(5_000_000).unlogged(true).open().await?;
/// // The same by URL:
/// let url = "postgres://cache@localhost/app?max_entries=5000000&unlogged=true";
/// let storage = PostgresOptions::from_url(url)?.open().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct PostgresOptions {
    pub(crate) server: PgConnectOptions,
    pub(crate) common: TableOptions,
    pub(crate) schema: String,
    pub(crate) unlogged: bool,
}

const SCHEMA_BYTES_MAX: usize = 63;

cache_sql::table_options! {
    impl PostgresOptions {
        /// The entries' table; the names of all else begin with it and `_`. As
        /// [`schema`](Self::schema), at most 48 characters. Several storages may share a database
        /// under different names. Default `cache`.
        table;
        /// Whether tables that are not there are made, with a schema for them, and older ones
        /// brought to the version of this release. Default yes.
        create;
        /// Whether statements are prepared once for each connection. Without, every call is a
        /// transaction of its own and takes four round trips: for poolers that hand out connections
        /// by transaction and know no prepared statements (PgBouncer before 1.21). Default yes.
        prepared;
        /// How long a call may take in all: waiting for a connection, for locks, for the server,
        /// and trying again. Past it, it answers
        /// [`Unavailable`](cache_core::storage::StorageErrorKind::Unavailable). An invalidation of
        /// many entries may take as long for each part of 5,000, a batch for each part of 10,000
        /// writes or 128 MiB. Default 5 s.
        timeout;
        /// How often maintenance runs by itself, a little apart in each process; `None`: only by
        /// hand. Default 1 min.
        cleanup_interval;
        /// The bound on entries; those used least recently are evicted by the write with which this
        /// process has stored a hundredth of the bound, and by maintenance. Up to about 60,000
        /// entries are counted for that, more are estimated within a few percent. Default
        /// 1,000,000.
        max_entries;
        /// The largest payload that is taken, in bytes, at most 256 MiB. Default 64 MiB.
        value_bytes_max;
        /// How many events the log of a [backplane](cache_core::backplane) keeps, 1 at least and a
        /// few hundred more at times. A process that was cut off for longer forgets what it has in
        /// memory. Default 16,384.
        events_max;
    }
}

impl PostgresOptions {
    fn at(server: PgConnectOptions) -> Self {
        Self {
            server,
            common: TableOptions::default(),
            schema: "public".to_owned(),
            unlogged: false,
        }
    }

    /// The schema that the tables lie in: ASCII letters, digits and `_`, at most 63, not beginning
    /// with a digit. Default `public`.
    pub fn schema(mut self, schema: impl Into<String>) -> Self {
        self.schema = schema.into();
        self
    }

    /// The name of the schema that it lies in.
    pub fn schema_name(&self) -> &str {
        &self.schema
    }

    /// Whether entries are kept out of the server's write-ahead log when their table is made:
    /// writes are cheaper, and a crash of the server, or a failover to a standby, empties the
    /// table. The fence is logged in any case. Tables that are there stay what they are. Default
    /// no.
    pub fn unlogged(mut self, unlogged: bool) -> Self {
        self.unlogged = unlogged;
        self
    }

    /// Connects, and makes or checks the tables. Needs a Tokio runtime with time and I/O.
    ///
    /// # Errors
    /// [`StorageError`] of kind `Invalid` for an option out of its range or a database that is not
    /// there, `Denied` for a wrong password or a missing right, `Incompatible` for tables of
    /// another shape or a newer release, a server older than PostgreSQL 13 or a database that is
    /// not in UTF-8, `Unavailable` for a server that cannot be reached or is a standby.
    pub async fn open(self) -> Result<Postgres, StorageError> {
        Postgres::open_with(self).await
    }

    /// The script that makes the schema and the tables of these options, as an administrator would
    /// run it. [`open`](Self::open) makes the same by itself.
    ///
    /// # Errors
    /// [`StorageError`] of kind `Invalid` if a name is not valid.
    pub fn schema_script(&self) -> Result<String, StorageError> {
        self.validate().map_err(invalid)?;
        crate::schema::script(self)
    }

    /// Makes the schema and the tables, or brings them to the version of this release.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub async fn apply_schema(self) -> Result<(), StorageError> {
        let options = self.create(true).cleanup_interval(None);
        cache_core::storage::Storage::close(&options.open().await?).await
    }

    /// Checks that the tables are there as this release makes them. Changes nothing.
    ///
    /// # Errors
    /// As [`open`](Self::open), and of kind `Incompatible` if they are not there or older.
    pub async fn check_schema(self) -> Result<(), StorageError> {
        let options = self.create(false).cleanup_interval(None);
        cache_core::storage::Storage::close(&options.open().await?).await
    }

    /// Checks every option.
    ///
    /// # Errors
    /// [`ConfigError::Option`] naming the first that is out of its range.
    pub fn validate(&self) -> Result<(), ConfigError> {
        validate_name(SCHEME, "schema", &self.schema, SCHEMA_BYTES_MAX)?;
        self.common.validate(SCHEME)
    }
}

/// Nothing of the server but its host and database: the rest may be secret.
impl fmt::Debug for PostgresOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresOptions")
            .field("host", &self.server.get_host())
            .field("database", &self.server.get_database())
            .field("schema", &self.schema)
            .field("table", &self.common.table)
            .field("pool_size", &self.common.pool_size)
            .field("timeout", &self.common.timeout)
            .finish_non_exhaustive()
    }
}

pub(crate) fn invalid(problem: ConfigError) -> StorageError {
    use cache_core::storage::StorageErrorKind::Invalid;
    crate::error::error("open", Invalid, problem.to_string()).with_source(problem)
}
