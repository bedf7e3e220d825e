//! Options, their defaults and what they may be.

mod url;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use cache_core::clock::{Clock, SystemClock};
use cache_core::error::ConfigError;
use cache_core::storage::StorageError;
use cache_sqlite::{SqliteOptions, Synchronous, Values};

use crate::storage::Filesystem;

/// How a [`Filesystem`] is opened.
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use cache_filesystem::FilesystemOptions;
///
/// let storage = FilesystemOptions::new("/var/cache/audio").max_bytes(64 << 30).open().await?;
/// // The same by URL:
/// let url = "file:///var/cache/audio?max_bytes=64GiB";
/// let storage = FilesystemOptions::from_url(url)?.open().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct FilesystemOptions {
    pub(crate) path: PathBuf,
    pub(crate) files_at_once: usize,
    pub(crate) fsync: bool,
    pub(crate) create: bool,
    pub(crate) check_on_open: CheckOnOpen,
    pub(crate) timeout: Duration,
    pub(crate) value_bytes_max: u64,
    pub(crate) max_bytes: u64,
    max_entries: u64,
    pool_size: usize,
    cache_bytes: u64,
    cleanup_interval: Option<Duration>,
    access_interval: Duration,
    pub(crate) clock: Arc<dyn Clock>,
}

/// When opening looks for files that nobody refers to, and for entries whose file is gone or cut
/// off. It lists the folder and asks for the length of every file, before the storage can be used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum CheckOnOpen {
    /// Never: only [`Filesystem::check`] does.
    Never,
    /// Where a process that had the folder open was killed. The default.
    #[default]
    AfterKill,
    /// Each time.
    Always,
}

/// An entry's lengths are kept in 32 bits.
const VALUE_BYTES_LIMIT: u64 = u32::MAX as u64;
const FILES_AT_ONCE_LIMIT: usize = 256;

impl FilesystemOptions {
    /// The store in the folder at `path`, with the default options.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            files_at_once: 8,
            fsync: false,
            create: true,
            check_on_open: CheckOnOpen::default(),
            timeout: Duration::from_secs(30),
            value_bytes_max: (1 << 30) - 1,
            max_bytes: 64 << 30,
            max_entries: 1_000_000,
            pool_size: 10,
            cache_bytes: 16 << 20,
            cleanup_interval: Some(Duration::from_secs(3600)),
            access_interval: Duration::from_secs(10),
            clock: Arc::new(SystemClock),
        }
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How many files are read or written at the same moment at most, by threads of the runtime for
    /// blocking work, 1 to 256. Those that are being streamed do not count. Default 8.
    pub fn files_at_once(mut self, files_at_once: usize) -> Self {
        self.files_at_once = files_at_once;
        self
    }

    /// Whether a file and its name are on the disk before its row is, and each row before a write
    /// returns. Without it a power failure may take back what was written last, and leave files that
    /// are cut off; these are found when they are read. A killed process loses nothing either way.
    /// Default no.
    pub fn fsync(mut self, fsync: bool) -> Self {
        self.fsync = fsync;
        self
    }

    /// Whether a folder that is not there is made, readable for its owner only. Default yes.
    pub fn create(mut self, create: bool) -> Self {
        self.create = create;
        self
    }

    /// Default [`CheckOnOpen::AfterKill`].
    pub fn check_on_open(mut self, check_on_open: CheckOnOpen) -> Self {
        self.check_on_open = check_on_open;
        self
    }

    /// How long a call may wait for the index, or for its turn to read or write files, before it
    /// answers [`Unavailable`](cache_core::storage::StorageErrorKind::Unavailable); a day at most.
    /// The reading and writing itself is not timed. Default 30 s.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// The largest value that is taken, in bytes, at most 4 GiB less one byte; no larger than a
    /// quarter of [`max_bytes`](Self::max_bytes) in any case. Default 1 GiB less one byte.
    pub fn value_bytes_max(mut self, value_bytes_max: u64) -> Self {
        self.value_bytes_max = value_bytes_max;
        self
    }

    /// The bound on the bytes of values and index together; at least 256 KiB. Values that are being
    /// written, and those that were just removed, come on top for a moment. Default 64 GiB.
    pub fn max_bytes(mut self, max_bytes: u64) -> Self {
        self.max_bytes = max_bytes;
        self
    }

    /// The bound on entries; those used least recently are evicted. Default 1,000,000.
    pub fn max_entries(mut self, max_entries: u64) -> Self {
        self.max_entries = max_entries;
        self
    }

    /// How many connections read the index at most, 1 to 256. Default 10.
    pub fn pool_size(mut self, pool_size: usize) -> Self {
        self.pool_size = pool_size;
        self
    }

    /// Memory for pages of the index, in bytes. Default 16 MiB.
    pub fn cache_bytes(mut self, cache_bytes: u64) -> Self {
        self.cache_bytes = cache_bytes;
        self
    }

    /// How often maintenance runs by itself; `None`: only by hand. Default 1 h.
    pub fn cleanup_interval(mut self, cleanup_interval: Option<Duration>) -> Self {
        self.cleanup_interval = cleanup_interval;
        self
    }

    /// How long access times are gathered in memory before they are written. Default 10 s.
    pub fn access_interval(mut self, access_interval: Duration) -> Self {
        self.access_interval = access_interval;
        self
    }

    /// Where the time comes from. Default the system's clock.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Opens the folder, and makes it if it is not there. Needs a Tokio runtime; blocks none of its
    /// threads.
    ///
    /// # Errors
    /// [`StorageError`] of kind `Invalid` for an option out of its range or a path that is no
    /// folder, `Denied` for a folder that may not be written, otherwise as the index' own
    /// [`open`](SqliteOptions::open).
    pub async fn open(self) -> Result<Filesystem, StorageError> {
        Filesystem::open_with(self).await
    }

    /// How the index at `path` is opened.
    pub(crate) fn index(&self, path: PathBuf, values: Arc<dyn Values>) -> SqliteOptions {
        let synchronous = if self.fsync { Synchronous::Full } else { Synchronous::Normal };
        SqliteOptions::new(path)
            .values_outside(values)
            .table("files")
            .synchronous(synchronous)
            .create(self.create)
            .timeout(self.timeout)
            .value_bytes_max(self.value_bytes_max)
            .max_bytes(self.max_bytes)
            .max_entries(self.max_entries)
            .pool_size(self.pool_size)
            .cache_bytes(self.cache_bytes)
            .cleanup_interval(self.cleanup_interval)
            .access_interval(self.access_interval)
            .stats_interval(None)
            .clock(Arc::clone(&self.clock))
    }

    /// The largest value that is taken, given the bound on all.
    pub(crate) fn effective_value_bytes_max(&self) -> u64 {
        self.value_bytes_max.min(self.max_bytes / 4)
    }

    /// Checks every option.
    ///
    /// # Errors
    /// [`ConfigError::Option`] naming the first that is out of its range.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let checks = [
            (!self.path.as_os_str().is_empty(), "path", "is empty"),
            (
                (1..=FILES_AT_ONCE_LIMIT).contains(&self.files_at_once),
                "files_at_once",
                "must be 1 to 256",
            ),
            (
                self.value_bytes_max <= VALUE_BYTES_LIMIT,
                "value_bytes_max",
                "must be 4294967295 (4 GiB less one byte) or less",
            ),
        ];
        if let Some((_, name, problem)) = checks.into_iter().find(|(holds, ..)| !holds) {
            return Err(option(name, problem.to_owned()));
        }
        // The others are the index' own, with its bounds and the same names.
        let index = self.index(self.path.join(crate::layout::INDEX), Arc::new(Unopened));
        index.validate().map_err(|problem| match problem {
            ConfigError::Option { option: name, problem, .. } => option(&name, problem),
            other => other,
        })
    }
}

fn option(option: &str, problem: String) -> ConfigError {
    ConfigError::Option {
        context: crate::error::SCHEME.to_owned(),
        option: option.to_owned(),
        problem,
    }
}

/// Stands in for the files while options are checked.
#[derive(Debug)]
struct Unopened;

impl Values for Unopened {
    fn delete(&self, _: cache_sqlite::Reference) -> bool {
        false
    }
}
