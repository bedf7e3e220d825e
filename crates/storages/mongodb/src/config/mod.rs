//! Options, their defaults and what they may be.

mod url;

use std::time::Duration;

use cache_core::config::Secret;
use cache_core::error::ConfigError;
use cache_core::storage::StorageError;
pub use mongodb::options::{ReadConcern, WriteConcern};

use crate::error::SCHEME;
use crate::schema;
use crate::storage::MongoDb;

/// How a [`MongoDb`] is opened.
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use cache_mongodb::MongoDbOptions;
///
/// let storage = MongoDbOptions::new("mongodb://localhost/shop")?
///     .collection("prices")
///     .max_entries(100_000)
///     .open()
///     .await?;
/// // The same by URL:
/// let url = "mongodb://localhost/shop?collection=prices&max_entries=100000";
/// let storage = MongoDbOptions::from_url(url)?.open().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct MongoDbOptions {
    /// What the driver is given: without the options that are ours.
    pub(crate) url: Secret,
    /// The same as it may be shown.
    pub(crate) shown: String,
    pub(crate) database: String,
    pub(crate) collection: String,
    pub(crate) create: bool,
    pub(crate) pool_size: Option<u32>,
    pub(crate) timeout: Duration,
    pub(crate) write_concern: Option<WriteConcern>,
    pub(crate) read_concern: Option<ReadConcern>,
    pub(crate) cleanup_interval: Option<Duration>,
    pub(crate) access_interval: Duration,
    pub(crate) max_entries: u64,
    pub(crate) max_bytes: u64,
    pub(crate) value_bytes_max: u64,
    pub(crate) events_max: u64,
    pub(crate) events_interval: Duration,
}

/// A document takes 16 MiB; key, tags and pending parts stand in it beside the payload.
const VALUE_BYTES_LIMIT: u64 = 15 << 20;
const POOL_SIZE_LIMIT: u32 = 1024;

impl MongoDbOptions {
    /// The servers of a URL, with the default options; the same as [`from_url`](Self::from_url).
    ///
    /// # Errors
    /// As [`from_url`](Self::from_url).
    pub fn new(url: &str) -> Result<Self, ConfigError> {
        Self::from_url(url)
    }

    pub(crate) fn at(url: String, shown: String) -> Self {
        Self {
            url: Secret::new(url),
            shown,
            database: "cache".to_owned(),
            collection: "cache".to_owned(),
            create: true,
            pool_size: None,
            timeout: Duration::from_secs(5),
            write_concern: None,
            read_concern: None,
            cleanup_interval: Some(Duration::from_secs(60)),
            access_interval: Duration::from_secs(10),
            max_entries: 1_000_000,
            max_bytes: 4 << 30,
            value_bytes_max: 8 << 20,
            events_max: 16_384,
            events_interval: Duration::from_millis(20),
        }
    }

    /// The database. Default the path of the URL, or `cache` without one. Where users are looked up
    /// (`authSource`) stays as the URL says.
    pub fn database(mut self, database: impl Into<String>) -> Self {
        self.database = database.into();
        self
    }

    /// The collection, which holds the entries and their fence. ASCII letters, digits, `_`, `-` and
    /// `.`, at most 64, beginning with a letter or `_`, not with `system.`. Default `cache`.
    pub fn collection(mut self, collection: impl Into<String>) -> Self {
        self.collection = collection.into();
        self
    }

    /// The name of the collection.
    pub fn collection_name(&self) -> &str {
        &self.collection
    }

    /// The name of the database.
    pub fn database_name(&self) -> &str {
        &self.database
    }

    /// Whether a collection or an index that is not there is made. Default yes.
    pub fn create(mut self, create: bool) -> Self {
        self.create = create;
        self
    }

    /// How many connections are open to a server at most, 1 to 1,024. Calls wait for one up to
    /// [`timeout`](Self::timeout). Default the URL's `maxPoolSize`, or 10.
    pub fn pool_size(mut self, pool_size: u32) -> Self {
        self.pool_size = Some(pool_size);
        self
    }

    /// How long a call may take, waiting for a connection and retries included, before it answers
    /// [`Unavailable`](cache_core::storage::StorageErrorKind::Unavailable). A call that goes over
    /// many entries may take so long for each thousand of them, and a write that has to evict so long
    /// again. Default 5 s.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// When a write is answered. Default the URL's (`w`, `journal`), or `majority`: what was
    /// answered below it may be undone by a failover, an invalidation too.
    pub fn write_concern(mut self, write_concern: WriteConcern) -> Self {
        self.write_concern = Some(write_concern);
        self
    }

    /// What a read may see. Default the URL's (`readConcernLevel`), or the server's own. Reads
    /// always go to the primary: an invalidation that has returned must be seen.
    pub fn read_concern(mut self, read_concern: ReadConcern) -> Self {
        self.read_concern = Some(read_concern);
        self
    }

    /// How often this process cleans up and looks at the bounds; `None`: only by hand, and bounds
    /// with writes. Default 1 min.
    pub fn cleanup_interval(mut self, cleanup_interval: Option<Duration>) -> Self {
        self.cleanup_interval = cleanup_interval;
        self
    }

    /// How long it is remembered in memory which entries were used before that is written; the
    /// memory of a killed process is lost. Default 10 s.
    pub fn access_interval(mut self, access_interval: Duration) -> Self {
        self.access_interval = access_interval;
        self
    }

    /// The bound on entries; those used least recently go, with the write of each process that fills
    /// another hundredth of it. Default 1,000,000.
    pub fn max_entries(mut self, max_entries: u64) -> Self {
        self.max_entries = max_entries;
        self
    }

    /// The bound on the bytes of payloads, held as that on entries is. In a collection of more than
    /// 10,000 documents what else is in them counts, too: some 300 bytes each, and tags. Default
    /// 4 GiB.
    pub fn max_bytes(mut self, max_bytes: u64) -> Self {
        self.max_bytes = max_bytes;
        self
    }

    /// The largest payload that is taken, in bytes, at most 15 MiB. Default 8 MiB.
    pub fn value_bytes_max(mut self, value_bytes_max: u64) -> Self {
        self.value_bytes_max = value_bytes_max;
        self
    }

    /// How many events the log of a [backplane](cache_core::backplane) keeps, 1 at least and a few
    /// more at times. A process that was cut off for longer forgets what it has in memory. Default
    /// 16,384.
    pub fn events_max(mut self, events_max: u64) -> Self {
        self.events_max = events_max;
        self
    }

    /// How often the log of events is looked at by who waits for one. Default 20 ms.
    pub fn events_interval(mut self, events_interval: Duration) -> Self {
        self.events_interval = events_interval;
        self
    }

    /// Connects, checks the collection, and makes it if it is not there. Needs a Tokio runtime.
    ///
    /// # Errors
    /// [`StorageError`] of kind `Invalid` for an option out of its range, `Unavailable` if no
    /// primary could be reached in time, `Denied` for a wrong password or missing rights,
    /// `Incompatible` for a collection of another program or of a newer release. No such
    /// collection is changed.
    pub async fn open(self) -> Result<MongoDb, StorageError> {
        MongoDb::open_with(self).await
    }

    /// Checks that collection and indexes are as this release expects, and changes nothing.
    ///
    /// # Errors
    /// As [`open`](Self::open) without [`create`](Self::create).
    pub async fn check_schema(&self) -> Result<(), StorageError> {
        crate::storage::check_schema(self).await
    }

    /// The script for `mongosh` that makes the collection, for administrators.
    ///
    /// # Errors
    /// [`ConfigError::Option`] for a name that is not valid.
    pub fn schema_script(&self) -> Result<String, ConfigError> {
        schema::schema_script(&self.collection).map_err(|problem| option("collection", problem))
    }

    /// Checks every option.
    ///
    /// # Errors
    /// [`ConfigError::Option`] naming the first that is out of its range.
    pub fn validate(&self) -> Result<(), ConfigError> {
        schema::validate_collection(&self.collection)
            .map_err(|problem| option("collection", format!("`{}` {problem}", self.collection)))?;
        schema::validate_database(&self.database)
            .map_err(|problem| option("database", format!("`{}` {problem}", self.database)))?;
        let pool = self.pool_size.is_none_or(|size| (1..=POOL_SIZE_LIMIT).contains(&size));
        let unacknowledged = self.write_concern.as_ref().is_some_and(|concern| {
            matches!(concern.w, Some(mongodb::options::Acknowledgment::Nodes(0)))
        });
        let checks = [
            (pool, "pool_size", "must be 1 to 1024"),
            (!self.timeout.is_zero(), "timeout", "must be larger than zero"),
            (!unacknowledged, "w", "must not be 0: writes must be answered"),
            (self.max_entries > 0, "max_entries", "must be larger than zero"),
            (self.max_bytes > 0, "max_bytes", "must be larger than zero"),
            (self.events_max > 0, "events_max", "must be larger than zero"),
            (
                self.events_interval.as_millis() > 0,
                "events_interval",
                "must be at least a millisecond",
            ),
            (self.value_bytes_max > 0, "value_bytes_max", "must be larger than zero"),
            (
                self.value_bytes_max <= VALUE_BYTES_LIMIT,
                "value_bytes_max",
                "must be 15728640 (15 MiB) or less",
            ),
            (
                self.cleanup_interval.is_none_or(|interval| !interval.is_zero()),
                "cleanup_interval",
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

pub(crate) fn option(option: &str, problem: impl Into<String>) -> ConfigError {
    ConfigError::Option {
        context: SCHEME.to_owned(),
        option: option.to_owned(),
        problem: problem.into(),
    }
}

pub(crate) use url::primary;

#[cfg(test)]
mod tests;
