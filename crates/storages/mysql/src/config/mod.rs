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

impl MySqlOptions {
    fn at(server: MySqlConnectOptions) -> Self {
        let events_interval = Duration::from_millis(20);
        Self { server, common: TableOptions::default(), events_interval }
    }

    /// The entries' table; the names of all else begin with it and `_`: ASCII letters, digits and
    /// `_`, at most 48, not beginning with a digit. Several storages may share a database under
    /// different names. Default `cache`.
    pub fn table(mut self, table: impl Into<String>) -> Self {
        self.common.table = table.into();
        self
    }

    /// The name of the entries' table.
    pub fn table_name(&self) -> &str {
        &self.common.table
    }

    /// Whether tables that are not there are made, and older ones brought to the version of this
    /// release. Default yes.
    pub fn create(mut self, create: bool) -> Self {
        self.common.create = create;
        self
    }

    /// Whether reads are prepared once for each connection; writes never are. Without, nothing of a
    /// session is set or relied on: for poolers that hand out connections by transaction (ProxySQL,
    /// MaxScale). Default yes.
    pub fn prepared(mut self, prepared: bool) -> Self {
        self.common.prepared = prepared;
        self
    }

    /// How many connections are opened at most, 1 to 1024; each as it is needed. Default 10.
    pub fn pool_size(mut self, pool_size: usize) -> Self {
        self.common.pool_size = pool_size;
        self
    }

    /// How long a call may take in all: waiting for a connection, for locks, for the server, and
    /// trying again. Past it, it answers
    /// [`Unavailable`](cache_core::storage::StorageErrorKind::Unavailable). An invalidation of many
    /// entries may take as long for each part of 1,000, a batch for each part of 2,000 writes or
    /// 32 MiB. The server itself counts in whole seconds,
    /// and may wait for a lock that much longer than its caller does. Default 5 s.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.common.timeout = timeout;
        self
    }

    /// After how long without use a connection is closed. Default 10 min.
    pub fn idle_timeout(mut self, idle_timeout: Duration) -> Self {
        self.common.idle_timeout = idle_timeout;
        self
    }

    /// How often maintenance runs by itself, a little apart in each process; `None`: only by hand.
    /// It runs earlier where this process alone has stored a hundredth of the bound. Default 1 min.
    pub fn cleanup_interval(mut self, cleanup_interval: Option<Duration>) -> Self {
        self.common.cleanup_interval = cleanup_interval;
        self
    }

    /// How exact the time of last use is kept, and how long uses are gathered in memory before
    /// they are written; those of a killed process are lost. Default 1 min.
    pub fn access_interval(mut self, access_interval: Duration) -> Self {
        self.common.access_interval = access_interval;
        self
    }

    /// The bound on entries; those used least recently are evicted. One of up to 10,000 is held at
    /// every write of this process, a larger one by maintenance, and may be passed for as long as
    /// that takes. Default 1,000,000.
    pub fn max_entries(mut self, max_entries: u64) -> Self {
        self.common.max_entries = max_entries;
        self
    }

    /// The bound on the bytes of all payloads, held as [`max_entries`](Self::max_entries) is; what
    /// the server needs for rows and indexes comes on top. Default 4 GiB.
    pub fn max_bytes(mut self, max_bytes: u64) -> Self {
        self.common.max_bytes = max_bytes;
        self
    }

    /// The largest payload that is taken, in bytes, at most 256 MiB. The server's own limit,
    /// `max_allowed_packet`, allows for not quite half of it (31 MiB with MySQL's default, 7 MiB with
    /// MariaDB's), and is what holds where it is less. Default 64 MiB.
    pub fn value_bytes_max(mut self, value_bytes_max: u64) -> Self {
        self.common.value_bytes_max = value_bytes_max;
        self
    }

    /// How many events the log of a [backplane](cache_core::backplane) keeps, 1 at least. A process
    /// that was cut off for longer forgets what it has in memory. Default 16,384.
    pub fn events_max(mut self, events_max: u64) -> Self {
        self.common.events_max = events_max;
        self
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
