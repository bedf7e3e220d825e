//! Options, their defaults and what they may be.

mod pragma;
mod url;

pub use pragma::{AutoVacuum, IntegrityCheck, JournalMode, Synchronous, TempStore};

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use cache_core::clock::{Clock, SystemClock};
use cache_core::error::ConfigError;
use cache_core::storage::StorageError;

use crate::outside::{Place, Values};
use crate::schema;
use crate::storage::Sqlite;

/// How a [`Sqlite`] is opened.
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use cache_sqlite::SqliteOptions;
///
/// let storage = SqliteOptions::new("cache.db").max_entries(50_000).open().await?;
/// // The same by URL:
/// let storage = SqliteOptions::from_url("sqlite://cache.db?max_entries=50000")?.open().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct SqliteOptions {
    pub(crate) location: Location,
    pub(crate) table: String,
    pub(crate) pool_size: usize,
    pub(crate) timeout: Duration,
    pub(crate) journal_mode: JournalMode,
    pub(crate) synchronous: Synchronous,
    pub(crate) cache_bytes: u64,
    pub(crate) temp_store: TempStore,
    pub(crate) mmap_bytes: u64,
    pub(crate) auto_vacuum: AutoVacuum,
    pub(crate) integrity_check: IntegrityCheck,
    pub(crate) create: bool,
    pub(crate) cleanup_interval: Option<Duration>,
    pub(crate) access_interval: Duration,
    pub(crate) stats_interval: Option<Duration>,
    pub(crate) stats_retention: Duration,
    pub(crate) max_entries: u64,
    pub(crate) max_bytes: u64,
    pub(crate) value_bytes_max: u64,
    pub(crate) events_max: u64,
    pub(crate) events_interval: Duration,
    pub(crate) wal_bytes_max: u64,
    pub(crate) values: Option<Arc<dyn Values>>,
    pub(crate) clock: Arc<dyn Clock>,
}

/// Where the database lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Location {
    /// A file.
    File(PathBuf),
    /// A file of its own in the system's folder for temporary files, removed with the store.
    Temporary,
}

/// No bound may be so small that the tables themselves do not fit.
const BYTES_MIN: u64 = 256 << 10;
/// SQLite refuses rows of 1,000,000,000 bytes.
const VALUE_BYTES_LIMIT: u64 = 900 << 20;
const POOL_SIZE_LIMIT: usize = 256;
/// SQLite counts it in 31 bits of milliseconds.
const TIMEOUT_LIMIT: Duration = Duration::from_secs(86_400);

impl SqliteOptions {
    /// The database in the file at `path`, with the default options.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self::at(Location::File(path.into()))
    }

    /// A private database in the system's folder for temporary files, removed when the storage is
    /// dropped. SQLite's own in-memory databases are not used: they serve one connection only.
    pub fn temporary() -> Self {
        Self { synchronous: Synchronous::Off, ..Self::at(Location::Temporary) }
    }

    fn at(location: Location) -> Self {
        Self {
            location,
            table: "cache".to_owned(),
            pool_size: 10,
            timeout: Duration::from_secs(30),
            journal_mode: JournalMode::default(),
            synchronous: Synchronous::default(),
            cache_bytes: 64_000 << 10,
            temp_store: TempStore::default(),
            mmap_bytes: 0,
            auto_vacuum: AutoVacuum::default(),
            integrity_check: IntegrityCheck::default(),
            create: true,
            cleanup_interval: Some(Duration::from_secs(3600)),
            access_interval: Duration::from_secs(10),
            stats_interval: Some(Duration::from_secs(300)),
            stats_retention: Duration::from_secs(7 * 86_400),
            max_entries: 1_000_000,
            max_bytes: 4 << 30,
            value_bytes_max: 64 << 20,
            events_max: 16_384,
            events_interval: Duration::from_millis(20),
            wal_bytes_max: 64 << 20,
            values: None,
            clock: Arc::new(SystemClock),
        }
    }

    /// The entries' table; the storage's other tables begin with its name and `_`. ASCII letters,
    /// digits and `_`, at most 48, not beginning with a digit or `sqlite_`. Several storages may
    /// share a file under different names. Default `cache`.
    pub fn table(mut self, table: impl Into<String>) -> Self {
        self.table = table.into();
        self
    }

    /// The name of the entries' table.
    pub fn table_name(&self) -> &str {
        &self.table
    }

    /// The file; none of a temporary database.
    pub fn path(&self) -> Option<&Path> {
        match &self.location {
            Location::File(path) => Some(path),
            Location::Temporary => None,
        }
    }

    /// How many connections read at most, 1 to 256; two more write and bring the log into the file.
    /// No more are opened than the machine can use at once, and no fewer than two. Default 10.
    pub fn pool_size(mut self, pool_size: usize) -> Self {
        self.pool_size = pool_size;
        self
    }

    /// How long a call may wait for a lock of another process, and in a queue, before it answers
    /// [`Unavailable`](cache_core::storage::StorageErrorKind::Unavailable); more than zero, and a
    /// day at most. Default 30 s.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Default [`JournalMode::Wal`].
    pub fn journal_mode(mut self, journal_mode: JournalMode) -> Self {
        self.journal_mode = journal_mode;
        self
    }

    /// Default [`Synchronous::Normal`]; of a temporary database [`Synchronous::Off`].
    pub fn synchronous(mut self, synchronous: Synchronous) -> Self {
        self.synchronous = synchronous;
        self
    }

    /// Memory for pages, in bytes, of all connections together. Default 64 MB.
    pub fn cache_bytes(mut self, cache_bytes: u64) -> Self {
        self.cache_bytes = cache_bytes;
        self
    }

    /// Default [`TempStore::Memory`].
    pub fn temp_store(mut self, temp_store: TempStore) -> Self {
        self.temp_store = temp_store;
        self
    }

    /// How much of the file is mapped into memory, in bytes. Default 0, none: a page that is not
    /// in memory would stop the thread that reads it, a runtime's worker too, for up to tens of
    /// milliseconds, and a commit by another process makes SQLite map the file anew. Reads of hot
    /// pages gain little.
    pub fn mmap_bytes(mut self, mmap_bytes: u64) -> Self {
        self.mmap_bytes = mmap_bytes;
        self
    }

    /// Default [`AutoVacuum::Incremental`]. A file keeps what it was made with.
    pub fn auto_vacuum(mut self, auto_vacuum: AutoVacuum) -> Self {
        self.auto_vacuum = auto_vacuum;
        self
    }

    /// Default [`IntegrityCheck::Quick`].
    pub fn integrity_check(mut self, integrity_check: IntegrityCheck) -> Self {
        self.integrity_check = integrity_check;
        self
    }

    /// Whether a file that is not there is made. Its folder must be there. Default yes.
    pub fn create(mut self, create: bool) -> Self {
        self.create = create;
        self
    }

    /// How often maintenance runs by itself; `None`: only by hand. Default 1 h.
    pub fn cleanup_interval(mut self, cleanup_interval: Option<Duration>) -> Self {
        self.cleanup_interval = cleanup_interval;
        self
    }

    /// How long access counts and times are gathered in memory before they are written; those of
    /// a killed process are lost. Default 10 s.
    pub fn access_interval(mut self, access_interval: Duration) -> Self {
        self.access_interval = access_interval;
        self
    }

    /// How often a sample is added to the [history](Sqlite::history); `None`: never. Default 5 min.
    pub fn stats_interval(mut self, stats_interval: Option<Duration>) -> Self {
        self.stats_interval = stats_interval;
        self
    }

    /// How long samples are kept. Default 7 days.
    pub fn stats_retention(mut self, stats_retention: Duration) -> Self {
        self.stats_retention = stats_retention;
        self
    }

    /// The bound on entries; those used least recently are evicted. Default 1,000,000.
    pub fn max_entries(mut self, max_entries: u64) -> Self {
        self.max_entries = max_entries;
        self
    }

    /// The bound on the bytes of the file that are in use, those of other tables in it included; at
    /// least 256 KiB. With [`AutoVacuum::Incremental`] the file itself keeps to it. The log beside
    /// it has [its own](Self::wal_bytes_max). Default 4 GiB.
    pub fn max_bytes(mut self, max_bytes: u64) -> Self {
        self.max_bytes = max_bytes;
        self
    }

    /// The largest payload that is taken, in bytes, at most 900 MiB; no larger than a quarter of
    /// [`max_bytes`](Self::max_bytes) in any case. Default 64 MiB.
    pub fn value_bytes_max(mut self, value_bytes_max: u64) -> Self {
        self.value_bytes_max = value_bytes_max;
        self
    }

    /// How many events the log of a [backplane](cache_core::backplane) keeps, 1 at least. A process
    /// that was cut off for longer forgets what it has in memory. Default 16,384.
    pub fn events_max(mut self, events_max: u64) -> Self {
        self.events_max = events_max;
        self
    }

    /// How often the log of events is looked at by who waits for one. Default 20 ms.
    pub fn events_interval(mut self, events_interval: Duration) -> Self {
        self.events_interval = events_interval;
        self
    }

    /// The bound on the log beside the file. From a quarter of it on the log is brought into the file;
    /// writes wait for that where less than a quarter is left, which is room for one transaction.
    ///
    /// One large transaction may exceed it for a time: transactions end when they are taken to fill
    /// that room, by an estimate of the pages that each write changes, but one write is never
    /// divided, and a value that is longer than the room takes more. So does a read transaction that
    /// another program holds open, for as long as it does. Default 64 MiB.
    pub fn wal_bytes_max(mut self, wal_bytes_max: u64) -> Self {
        self.wal_bytes_max = wal_bytes_max;
        self
    }

    /// Makes the store an index of values that lie elsewhere: every payload is a [`Reference`], or
    /// empty, and counts by the length that it names, in sizes and in the bound on bytes. A table is
    /// one or the other for good. For storages that are built on this one.
    ///
    /// [`Reference`]: crate::Reference
    pub fn values_outside(mut self, values: Arc<dyn Values>) -> Self {
        self.values = Some(values);
        self
    }

    /// Where the time comes from. Default the system's clock.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Opens the database, and makes it if it is not there. Needs a Tokio runtime; blocks none of
    /// its threads.
    ///
    /// # Errors
    /// [`StorageError`] of kind `Invalid` for an option out of its range, `Corrupt` for a damaged
    /// file or one that is no database, `Incompatible` for a database of another program, of a
    /// newer release or with tables of another shape, `Denied` for one that cannot be written,
    /// `Unavailable` for one that stayed locked. No such file is changed.
    pub async fn open(self) -> Result<Sqlite, StorageError> {
        Sqlite::open_with(self).await
    }

    /// The largest payload that is taken, given the bound on all.
    pub(crate) fn effective_value_bytes_max(&self) -> u64 {
        self.value_bytes_max.min(self.max_bytes / 4)
    }

    pub(crate) fn place(&self) -> Place {
        if self.values.is_some() { Place::Outside } else { Place::Inside }
    }

    /// Checks every option.
    ///
    /// # Errors
    /// [`ConfigError::Option`] naming the first that is out of its range.
    pub fn validate(&self) -> Result<(), ConfigError> {
        schema::validate_table(&self.table)
            .map_err(|problem| option("table", format!("`{}` {problem}", self.table)))?;
        if self.location == Location::File(PathBuf::new()) {
            return Err(option("path", "is empty"));
        }
        let pool = (1..=POOL_SIZE_LIMIT).contains(&self.pool_size);
        let checks = [
            (pool, "pool_size", "must be 1 to 256"),
            (!self.timeout.is_zero(), "timeout", "must be larger than zero"),
            (self.timeout <= TIMEOUT_LIMIT, "timeout", "must be 86400 s (a day) or less"),
            (self.max_entries > 0, "max_entries", "must be larger than zero"),
            (self.max_bytes >= BYTES_MIN, "max_bytes", "must be 262144 (256 KiB) or more"),
            (self.events_max > 0, "events_max", "must be larger than zero"),
            (
                self.events_interval.as_millis() > 0,
                "events_interval",
                "must be at least a millisecond",
            ),
            (self.value_bytes_max > 0, "value_bytes_max", "must be larger than zero"),
            (
                self.values.is_some() || self.value_bytes_max <= VALUE_BYTES_LIMIT,
                "value_bytes_max",
                "must be 943718400 (900 MiB) or less",
            ),
            (self.wal_bytes_max >= BYTES_MIN, "wal_bytes_max", "must be 262144 (256 KiB) or more"),
            (
                self.cleanup_interval.is_none_or(|interval| !interval.is_zero()),
                "cleanup_interval",
                "must be larger than zero",
            ),
            (
                self.stats_interval.is_none_or(|interval| !interval.is_zero()),
                "stats_interval",
                "must be larger than zero",
            ),
            (!self.access_interval.is_zero(), "access_interval", "must be larger than zero"),
        ];
        match checks.into_iter().find(|(holds, ..)| !holds) {
            Some((_, name, problem)) => Err(option(name, problem)),
            None => Ok(()),
        }
    }
}

fn option(option: &str, problem: impl Into<String>) -> ConfigError {
    ConfigError::Option {
        context: crate::error::SCHEME.to_owned(),
        option: option.to_owned(),
        problem: problem.into(),
    }
}
