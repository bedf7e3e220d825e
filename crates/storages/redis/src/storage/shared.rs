//! What all clones of a storage share.

use cache_core::storage::Capabilities;
use parking_lot::Mutex;
use redis::cluster_routing::Slot;
use tokio::task::AbortHandle;

use crate::connection::Connections;
use crate::layout::{Bucket, Names};
use crate::read::{Apart, Together};

/// An open store.
pub(crate) struct Shared {
    pub(crate) connections: Connections,
    pub(crate) names: Names,
    pub(crate) capabilities: Capabilities,
    /// Whether entries with tags are refused, for the server may evict what it knows of the tags.
    pub(crate) refuses_tags: bool,
    /// How many events the log keeps, more or less.
    pub(crate) events_max: u64,
    /// Where the servers are, as it may be shown.
    pub(crate) servers: Vec<String>,
    /// Gets that are under way.
    pub(crate) together: Together,
    /// Buckets whose keys were met on two servers.
    pub(crate) apart: Apart,
    pub(super) slots: Vec<Slot>,
    pub(super) upkeep: Mutex<Option<AbortHandle>>,
}

impl Shared {
    /// Where the keys of a bucket lie.
    pub(crate) fn slot(&self, bucket: Bucket) -> Slot {
        self.slots[usize::from(bucket.0)]
    }

    /// Takes no more calls, and ends what runs in the background.
    pub(super) fn close(&self) {
        self.connections.close();
        if let Some(upkeep) = self.upkeep.lock().take() {
            upkeep.abort();
        }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.close();
    }
}
