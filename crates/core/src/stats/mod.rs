//! Counters and latencies per node type and tier: one relaxed addition on a hit, read as a snapshot.

mod across;
mod counters;
mod health;
mod latency;
mod recorder;
mod snapshot;
mod write_behind;

pub(crate) use across::AcrossRecorder;
pub use across::AcrossStats;
pub use health::{LastFailure, StorageHealth};
pub(crate) use latency::LatencyRecorder;
pub use latency::{Latency, LatencyBucket};
pub(crate) use recorder::{NodeRecorder, TierRecorder};
pub use snapshot::{CacheStats, MemoryStorageStats, NodeStats, StorageReport, TierStats};
pub(crate) use write_behind::WriteBehindRecorder;
pub use write_behind::WriteBehindStats;
