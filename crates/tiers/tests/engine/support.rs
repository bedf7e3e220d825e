//! Nodes, a source that can be held, and caches over memory and a SQLite file with one clock.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tempfile::TempDir;
use tiers::cache::StorageOptions;
use tiers::clock::ManualClock;
use tiers::prelude::*;
use tiers::sqlite::SqliteOptions;
use tokio::sync::watch;

/// The value of most tests: which version of the source it was loaded from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct User {
    pub(crate) id: u64,
    pub(crate) version: u64,
}

#[derive(Node, Clone, Debug, PartialEq, Eq, Hash)]
#[node(key = "user:{id}", value = User, version = "v1", tags("users", "user:{id}"),
       tiers(memory(ttl = "30s"), sqlite(ttl = "10m")))]
pub(crate) struct UserNode {
    pub(crate) id: u64,
}

pub(crate) const fn user(id: u64) -> UserNode {
    UserNode { id }
}

/// A source whose value is a version number that tests move, and whose loads they can hold after
/// the value was read.
#[derive(Clone)]
pub(crate) struct Versions {
    version: Arc<AtomicU64>,
    loads: watch::Sender<u64>,
    batches: Arc<AtomicU64>,
    held: watch::Sender<bool>,
}

impl Versions {
    pub(crate) fn new() -> Self {
        Self {
            version: Arc::new(AtomicU64::new(1)),
            loads: watch::Sender::new(0),
            batches: Arc::default(),
            held: watch::Sender::new(false),
        }
    }

    /// Changes the source.
    pub(crate) fn change(&self) -> u64 {
        self.version.fetch_add(1, Ordering::SeqCst) + 1
    }

    /// Loads that begin from now on read their value and then wait.
    pub(crate) fn hold(&self) {
        self.held.send_replace(true);
    }

    pub(crate) fn release(&self) {
        self.held.send_replace(false);
    }

    pub(crate) fn loads(&self) -> u64 {
        *self.loads.borrow()
    }

    pub(crate) fn batches(&self) -> u64 {
        self.batches.load(Ordering::SeqCst)
    }

    /// Waits until so many loads have read their value.
    pub(crate) async fn until_loads(&self, loads: u64) {
        let mut seen = self.loads.subscribe();
        within(seen.wait_for(|seen| *seen >= loads)).await.expect("the source lives");
    }

    fn read(&self, id: u64) -> User {
        let version = self.version.load(Ordering::SeqCst);
        self.loads.send_modify(|loads| *loads += 1);
        User { id, version }
    }

    async fn until_released(&self) {
        let mut held = self.held.subscribe();
        held.wait_for(|held| !held).await.expect("the source lives");
    }
}

impl Source<UserNode> for Versions {
    async fn load(&self, node: &UserNode) -> Result<Loaded<User>, LoadError> {
        let value = self.read(node.id);
        self.until_released().await;
        Ok(Loaded::new(value))
    }

    async fn load_many(&self, nodes: &[UserNode]) -> Vec<Result<Loaded<User>, LoadError>> {
        self.batches.fetch_add(1, Ordering::SeqCst);
        let values: Vec<User> = nodes.iter().map(|node| self.read(node.id)).collect();
        self.until_released().await;
        values.into_iter().map(|value| Ok(Loaded::new(value))).collect()
    }
}

/// A folder with a SQLite file, and a clock for all who use it.
pub(crate) struct World {
    pub clock: ManualClock,
    folder: TempDir,
}

impl World {
    pub(crate) fn new() -> Self {
        Self { clock: ManualClock::new(), folder: tempfile::tempdir().expect("a folder") }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("cache.db")
    }

    pub(crate) async fn sqlite(&self) -> Sqlite {
        let options = SqliteOptions::new(self.path()).clock(Arc::new(self.clock.clone()));
        options.open().await.expect("the file opens")
    }

    /// A cache over `memory` and `sqlite`.
    pub(crate) async fn cache(&self) -> Cache {
        Cache::builder()
            .clock(Arc::new(self.clock.clone()))
            .storage("memory", memory())
            .storage_with("sqlite", self.sqlite().await, StorageOptions::NONE)
            .build()
            .expect("a valid cache")
    }

    /// A cache over `sqlite` alone, as another process without memory would have it.
    pub(crate) async fn cache_without_memory(&self) -> Cache {
        Cache::builder()
            .clock(Arc::new(self.clock.clone()))
            .storage_with("sqlite", self.sqlite().await, StorageOptions::NONE)
            .build()
            .expect("a valid cache")
    }

    pub(crate) fn pass(&self, duration: Duration) {
        self.clock.advance(duration);
    }
}

pub(crate) fn memory() -> Memory {
    Memory::builder().max_entries(10_000).build().expect("a valid memory")
}

/// The definition of [`UserNode`] on SQLite alone.
pub(crate) fn on_sqlite() -> NodeDefinition {
    UserNode::definition().tiers([TierDefinition::new("sqlite").ttl(Duration::from_secs(600))])
}

/// Fails a test that would hang.
pub(crate) async fn within<F: Future>(future: F) -> F::Output {
    let limit = Duration::from_secs(60);
    tokio::time::timeout(limit, future).await.expect("it ends within a minute")
}

/// Lets spawned tasks run until `holds`.
pub(crate) async fn until(mut holds: impl FnMut() -> bool) {
    within(async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
}
