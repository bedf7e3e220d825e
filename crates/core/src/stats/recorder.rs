use std::sync::Arc;
use std::time::Duration;

use super::across::AcrossStats;
use super::counters::Counters;
use super::latency::LatencyRecorder;
use super::snapshot::{NodeStats, TierStats};
use super::write_behind::WriteBehindStats;

/// Names the counters of a recorder once: as constants, as methods, and for the snapshot.
macro_rules! recorder {
    ($recorder:ident { $($counter:ident = $index:literal),+ $(,)? }) => {
        impl $recorder {
            $(
                pub(crate) fn $counter(&self, count: u64) {
                    self.counters.add($index, count);
                }
            )+
        }
    };
}

/// What is counted of one node type. Hits in memory are counted by the memory tier alone, fresh and
/// stale ones.
#[derive(Debug)]
pub(crate) struct NodeRecorder {
    counters: Counters<13>,
    load_latency: LatencyRecorder,
}

recorder!(NodeRecorder {
    storage_hits = 0,
    misses = 1,
    coalesced = 2,
    loads_succeeded = 3,
    loads_failed = 4,
    load_time_ns = 5,
    encode_failures = 6,
    abandoned = 7,
    stale_hits = 8,
    refreshes_begun = 9,
    refreshes_skipped = 10,
    prefetches_begun = 11,
    prefetches_skipped = 12,
});

/// What is counted of one tier of a node type.
#[derive(Debug)]
pub(crate) struct TierRecorder {
    storage: Arc<str>,
    counters: Counters<12>,
    /// In memory of reads, and only where it was asked for; of storages of reads of one key.
    pub(crate) get: LatencyRecorder,
    pub(crate) get_many: LatencyRecorder,
    pub(crate) write: LatencyRecorder,
}

recorder!(TierRecorder {
    hits = 0,
    misses = 1,
    errors = 2,
    damaged = 3,
    fills = 4,
    fills_refused = 5,
    fills_skipped = 6,
    bytes_read = 7,
    bytes_written = 8,
    stale = 9,
    skipped = 10,
    stale_answers = 11,
});

impl NodeRecorder {
    pub(crate) fn new() -> Self {
        Self { counters: Counters::new(), load_latency: LatencyRecorder::default() }
    }

    pub(crate) fn load_time(&self, time: Duration) {
        self.load_latency.record(time);
        self.load_time_ns(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX));
    }

    pub(crate) fn snapshot(
        &self,
        node: &str,
        memory: Option<TierStats>,
        storages: Vec<TierStats>,
    ) -> NodeStats {
        let [
            storage_hits,
            misses,
            coalesced,
            loads_succeeded,
            loads_failed,
            load_time_ns,
            encode_failures,
            abandoned,
            stale_hits,
            refreshes_begun,
            refreshes_skipped,
            prefetches_begun,
            prefetches_skipped,
        ] = self.counters.read();
        NodeStats {
            node: node.to_owned(),
            hits: storage_hits + memory.as_ref().map_or(0, |memory| memory.hits),
            misses,
            coalesced,
            loads_succeeded,
            loads_failed,
            load_time: Duration::from_nanos(load_time_ns),
            load_latency: self.load_latency.snapshot(),
            encode_failures,
            abandoned,
            stale_hits,
            refreshes_begun,
            refreshes_skipped,
            prefetches_begun,
            prefetches_skipped,
            across: AcrossStats::default(),
            write_behind: WriteBehindStats::default(),
            tiers: memory.into_iter().chain(storages).collect(),
        }
    }
}

impl TierRecorder {
    pub(crate) fn new(storage: Arc<str>) -> Self {
        Self {
            storage,
            counters: Counters::new(),
            get: LatencyRecorder::default(),
            get_many: LatencyRecorder::default(),
            write: LatencyRecorder::default(),
        }
    }

    /// How often an entry past its freshness has answered: a hit and a stale one, counted at once,
    /// for it is to take no longer than a fresh one.
    pub(crate) fn stale_answers_so_far(&self) -> u64 {
        let [.., stale_answers] = self.counters.read();
        stale_answers
    }

    pub(crate) fn snapshot(&self) -> TierStats {
        let [
            hits,
            misses,
            errors,
            damaged,
            fills,
            fills_refused,
            fills_skipped,
            bytes_read,
            bytes_written,
            stale,
            skipped,
            stale_answers,
        ] = self.counters.read();
        TierStats {
            storage: self.storage.to_string(),
            hits: hits + stale_answers,
            misses,
            errors,
            damaged,
            fills,
            fills_refused,
            fills_skipped,
            bytes_read,
            bytes_written,
            stale: stale + stale_answers,
            skipped,
            get_latency: self.get.snapshot(),
            get_many_latency: self.get_many.snapshot(),
            write_latency: self.write.snapshot(),
        }
    }
}
