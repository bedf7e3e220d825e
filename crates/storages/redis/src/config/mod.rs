//! Options, their defaults and what they may be.

mod servers;
mod url;

pub(crate) use servers::{Host, Servers, Tls};

use std::path::PathBuf;
use std::time::Duration;

use cache_core::config::Secret;
use cache_core::error::ConfigError;
use cache_core::storage::StorageError;

use crate::storage::Redis;

/// How a [`Redis`] is opened.
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use cache_redis::RedisOptions;
///
/// let storage = RedisOptions::server("localhost", 6379).database(2).open().await?;
/// // The same by URL:
/// let storage = RedisOptions::from_url("redis://localhost:6379/2")?.open().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct RedisOptions {
    pub(crate) servers: Servers,
    pub(crate) username: Option<String>,
    pub(crate) password: Option<Secret>,
    pub(crate) database: u16,
    pub(crate) tls: Option<Tls>,
    pub(crate) key_prefix: String,
    pub(crate) buckets: u16,
    pub(crate) pool_size: usize,
    pub(crate) timeout: Duration,
    pub(crate) value_bytes_max: u64,
    pub(crate) cleanup_interval: Option<Duration>,
    pub(crate) accept_tag_eviction: bool,
    pub(crate) events_max: u64,
}

/// The server takes strings of up to 512 MiB; the record around a payload takes a part of it.
const VALUE_BYTES_LIMIT: u64 = 500 << 20;
const POOL_SIZE_LIMIT: usize = 64;
const BUCKETS_LIMIT: u16 = 4096;
const KEY_PREFIX_BYTES_MAX: usize = 64;

impl RedisOptions {
    /// One server, Redis or Valkey.
    pub fn server(host: impl Into<String>, port: u16) -> Self {
        Self::at(Servers::One(Host::new(host, port)))
    }

    /// A cluster, of which these nodes are asked for the others.
    pub fn cluster<H: Into<String>>(nodes: impl IntoIterator<Item = (H, u16)>) -> Self {
        let nodes = nodes.into_iter().map(|(host, port)| Host::new(host, port)).collect();
        Self { buckets: 256, ..Self::at(Servers::Cluster(nodes)) }
    }

    /// The server that these sentinels say is the master of the group `master`.
    pub fn sentinel<H: Into<String>>(
        sentinels: impl IntoIterator<Item = (H, u16)>,
        master: impl Into<String>,
    ) -> Self {
        let sentinels = sentinels.into_iter().map(|(host, port)| Host::new(host, port)).collect();
        Self::at(Servers::Sentinel {
            sentinels,
            master: master.into(),
            username: None,
            password: None,
        })
    }

    fn at(servers: Servers) -> Self {
        Self {
            servers,
            username: None,
            password: None,
            database: 0,
            tls: None,
            key_prefix: "tiers".to_owned(),
            buckets: 1,
            pool_size: 4,
            timeout: Duration::from_secs(5),
            value_bytes_max: 8 << 20,
            cleanup_interval: Some(Duration::from_secs(3600)),
            accept_tag_eviction: false,
            events_max: 16_384,
        }
    }

    /// The user of the server's access control list. It needs the commands that the
    /// [crate](crate) lists, on keys that begin with the [key prefix](Self::key_prefix).
    pub fn username(mut self, username: impl Into<String>) -> Self {
        self.username = Some(username.into());
        self
    }

    /// The password; shown nowhere.
    pub fn password(mut self, password: impl Into<String>) -> Self {
        self.password = Some(Secret::new(password));
        self
    }

    /// User and password for the sentinels, which have their own. Without effect elsewhere.
    pub fn sentinel_credentials(mut self, user: Option<&str>, secret: impl Into<String>) -> Self {
        if let Servers::Sentinel { username, password, .. } = &mut self.servers {
            *username = user.map(str::to_owned);
            *password = Some(Secret::new(secret));
        }
        self
    }

    /// The number of the database, 0 to 65,535. Clusters have one only, number 0. Default 0.
    pub fn database(mut self, database: u16) -> Self {
        self.database = database;
        self
    }

    /// Speaks TLS, trusting the authorities that the system trusts.
    pub fn tls(mut self) -> Self {
        self.tls.get_or_insert_default();
        self
    }

    /// Speaks TLS, and trusts the authorities in this file (PEM) and no others.
    pub fn tls_ca(mut self, path: impl Into<PathBuf>) -> Self {
        self.tls.get_or_insert_default().ca_file = Some(path.into());
        self
    }

    /// Speaks TLS, and shows the server a certificate; both files are PEM.
    pub fn tls_client(mut self, certificate: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        let tls = self.tls.get_or_insert_default();
        tls.certificate_file = Some(certificate.into());
        tls.key_file = Some(key.into());
        self
    }

    /// What the name of every key on the server begins with, before a `:`. Storages with different
    /// ones share a database and know nothing of each other. At most 64 bytes without `{`, `}` and
    /// control characters. Default `tiers`.
    pub fn key_prefix(mut self, key_prefix: impl Into<String>) -> Self {
        self.key_prefix = key_prefix.into();
        self
    }

    /// Into how many buckets a cluster's keys are put, 1 to 4,096; the same for all processes.
    /// Each has a fence of 33 KB, lies on one node, and is asked when a tag is invalidated. Outside
    /// of clusters it is 1 at any rate. Default 256.
    pub fn buckets(mut self, buckets: u16) -> Self {
        if matches!(self.servers, Servers::Cluster(_)) {
            self.buckets = buckets;
        }
        self
    }

    /// How many connections there are at most, 1 to 64; to a cluster, as many to each node. A
    /// connection carries any number of calls at once, and another is opened when those there are
    /// busy. Default 4.
    pub fn pool_size(mut self, pool_size: usize) -> Self {
        self.pool_size = pool_size;
        self
    }

    /// How long a call may take, connecting and retries included, before it answers
    /// [`Unavailable`](cache_core::storage::StorageErrorKind::Unavailable). What takes many steps
    /// may take so long for each. Default 5 s.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// The largest payload that is taken, in bytes, at most 500 MiB. A large one holds up the
    /// server and all that share its connection. Default 8 MiB.
    pub fn value_bytes_max(mut self, value_bytes_max: u64) -> Self {
        self.value_bytes_max = value_bytes_max;
        self
    }

    /// How often the members of tag sets whose entries have ended are cleaned up; one of the
    /// processes does it. `None`: only by [`maintain`](cache_core::storage::Storage::maintain).
    /// Default 1 h.
    pub fn cleanup_interval(mut self, cleanup_interval: Option<Duration>) -> Self {
        self.cleanup_interval = cleanup_interval;
        self
    }

    /// Takes entries with tags although the server may evict any key (`maxmemory-policy` of
    /// `allkeys-..`). Where it evicts a tag's set of keys, an invalidation of the tag misses the
    /// entries that bore it: they live until their time. Default no: such entries are refused.
    pub fn accept_tag_eviction(mut self, accept: bool) -> Self {
        self.accept_tag_eviction = accept;
        self
    }

    /// How many events the log of a [backplane](cache_core::backplane) keeps, 1 at least and a few
    /// more at times. A process that was cut off for longer forgets what it has in memory. An event
    /// takes some 200 bytes on the server. Default 16,384.
    pub fn events_max(mut self, events_max: u64) -> Self {
        self.events_max = events_max;
        self
    }

    /// Connects, and makes the fence if there is none. Needs a Tokio runtime.
    ///
    /// # Errors
    /// [`StorageError`] of kind `Invalid` for an option out of its range, `Unavailable` for a server
    /// that does not answer, `Denied` for a wrong password or a user who may not do what is needed,
    /// `Incompatible` for keys that other settings or another program made.
    pub async fn open(self) -> Result<Redis, StorageError> {
        Redis::open_with(self).await
    }

    /// Checks every option.
    ///
    /// # Errors
    /// [`ConfigError::Option`] naming the first that is out of its range.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let prefix = &self.key_prefix;
        let named = !prefix.is_empty() && prefix.len() <= KEY_PREFIX_BYTES_MAX;
        let plain = !prefix
            .chars()
            .any(|character| matches!(character, '{' | '}') || character.is_control());
        let cluster = matches!(self.servers, Servers::Cluster(_));
        let checks = [
            (self.servers.are_named(), "host", "is missing"),
            (self.servers.has_master(), "master", "must name the group that the sentinels watch"),
            (named, "key_prefix", "must be 1 to 64 bytes"),
            (plain, "key_prefix", "must hold no `{`, `}` or control character"),
            (!cluster || self.database == 0, "database", "must be 0: a cluster has one only"),
            ((1..=BUCKETS_LIMIT).contains(&self.buckets), "buckets", "must be 1 to 4096"),
            ((1..=POOL_SIZE_LIMIT).contains(&self.pool_size), "pool_size", "must be 1 to 64"),
            (!self.timeout.is_zero(), "timeout", "must be larger than zero"),
            (self.events_max > 0, "events_max", "must be larger than zero"),
            (self.value_bytes_max > 0, "value_bytes_max", "must be larger than zero"),
            (
                self.value_bytes_max <= VALUE_BYTES_LIMIT,
                "value_bytes_max",
                "must be 524288000 (500 MiB) or less",
            ),
            (
                self.cleanup_interval.is_none_or(|interval| interval.as_millis() > 0),
                "cleanup_interval",
                "must be larger than zero",
            ),
            (
                self.username.is_none() || self.password.is_some(),
                "username",
                "is given without a password",
            ),
            (
                self.tls.as_ref().is_none_or(Tls::is_whole),
                "tls_key",
                "and `tls_cert` must be given together",
            ),
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
