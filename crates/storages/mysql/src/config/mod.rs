//! Options, their defaults and what they may be.

mod url;

use std::fmt;
use std::time::Duration;

use cache_core::error::ConfigError;
use cache_core::storage::StorageError;
use cache_sql::{TableOptions, option_error};
use sqlx::mysql::MySqlConnectOptions;

use crate::error::SCHEME;
use crate::storage::MySql;

/// How a [`MySql`] is opened; made [from a URL](Self::from_url).
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use cache_mysql::MySqlOptions;
///
/// let options = MySqlOptions::from_url("mysql://cache@localhost/app")?;
/// let storage = options.max_entries(5_000_000).open().await?;
/// // The same by URL:
/// let url = "mysql://cache@localhost/app?max_entries=5000000";
/// let storage = MySqlOptions::from_url(url)?.open().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct MySqlOptions {
    pub(crate) server: MySqlConnectOptions,
    pub(crate) common: TableOptions,
    pub(crate) events_interval: Duration,
}

cache_sql::table_options! {
    impl MySqlOptions {
        /// The entries' table; the names of all else begin with it and `_`: ASCII letters, digits
        /// and `_`, at most 48, not beginning with a digit. Several storages may share a database
        /// under different names. Default `cache`.
        table;
        /// Whether tables that are not there are made, and older ones brought to the version of
        /// this release. Default yes.
        create;
        /// Whether reads are prepared once for each connection; writes never are. Without, nothing
        /// of a session is set or relied on: for poolers that hand out connections by transaction
        /// (ProxySQL, MaxScale). Default yes.
        prepared;
        /// How long a call may take in all: waiting for a connection, for locks, for the server,
        /// and trying again. Past it, it answers
        /// [`Unavailable`](cache_core::storage::StorageErrorKind::Unavailable). An invalidation of
        /// many entries may take as long for each part of 1,000, a batch for each part of 2,000
        /// writes or 32 MiB. The server itself counts in whole seconds, and may wait for a lock
        /// that much longer than its caller does. Default 5 s.
        timeout;
        /// How often maintenance runs by itself, a little apart in each process; `None`: only by
        /// hand. It runs earlier where this process alone has stored a hundredth of the bound.
        /// Default 1 min.
        cleanup_interval;
        /// The bound on entries; those used least recently are evicted. One of up to 10,000 is held
        /// at every write of this process, a larger one by maintenance, and may be passed for as
        /// long as that takes. Default 1,000,000.
        max_entries;
        /// The largest payload that is taken, in bytes, at most 256 MiB. The server's own limit,
        /// `max_allowed_packet`, allows for not quite half of it (31 MiB with MySQL's default, 7
        /// MiB with MariaDB's), and is what holds where it is less. Default 64 MiB.
        value_bytes_max;
        /// How many events the log of a [backplane](cache_core::backplane) keeps, 1 at least. A
        /// process that was cut off for longer forgets what it has in memory. Default 16,384.
        events_max;
    }
}

impl MySqlOptions {
    fn at(server: MySqlConnectOptions) -> Self {
        let events_interval = Duration::from_millis(20);
        Self { server, common: TableOptions::default(), events_interval }
    }

    /// How often the log of events is looked at by who waits for one. Default 20 ms.
    pub fn events_interval(mut self, events_interval: Duration) -> Self {
        self.events_interval = events_interval;
        self
    }

    /// Connects, and makes or checks the tables. Needs a Tokio runtime with time and I/O.
    ///
    /// # Errors
    /// [`StorageError`] of kind `Invalid` for an option out of its range or a database that is not
    /// there, `Denied` for a wrong password or a missing right, `Incompatible` for tables of
    /// another shape or a newer release or a server older than MySQL 8.0 or MariaDB 10.6,
    /// `Unavailable` for a server that cannot be reached or takes no writes.
    pub async fn open(self) -> Result<MySql, StorageError> {
        MySql::open_with(self).await
    }

    /// The script that makes the tables of these options, as an administrator would
    /// run it. [`open`](Self::open) makes the same by itself.
    ///
    /// # Errors
    /// [`StorageError`] of kind `Invalid` if a name is not valid.
    pub fn schema_script(&self) -> Result<String, StorageError> {
        self.validate().map_err(invalid)?;
        crate::schema::script(self)
    }

    /// Makes the tables, or brings them to the version of this release.
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
        if self.server.get_database().is_none() {
            let problem = "must be named: `mysql://host/database`";
            return Err(option_error(SCHEME, "database", problem));
        }
        if self.events_interval.as_millis() == 0 {
            return Err(option_error(SCHEME, "events_interval", "must be at least a millisecond"));
        }
        self.common.validate(SCHEME)
    }
}

/// Nothing of the server but its host and database: the rest may be secret.
impl fmt::Debug for MySqlOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MySqlOptions")
            .field("host", &self.server.get_host())
            .field("database", &self.server.get_database())
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
