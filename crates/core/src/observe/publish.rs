//! Sends what was counted to the recorder of the `metrics` facade.
//!
//! Nothing is sent while a request runs: the counters are there anyway, and are read now and then.

use std::collections::HashMap;

use ::metrics::{Key, Label, Level, Metadata, Recorder, Unit};
use parking_lot::Mutex;

use super::metrics::*;
use crate::backplane::BackplaneStats;
use crate::policy::breaker::BreakerState;
use crate::stats::{CacheStats, Latency, MemoryStorageStats, NodeStats, StorageReport, TierStats};

static METADATA: Metadata<'static> =
    Metadata::new("tiers", Level::INFO, Some(env!("CARGO_CRATE_NAME")));

/// Remembers what was sent, since a recorder is told of new samples only.
#[derive(Debug, Default)]
pub(crate) struct Publisher {
    sent: Mutex<HashMap<Key, Latency>>,
}

impl Publisher {
    pub(crate) fn publish(&self, cache: &str, stats: &CacheStats, loads_in_flight: usize) {
        let mut sent = self.sent.lock();
        ::metrics::with_recorder(|recorder| {
            METRICS.iter().for_each(|metric| describe(recorder, metric));
            let mut to = To { recorder, cache, sent: &mut sent };
            to.gauge(&LOADS_IN_FLIGHT, &[], loads_in_flight as u64);
            stats.nodes.iter().for_each(|node| to.node(node));
            stats.memories.iter().for_each(|memory| to.memory(memory));
            stats.storages.iter().for_each(|storage| to.storage(storage));
            stats.backplane.iter().for_each(|backplane| to.backplane(backplane));
        });
    }
}

fn describe(recorder: &dyn Recorder, metric: &Metric) {
    let name = metric.name.into();
    let description = metric.description.into();
    let unit = match metric.name {
        name if name.contains("_bytes") => Some(Unit::Bytes),
        name if name.ends_with("_seconds") => Some(Unit::Seconds),
        _ => None,
    };
    match metric.kind {
        MetricKind::Counter => recorder.describe_counter(name, unit, description),
        MetricKind::Gauge => recorder.describe_gauge(name, unit, description),
        MetricKind::Histogram => recorder.describe_histogram(name, unit, description),
    }
}

/// Where the figures of one cache go.
struct To<'a> {
    recorder: &'a dyn Recorder,
    cache: &'a str,
    sent: &'a mut HashMap<Key, Latency>,
}

/// Values of the labels after `cache`, in the metric's order.
type Values<'a> = &'a [&'a str];

impl To<'_> {
    fn node(&mut self, stats: &NodeStats) {
        let node = stats.node.as_str();
        self.counter(&REQUESTS, &[node, "hit"], stats.hits);
        self.counter(&REQUESTS, &[node, "miss"], stats.misses);
        self.counter(&COALESCED, &[node], stats.coalesced);
        self.counter(&LOADS, &[node, "success"], stats.loads_succeeded);
        self.counter(&LOADS, &[node, "failure"], stats.loads_failed);
        self.counter(&ABANDONED, &[node], stats.abandoned);
        self.counter(&STALE_HITS, &[node], stats.stale_hits);
        self.counter(&REFRESHES, &[node, "begun"], stats.refreshes_begun);
        self.counter(&REFRESHES, &[node, "skipped"], stats.refreshes_skipped);
        self.counter(&PREFETCHES, &[node, "begun"], stats.prefetches_begun);
        self.counter(&PREFETCHES, &[node, "skipped"], stats.prefetches_skipped);
        let across = &stats.across;
        self.counter(&LEASES, &[node, "taken"], across.leases);
        self.counter(&LEASES, &[node, "failed"], across.failed);
        self.counter(&LEASES, &[node, "lost"], across.lost);
        self.counter(&LEASE_WAITS, &[node, "waited"], across.waited);
        self.counter(&LEASE_WAITS, &[node, "spared"], across.spared);
        self.counter(&LEASE_WAITS, &[node, "timed_out"], across.timed_out);
        let queued = &stats.write_behind;
        let outcomes = [
            ("written", queued.written),
            ("coalesced", queued.coalesced),
            ("refused", queued.refused),
            ("withdrawn", queued.withdrawn),
            ("given_up", queued.given_up),
            ("turned_away", queued.turned_away),
        ];
        for (outcome, count) in outcomes {
            self.counter(&QUEUED_WRITES, &[node, outcome], count);
        }
        self.gauge(&QUEUED_WRITES_WAITING, &[node], queued.queued);
        self.counter(&QUEUED_WRITES_RETRIED, &[node], queued.retried);
        self.counter(&ENCODE_FAILURES, &[node], stats.encode_failures);
        self.histogram(&LOAD_DURATION, &[node], &stats.load_latency);
        stats.tiers.iter().for_each(|tier| self.tier(node, tier));
    }

    fn tier(&mut self, node: &str, stats: &TierStats) {
        let tier = stats.storage.as_str();
        self.counter(&TIER_READS, &[node, tier, "hit"], stats.hits);
        self.counter(&TIER_READS, &[node, tier, "miss"], stats.misses);
        self.counter(&TIER_STALE, &[node, tier], stats.stale);
        self.counter(&TIER_DAMAGED, &[node, tier], stats.damaged);
        self.counter(&TIER_ERRORS, &[node, tier], stats.errors);
        self.counter(&TIER_FILLS, &[node, tier, "stored"], stats.fills);
        self.counter(&TIER_FILLS, &[node, tier, "refused"], stats.fills_refused);
        self.counter(&TIER_FILLS, &[node, tier, "skipped"], stats.fills_skipped);
        self.counter(&TIER_READ_BYTES, &[node, tier], stats.bytes_read);
        self.counter(&TIER_WRITTEN_BYTES, &[node, tier], stats.bytes_written);
        self.histogram(&TIER_DURATION, &[node, tier, "get"], &stats.get_latency);
        self.histogram(&TIER_DURATION, &[node, tier, "get_many"], &stats.get_many_latency);
        self.histogram(&TIER_DURATION, &[node, tier, "write"], &stats.write_latency);
    }

    fn memory(&mut self, memory: &MemoryStorageStats) {
        let (tier, stats) = (memory.storage.as_str(), &memory.stats);
        self.gauge(&ENTRIES, &[tier], stats.entries);
        self.gauge(&BYTES, &[tier], stats.weight_bytes);
        self.counter(&EVICTIONS, &[tier, "expired"], stats.evicted_expired);
        self.counter(&EVICTIONS, &[tier, "size"], stats.evicted_size);
        self.counter(&EVICTIONS, &[tier, "replaced"], stats.evicted_replaced);
        self.counter(&EVICTIONS, &[tier, "explicit"], stats.evicted_explicit);
    }

    fn storage(&mut self, report: &StorageReport) {
        let tier = report.storage.as_str();
        self.counter(&TIER_SKIPPED, &[tier], report.health.skipped);
        self.counter(&TIER_TIMEOUTS, &[tier], report.health.timeouts);
        self.counter(&BREAKER_OPENED, &[tier], report.health.breaker_opened);
        self.gauge(&BREAKER_STATE, &[tier], breaker_figure(report.health.breaker));
        self.counter(&INVALIDATIONS, &[tier, "success"], report.invalidations);
        self.counter(&INVALIDATIONS, &[tier, "failure"], report.invalidations_failed);
        self.histogram(&INVALIDATION_DURATION, &[tier], &report.invalidate_latency);
        self.gauge(&PENDING, &[tier], report.pending_invalidations as u64);
        // One that cannot tell its figures keeps those it told last.
        if let Ok(stats) = &report.stats {
            self.gauge(&ENTRIES, &[tier], stats.entries);
            self.gauge(&BYTES, &[tier], stats.stored_bytes);
            self.counter(&EVICTIONS, &[tier, "expired"], stats.expired);
            self.counter(&EVICTIONS, &[tier, "size"], stats.evicted);
        }
    }

    fn backplane(&mut self, stats: &BackplaneStats) {
        let events = [
            ("sent", stats.sent),
            ("received", stats.received),
            ("applied", stats.applied),
            ("finished", stats.finished),
            ("unreadable", stats.unreadable),
        ];
        for (event, count) in events {
            self.counter(&BACKPLANE_EVENTS, &[event], count);
        }
        self.counter(&BACKPLANE_FAILURES, &["append"], stats.send_failures);
        self.counter(&BACKPLANE_FAILURES, &["read"], stats.read_failures);
        self.counter(&BACKPLANE_LOSSES, &["gap"], stats.gaps);
        self.counter(&BACKPLANE_LOSSES, &["silence"], stats.silences);
        self.gauge(&BACKPLANE_UNSENT, &[], stats.unsent);
        self.gauge(&BACKPLANE_TRUSTED, &[], u64::from(stats.trusted));
        self.gauge(&BACKPLANE_PEERS, &[], stats.peers as u64);
        self.gauge(&BACKPLANE_CONFLICTS, &[], stats.order_conflicts);
    }

    fn counter(&self, metric: &Metric, values: Values<'_>, value: u64) {
        self.recorder.register_counter(&self.key(metric, values), &METADATA).absolute(value);
    }

    fn gauge(&self, metric: &Metric, values: Values<'_>, value: u64) {
        self.recorder.register_gauge(&self.key(metric, values), &METADATA).set(value as f64);
    }

    fn histogram(&mut self, metric: &Metric, values: Values<'_>, latency: &Latency) {
        let key = self.key(metric, values);
        let histogram = self.recorder.register_histogram(&key, &METADATA);
        let sent = self.sent.entry(key).or_default();
        for (seconds, count) in latency.since(sent) {
            histogram.record_many(seconds, usize::try_from(count).unwrap_or(usize::MAX));
        }
        sent.clone_from(latency);
    }

    fn key(&self, metric: &Metric, values: Values<'_>) -> Key {
        let values = std::iter::once(&self.cache).chain(values);
        let named = metric.labels.iter().zip(values);
        let labels: Vec<Label> =
            named.map(|(label, value)| Label::new(label.name, (*value).to_owned())).collect();
        Key::from_parts(metric.name, labels)
    }
}

const fn breaker_figure(state: BreakerState) -> u64 {
    match state {
        BreakerState::Closed => 0,
        BreakerState::HalfOpen => 1,
        BreakerState::Open => 2,
    }
}
