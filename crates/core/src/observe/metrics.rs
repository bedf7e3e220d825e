//! Names, labels and meaning of every metric: units last and counters with `_total`, as Prometheus
//! and OpenTelemetry want them.

use std::fmt;

/// A metric that a cache publishes where feature `metrics` is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Metric {
    /// Its name; the unit is in it.
    pub name: &'static str,
    /// What becomes of it over time.
    pub kind: MetricKind,
    /// Its labels.
    pub labels: &'static [Label],
    /// What it means, in a sentence.
    pub description: &'static str,
}

/// What becomes of a metric over time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricKind {
    /// It only rises.
    Counter,
    /// It goes up and down.
    Gauge,
    /// A distribution.
    Histogram,
}

/// A label of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Label {
    /// Its name.
    pub name: &'static str,
    /// The values that it has; none where a program's configuration says them.
    pub values: &'static [&'static str],
}

impl fmt::Display for MetricKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        })
    }
}

/// Labels of metrics: the name is that of the constant, in lower case.
macro_rules! labels {
    ($($label:ident = $name:literal [$($value:literal),*];)+) => {
        $(const $label: Label = Label { name: $name, values: &[$($value),*] };)+
    };
}

labels! {
    CACHE = "cache" [];
    NODE = "node" [];
    TIER = "tier" [];
    HIT_OR_MISS = "outcome" ["hit", "miss"];
    SUCCESS_OR_FAILURE = "outcome" ["success", "failure"];
    BEGUN_OR_SKIPPED = "outcome" ["begun", "skipped"];
    LEASE = "outcome" ["taken", "failed", "lost"];
    WAIT = "outcome" ["waited", "spared", "timed_out"];
    QUEUED_WRITE = "outcome" ["written", "coalesced", "refused", "withdrawn", "given_up", "turned_away"];
    BACKPLANE_EVENT = "event" ["sent", "received", "applied", "finished", "unreadable"];
    BACKPLANE_CALL = "operation" ["append", "read"];
    BACKPLANE_TROUBLE = "trouble" ["gap", "silence"];
    FILL = "outcome" ["stored", "refused", "skipped"];
    OPERATION = "operation" ["get", "get_many", "write"];
    CAUSE = "cause" ["expired", "size", "replaced", "explicit"];
}

macro_rules! metrics {
    ($($metric:ident: $kind:ident $name:literal [$($label:ident),*] $description:literal;)+) => {
        $(
            pub(super) const $metric: Metric = Metric {
                name: $name,
                kind: MetricKind::$kind,
                labels: &[$($label),*],
                description: $description,
            };
        )+

        /// Every metric.
        pub const METRICS: &[Metric] = &[$($metric),+];
    };
}

metrics! {
    REQUESTS: Counter "tiers_requests_total" [CACHE, NODE, HIT_OR_MISS]
        "Requests, by whether a tier answered them.";
    COALESCED: Counter "tiers_coalesced_requests_total" [CACHE, NODE]
        "Requests that joined the load of another one; misses, too.";
    LOADS: Counter "tiers_loads_total" [CACHE, NODE, SUCCESS_OR_FAILURE]
        "Nodes that the source was asked for.";
    ABANDONED: Counter "tiers_abandoned_loads_total" [CACHE, NODE]
        "Loads that nobody waited for any more.";
    STALE_HITS: Counter "tiers_stale_hits_total" [CACHE, NODE]
        "Requests answered by a copy past its freshness: while it is loaded again, or because the source failed or took long.";
    REFRESHES: Counter "tiers_background_refreshes_total" [CACHE, NODE, BEGUN_OR_SKIPPED]
        "Refreshes due behind readers: begun, or skipped for there was no place.";
    PREFETCHES: Counter "tiers_prefetches_total" [CACHE, NODE, BEGUN_OR_SKIPPED]
        "Nodes that were to be prefetched: begun, or skipped for there was no place.";
    LEASES: Counter "tiers_leases_total" [CACHE, NODE, LEASE]
        "Loads under single flight across processes: taken, failed for the storage could not be asked, lost while the load ran.";
    LEASE_WAITS: Counter "tiers_lease_waits_total" [CACHE, NODE, WAIT]
        "Loads that another process may have spared: waited for it, spared by it, or timed out.";
    QUEUED_WRITES: Counter "tiers_queued_writes_total" [CACHE, NODE, QUEUED_WRITE]
        "Values that were to be written later: written, replaced by a newer one, refused by the fence or a newer entry, withdrawn by an invalidation, given up after failing for too long, or turned away for lack of room.";
    QUEUED_WRITES_WAITING: Gauge "tiers_queued_writes_waiting" [CACHE, NODE]
        "Values that wait to be written, or are being written: what a process that dies loses.";
    QUEUED_WRITES_RETRIED: Counter "tiers_queued_writes_retried_total" [CACHE, NODE]
        "Tries to write a queued value that failed and were followed by another.";
    ENCODE_FAILURES: Counter "tiers_encode_failures_total" [CACHE, NODE]
        "Values that could not be encoded and so reached no storage.";
    LOAD_DURATION: Histogram "tiers_load_duration_seconds" [CACHE, NODE]
        "How long calls of the source took.";
    LOADS_IN_FLIGHT: Gauge "tiers_loads_in_flight" [CACHE]
        "Nodes that are being read from storages or loaded.";
    TIER_READS: Counter "tiers_tier_reads_total" [CACHE, NODE, TIER, HIT_OR_MISS]
        "Reads of a tier; those that fail are misses.";
    TIER_STALE: Counter "tiers_tier_stale_reads_total" [CACHE, NODE, TIER]
        "Reads that found an entry past its time.";
    TIER_DAMAGED: Counter "tiers_tier_damaged_entries_total" [CACHE, NODE, TIER]
        "Entries that were torn, foreign or not decodable; misses, too.";
    TIER_ERRORS: Counter "tiers_tier_errors_total" [CACHE, NODE, TIER]
        "Reads and writes of a tier that failed.";
    TIER_FILLS: Counter "tiers_tier_fills_total" [CACHE, NODE, TIER, FILL]
        "Entries on their way into a tier: stored, refused by the fence or a newer entry, or skipped for their size, the doorkeeper or a missing stamp.";
    TIER_READ_BYTES: Counter "tiers_tier_read_bytes_total" [CACHE, NODE, TIER]
        "Payload read from a tier.";
    TIER_WRITTEN_BYTES: Counter "tiers_tier_written_bytes_total" [CACHE, NODE, TIER]
        "Payload written to a tier.";
    TIER_DURATION: Histogram "tiers_tier_duration_seconds" [CACHE, NODE, TIER, OPERATION]
        "How long calls of a tier took; those of memory where the cache is told to time them.";
    TIER_SKIPPED: Counter "tiers_tier_skipped_calls_total" [CACHE, TIER]
        "Calls that were not made because a storage had failed again and again.";
    TIER_TIMEOUTS: Counter "tiers_tier_timeouts_total" [CACHE, TIER]
        "Calls of a storage that were given up because they took too long.";
    BREAKER_OPENED: Counter "tiers_breaker_opened_total" [CACHE, TIER]
        "How often the breaker of a storage has opened.";
    BREAKER_STATE: Gauge "tiers_breaker_state" [CACHE, TIER]
        "Where the breaker of a storage stands: 0 closed, 1 half-open, 2 open.";
    INVALIDATIONS: Counter "tiers_invalidations_total" [CACHE, TIER, SUCCESS_OR_FAILURE]
        "Invalidations sent to a storage; each try counts.";
    INVALIDATION_DURATION: Histogram "tiers_invalidation_duration_seconds" [CACHE, TIER]
        "How long invalidations took in a storage.";
    PENDING: Gauge "tiers_pending_invalidations" [CACHE, TIER]
        "Invalidations that have not reached a storage yet.";
    BACKPLANE_EVENTS: Counter "tiers_backplane_events_total" [CACHE, BACKPLANE_EVENT]
        "Events of the backplane: appended to its log, read from it (own ones included), applied, ended in the place of another process, or not readable.";
    BACKPLANE_FAILURES: Counter "tiers_backplane_failures_total" [CACHE, BACKPLANE_CALL]
        "Calls of the backplane's log that failed or took too long.";
    BACKPLANE_LOSSES: Counter "tiers_backplane_losses_total" [CACHE, BACKPLANE_TROUBLE]
        "How often memory was forgotten because events were missed, or not asked because the log could not be read for too long.";
    BACKPLANE_UNSENT: Gauge "tiers_backplane_unsent_events" [CACHE]
        "Events that wait to be appended.";
    BACKPLANE_TRUSTED: Gauge "tiers_backplane_trusted" [CACHE]
        "Whether the log has been read within the time after which the cache counts as cut off: 1 or 0.";
    BACKPLANE_PEERS: Gauge "tiers_backplane_peers" [CACHE]
        "Other open caches that follow the log.";
    BACKPLANE_CONFLICTS: Gauge "tiers_backplane_order_conflicts" [CACHE]
        "Pairs of shared storages that another cache goes through the other way round.";
    EVICTIONS: Counter "tiers_evictions_total" [CACHE, TIER, CAUSE]
        "Entries that left a memory or a storage; the latter count `expired` and `size`.";
    ENTRIES: Gauge "tiers_entries" [CACHE, TIER]
        "Entries that a memory or a storage holds.";
    BYTES: Gauge "tiers_bytes" [CACHE, TIER]
        "What they take: weights in memory, the size of the file or database in a storage.";
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn names_follow_the_conventions_and_are_unique() {
        let names: HashSet<_> = METRICS.iter().map(|metric| metric.name).collect();
        assert_eq!(names.len(), METRICS.len());
        for Metric { name, kind, labels, description } in METRICS {
            let is_plain = |c: char| c.is_ascii_lowercase() || c == '_';
            assert!(name.starts_with("tiers_") && name.chars().all(is_plain), "{name}");
            assert_eq!(name.ends_with("_total"), *kind == MetricKind::Counter, "{name}");
            assert_eq!(name.ends_with("_seconds"), *kind == MetricKind::Histogram, "{name}");
            assert!(description.ends_with('.'), "{name}");
            let labels: HashSet<_> = labels.iter().map(|label| label.name).collect();
            assert!(labels.contains("cache") && !labels.contains("key"), "{name}");
        }
    }
}
