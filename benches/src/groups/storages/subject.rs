//! What is measured: a storage, where it keeps its entries, and the driver that one would use
//! without it.

use std::any::Any;
use std::sync::Arc;

use async_trait::async_trait;
use tiers::entry::Entry;
use tiers::key::Key;
use tiers::storage::Storage;
use tiers_servers::Kind;

/// A storage that is measured beside its driver.
#[async_trait]
pub(super) trait Subject: Sync {
    /// As its URLs and rows name it: `redis`.
    fn name(&self) -> &'static str;

    /// Makes a place for entries that nobody else uses.
    fn start(&self) -> anyhow::Result<Place>;

    /// Opens the storage there, as a program with default options would.
    async fn open(&self, url: &str) -> anyhow::Result<Arc<dyn Storage>>;

    /// Opens the driver there, on a table of its own.
    async fn driver(&self, url: &str) -> anyhow::Result<Arc<dyn Driver>>;

    /// The least share of the driver's rate that 64 concurrent gets must have, if it is a target.
    fn concurrent_gets_min(&self) -> Option<f64> {
        None
    }

    /// How many entries its server is up to, where that is fewer than the table of all storages has
    /// of others.
    fn entries_max(&self) -> Option<EntriesMax> {
        None
    }

    /// The name of a row of its own.
    fn row(&self, what: &str) -> String {
        format!("storages_{}_{what}", self.name())
    }

    /// The names of its rows.
    fn rows(&self) -> Vec<String> {
        let concurrent = self.concurrent_gets_min().map(|_| CONCURRENT_GETS);
        let rows = [GET, GET_MANY, SET_MANY].into_iter().chain(concurrent).chain([IDLE_MEMORY]);
        rows.map(|what| self.row(what)).collect()
    }
}

/// A limit of a server, not of its storage.
#[derive(Debug, Clone, Copy)]
pub(super) struct EntriesMax {
    pub(super) entries: u64,
    /// A clause that tells the reason.
    pub(super) why: &'static str,
}

pub(super) const GET: &str = "get";
pub(super) const GET_MANY: &str = "get_many";
pub(super) const SET_MANY: &str = "set_many";
pub(super) const CONCURRENT_GETS: &str = "concurrent_gets";
pub(super) const IDLE_MEMORY: &str = "idle_memory_bytes";

/// What one would call without the storage: as few round trips, no fence, no tags, and bytes that
/// nobody looks at.
#[async_trait]
pub(super) trait Driver: Send + Sync {
    /// The bytes of one entry.
    async fn get(&self, key: &Key) -> anyhow::Result<Vec<u8>>;

    /// The bytes of each entry, in one batch.
    async fn get_many(&self, keys: &[Key]) -> anyhow::Result<Vec<Vec<u8>>>;

    /// Stores entries until their ends, in one batch.
    async fn set_many(&self, entries: &[(&Key, Entry)]) -> anyhow::Result<()>;
}

/// Where entries are kept, for as long as this lives.
pub(super) struct Place {
    pub(super) url: String,
    _alive: Box<dyn Any>,
}

impl Place {
    /// On a private server.
    pub(super) fn server(kind: Kind) -> anyhow::Result<Self> {
        let running = kind.start(tiers_servers::Life::Guarded)?;
        Ok(Self { url: running.url().to_owned(), _alive: Box::new(running) })
    }

    /// Its URL for a storage that waits for as long as any machine may take: what is compared are
    /// calls that end.
    pub(super) fn patient_url(&self) -> String {
        let joint = if self.url.contains('?') { '&' } else { '?' };
        format!("{}{joint}timeout=1m", self.url)
    }
}
