use std::time::Duration;

use super::across::AcrossStats;
use super::health::StorageHealth;
use super::latency::Latency;
use super::write_behind::WriteBehindStats;
use crate::backplane::BackplaneStats;
use crate::memory::{MemoryStats, MissRatioCurve};
use crate::storage::{StorageError, StorageStats};

/// What was counted of one node type since it was bound.
///
/// Every request is a hit or a miss. A request that joined a running flight is a miss
/// and counted in [`coalesced`](Self::coalesced) too.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct NodeStats {
    /// The node type.
    pub node: String,
    /// Requests answered by a tier.
    pub hits: u64,
    /// Requests that the source, or a flight begun by another request, had to answer.
    pub misses: u64,
    /// Requests that joined a flight.
    pub coalesced: u64,
    /// Values and negative results that the source brought.
    pub loads_succeeded: u64,
    /// Loads that failed, panicked, timed out or were cancelled.
    pub loads_failed: u64,
    /// Time spent in the source, all loads together.
    pub load_time: Duration,
    /// How long each call of the source took; one call may be for many nodes.
    pub load_latency: Latency,
    /// Values that could not be encoded and so reached no storage.
    pub encode_failures: u64,
    /// Loads that nobody waited for any more.
    pub abandoned: u64,
    /// Requests that were answered with a copy past its freshness, whatever else they count as.
    pub stale_hits: u64,
    /// Refreshes begun behind readers: of stale copies, or early.
    pub refreshes_begun: u64,
    /// Refreshes that were due behind readers and found no place.
    pub refreshes_skipped: u64,
    /// Nodes that were begun to be prefetched.
    pub prefetches_begun: u64,
    /// Nodes that were to be prefetched and found no place.
    pub prefetches_skipped: u64,
    /// Single flight across processes.
    pub across: AcrossStats,
    /// What is accepted now and written later.
    pub write_behind: WriteBehindStats,
    /// Its tiers, memory first.
    pub tiers: Vec<TierStats>,
}

/// What was counted of one tier of a node type.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TierStats {
    /// The storage's name.
    pub storage: String,
    /// Reads that found a fresh entry; in memory also those that a stale one answers at once.
    pub hits: u64,
    /// Reads that did not; those of failing storages and damaged entries included.
    pub misses: u64,
    /// Reads and writes that failed.
    pub errors: u64,
    /// Reads and writes that were not made because the storage is left alone
    /// ([`StorageHealth::breaker`]).
    pub skipped: u64,
    /// Entries that were torn, foreign, too large or not decodable.
    pub damaged: u64,
    /// Entries stored.
    pub fills: u64,
    /// Entries that the fence or a newer entry kept out.
    pub fills_refused: u64,
    /// Entries that the doorkeeper, their size or a missing stamp kept out.
    pub fills_skipped: u64,
    /// Payload bytes read.
    pub bytes_read: u64,
    /// Payload bytes written.
    pub bytes_written: u64,
    /// Reads that found an entry past its freshness.
    pub stale: u64,
    /// How long reads of one key took. Those of memory are timed only where
    /// [`CacheBuilder::time_memory_reads`](crate::cache::CacheBuilder::time_memory_reads) asks for it.
    pub get_latency: Latency,
    /// How long reads of several keys at once took.
    pub get_many_latency: Latency,
    /// How long batches of writes took: fills, changes, renewals.
    pub write_latency: Latency,
}

/// What a whole cache has counted, and what its storages say of themselves.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct CacheStats {
    /// Every bound node type.
    pub nodes: Vec<NodeStats>,
    /// Every memory.
    pub memories: Vec<MemoryStorageStats>,
    /// Every other storage.
    pub storages: Vec<StorageReport>,
    /// The backplane, where there is one.
    pub backplane: Option<BackplaneStats>,
}

/// One memory's own figures.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MemoryStorageStats {
    /// The name under which it is registered.
    pub storage: String,
    /// How full it is and what has left it.
    pub stats: MemoryStats,
    /// What its hit ratio would be with another size or policy; `None` where it is not estimated.
    pub curve: Option<MissRatioCurve>,
}

/// One storage's own figures, or why it could not tell them.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct StorageReport {
    /// The name under which it is registered.
    pub storage: String,
    /// Its figures.
    pub stats: Result<StorageStats, StorageError>,
    /// How it has fared.
    pub health: StorageHealth,
    /// Invalidations that have not reached it yet.
    pub pending_invalidations: usize,
    /// Invalidations that were given up before they reached it: by then, whatever they named had
    /// expired.
    pub invalidations_expired: u64,
    /// Invalidations that reached it; those that were tried again and those that a change sends
    /// to the tiers it does not fill included.
    pub invalidations: u64,
    /// Invalidations that failed; each try counts.
    pub invalidations_failed: u64,
    /// How long invalidations took, whatever became of them.
    pub invalidate_latency: Latency,
}

impl NodeStats {
    /// All requests: hits and misses.
    pub fn requests(&self) -> u64 {
        self.hits + self.misses
    }

    /// Hits over requests; 0 without requests.
    pub fn hit_rate(&self) -> f64 {
        rate(self.hits, self.requests())
    }

    /// Misses over requests; 0 without requests.
    pub fn miss_rate(&self) -> f64 {
        rate(self.misses, self.requests())
    }

    /// Loads, whatever became of them.
    pub fn loads(&self) -> u64 {
        self.loads_succeeded + self.loads_failed
    }

    /// Failed loads over loads; 0 without loads.
    pub fn load_failure_rate(&self) -> f64 {
        rate(self.loads_failed, self.loads())
    }

    /// Mean time of a load; zero without loads.
    pub fn mean_load_time(&self) -> Duration {
        let loads = u128::from(self.loads().max(1));
        Duration::from_nanos(u64::try_from(self.load_time.as_nanos() / loads).unwrap_or(u64::MAX))
    }

    /// The tier on the storage with this name.
    pub fn tier(&self, storage: &str) -> Option<&TierStats> {
        self.tiers.iter().find(|tier| tier.storage == storage)
    }
}

impl TierStats {
    /// Hits over reads; 0 without reads.
    pub fn hit_rate(&self) -> f64 {
        rate(self.hits, self.hits + self.misses)
    }
}

impl CacheStats {
    /// The node type with this name.
    pub fn node(&self, name: &str) -> Option<&NodeStats> {
        self.nodes.iter().find(|node| node.node == name)
    }
}

fn rate(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}
