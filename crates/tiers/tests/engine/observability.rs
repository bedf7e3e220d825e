//! What a program can be watched by: latencies, metrics, spans and events, as they are documented.

use std::time::Duration;

use tiers::observe::{EVENTS, Label, METRICS, SPANS};
use tiers::prelude::*;

use crate::support::{UserNode, Versions, World, memory, user};

const PAGE: &str = include_str!("../../../../docs/guide/observability.md");

fn quoted(words: &[&str]) -> String {
    words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
}

fn label(label: &Label) -> String {
    match label.values {
        [] => quoted(&[label.name]),
        values => format!("{} ({})", quoted(&[label.name]), quoted(values)),
    }
}

#[test]
fn the_tables_of_the_guide_are_those_of_the_code() {
    let metrics = METRICS.iter().map(|metric| {
        let labels: Vec<String> = metric.labels.iter().map(label).collect();
        let (kind, labels) = (metric.kind, labels.join(", "));
        format!("| `{}` | {kind} | {labels} | {} |", metric.name, metric.description)
    });
    let spans = SPANS.iter().map(|span| {
        let fields = quoted(span.fields);
        format!("| `{}` | {} | {fields} | {} |", span.name, span.level, span.description)
    });
    let events = EVENTS.iter().map(|event| {
        format!("| `{}` | {} | {} |", event.name, quoted(event.fields), event.description)
    });
    let expected: Vec<String> = metrics.chain(spans).chain(events).collect();
    let told: Vec<&str> = PAGE.lines().filter(|line| line.starts_with("| `tiers")).collect();
    assert_eq!(told, expected, "the tables should be\n{}", expected.join("\n"));
}

#[tokio::test]
async fn calls_of_storages_and_sources_are_timed_and_those_of_memory_when_asked() {
    for asked in [false, true] {
        let world = World::new();
        let cache = Cache::builder()
            .storage("memory", memory())
            .storage("sqlite", world.sqlite().await)
            .time_memory_reads(asked)
            .build()
            .expect("a valid cache");
        let users = cache.bind::<UserNode>(Versions::new()).expect("binds");
        users.get(&user(1)).await.expect("loads");
        users.get(&user(1)).await.expect("is in memory");
        users.get_many(&[user(2), user(3)]).await;
        assert!(users.invalidate(&user(1)).await.expect("is told").is_done());

        let stats = users.stats();
        let near = stats.tier("memory").expect("a tier");
        let far = stats.tier("sqlite").expect("a tier");
        assert_eq!(near.get_latency.count(), if asked { 4 } else { 0 });
        assert_eq!((far.get_latency.count(), far.get_many_latency.count()), (1, 1));
        assert_eq!((far.write_latency.count(), stats.load_latency.count()), (2, 2));
        assert!(far.write_latency.max() > Duration::ZERO);
        assert!(far.write_latency.quantile(0.5) <= far.write_latency.max());
        assert_eq!(stats.load_latency.sum(), stats.load_time);
        let storage = &cache.stats().await.storages[0];
        assert_eq!((storage.invalidations, storage.invalidations_failed), (1, 0));
        assert_eq!(storage.invalidate_latency.count(), 1);
    }
}

#[cfg(feature = "metrics")]
mod metrics {
    use std::collections::BTreeSet;

    use metrics_util::MetricKind;
    use metrics_util::debugging::{DebugValue, DebuggingRecorder, Snapshotter};

    use tiers::backplane::InProcessLog;

    use super::*;
    use crate::support::until;

    struct Seen {
        kind: MetricKind,
        name: String,
        labels: Vec<(String, String)>,
        value: DebugValue,
    }

    fn seen(snapshotter: &Snapshotter) -> Vec<Seen> {
        let metrics = snapshotter.snapshot().into_vec().into_iter();
        let seen = metrics.map(|(key, _, description, value)| {
            assert!(description.is_some(), "{key:?} is described");
            let (kind, key) = key.into_parts();
            let labels = key.labels().map(|one| (one.key().to_owned(), one.value().to_owned()));
            Seen { kind, name: key.name().to_owned(), labels: labels.collect(), value }
        });
        seen.collect()
    }

    /// The value of the one series with this name and these values of labels.
    fn value<'a>(seen: &'a [Seen], name: &str, values: &[&str]) -> &'a DebugValue {
        let is_it = |one: &&Seen| {
            let found: Vec<&str> = one.labels.iter().map(|(_, value)| value.as_str()).collect();
            one.name == name && found == values
        };
        &seen.iter().find(is_it).unwrap_or_else(|| panic!("{name} {values:?} is there")).value
    }

    fn count(seen: &[Seen], name: &str, values: &[&str]) -> u64 {
        match value(seen, name, values) {
            DebugValue::Counter(count) => *count,
            DebugValue::Gauge(value) => value.0 as u64,
            DebugValue::Histogram(samples) => samples.len() as u64,
        }
    }

    #[tokio::test]
    async fn a_recorder_sees_what_is_documented_and_no_more() {
        let recorder = DebuggingRecorder::new();
        let snapshotter = recorder.snapshotter();
        let _installed = ::metrics::set_default_local_recorder(&recorder);
        let world = World::new();
        let cache = world.cache().await;
        let followed = Cache::builder().prefix("followed").backplane(InProcessLog::new());
        let followed = followed.build().expect("a valid cache");
        followed.backplane_joined().await;
        let _ = followed.clear().await.expect("is told");
        followed.publish_metrics().await;
        let users = cache.bind::<UserNode>(Versions::new()).expect("binds");
        for _ in 0..3 {
            users.get(&user(1)).await.expect("loads");
        }
        let refuse = || async { Err::<Loaded<_>, _>(LoadError::message("no")) };
        users.get_with(&user(2), refuse).await.expect_err("does not load");
        assert!(users.invalidate(&user(1)).await.expect("is told").is_done());
        cache.publish_metrics().await;

        let first = seen(&snapshotter);
        let names: BTreeSet<&str> = first.iter().map(|one| one.name.as_str()).collect();
        assert_eq!(names, METRICS.iter().map(|metric| metric.name).collect());
        for one in &first {
            let metric = METRICS.iter().find(|metric| metric.name == one.name).expect("is known");
            assert_eq!(format!("{:?}", one.kind), format!("{:?}", metric.kind), "{}", one.name);
            assert_eq!(one.labels.len(), metric.labels.len(), "{}", one.name);
            for ((name, value), label) in one.labels.iter().zip(metric.labels) {
                assert_eq!(name, label.name);
                let is_known = label.values.is_empty() || label.values.contains(&value.as_str());
                assert!(is_known && !value.contains("user:"), "{}: {name}={value}", one.name);
            }
        }

        let node = ["tiers", "UserNode"];
        let of = |name: &str, more: &[&str]| count(&first, name, &[&node[..], more].concat());
        assert_eq!(of("tiers_requests_total", &["hit"]), 2);
        assert_eq!(of("tiers_requests_total", &["miss"]), 2);
        assert_eq!(of("tiers_loads_total", &["success"]), 1);
        assert_eq!(of("tiers_loads_total", &["failure"]), 1);
        assert_eq!(of("tiers_load_duration_seconds", &[]), 2);
        assert_eq!(of("tiers_tier_reads_total", &["memory", "hit"]), 2);
        assert_eq!(of("tiers_tier_reads_total", &["sqlite", "miss"]), 2);
        assert_eq!(of("tiers_tier_fills_total", &["sqlite", "stored"]), 1);
        assert_eq!(of("tiers_tier_duration_seconds", &["sqlite", "get"]), 2);
        assert_eq!(of("tiers_tier_duration_seconds", &["sqlite", "write"]), 1);
        assert_eq!(of("tiers_tier_duration_seconds", &["memory", "get"]), 0);
        assert!(of("tiers_tier_written_bytes_total", &["sqlite"]) > 0);
        assert_eq!(count(&first, "tiers_invalidations_total", &["tiers", "sqlite", "success"]), 1);
        assert_eq!(count(&first, "tiers_entries", &["tiers", "sqlite"]), 0);
        assert_eq!(count(&first, "tiers_pending_invalidations", &["tiers", "sqlite"]), 0);
        assert_eq!(count(&first, "tiers_evictions_total", &["tiers", "memory", "explicit"]), 1);
        assert_eq!(count(&first, "tiers_loads_in_flight", &["tiers"]), 0);

        assert!(count(&first, "tiers_backplane_events_total", &["followed", "sent"]) > 0);
        assert_eq!(count(&first, "tiers_backplane_trusted", &["followed"]), 1);
        assert_eq!(count(&first, "tiers_backplane_peers", &["followed"]), 0);

        // A sample is sent once, however often metrics are published.
        users.get(&user(1)).await.expect("loads");
        cache.publish_metrics().await;
        let second = seen(&snapshotter);
        let name = "tiers_load_duration_seconds";
        let DebugValue::Histogram(samples) = value(&second, name, &node) else {
            panic!("{name} is a histogram");
        };
        let stats = users.stats();
        assert_eq!((samples.len(), stats.load_latency.count()), (1, 3));
        assert!(samples[0].0 > 0.0 && samples[0].0 < 60.0, "{samples:?} in seconds");
        assert_eq!(count(&second, "tiers_loads_total", &["tiers", "UserNode", "success"]), 2);
    }

    #[tokio::test]
    async fn metrics_are_published_again_and_again_where_an_interval_is_set() {
        let recorder = DebuggingRecorder::new();
        let snapshotter = recorder.snapshotter();
        let _installed = ::metrics::set_default_local_recorder(&recorder);
        let world = World::new();
        let builder = || Cache::builder().clock(std::sync::Arc::new(world.clock.clone()));
        builder().metrics_interval(Duration::ZERO).build().expect_err("is no interval");
        let cache = builder()
            .storage("memory", memory())
            .metrics_interval(Duration::from_secs(10))
            .build()
            .expect("a valid cache");
        for _ in 0..2 {
            // The task waits on a clock that is moved again until it has seen it.
            until(|| {
                world.pass(Duration::from_secs(10));
                !snapshotter.snapshot().into_vec().is_empty()
            })
            .await;
        }
        cache.close().await.expect("closes");
    }
}

#[cfg(feature = "tracing")]
mod spans {
    use std::collections::BTreeMap;
    use std::sync::{Arc, Mutex};

    use tiers::cache::StorageOptions;
    use tiers::core::testing::{Operation, TestStorage};
    use tiers::policy::breaker::BreakerOptions;
    use tiers::storage::StorageErrorKind;
    use tracing::span::{Attributes, Id, Record};
    use tracing::{Event, Metadata, Subscriber};

    use super::*;

    /// A level and the names of fields.
    type Noted = (String, Vec<String>);

    /// Notes the names of spans and events, with their levels and fields.
    #[derive(Clone, Default)]
    struct Notes(Arc<Mutex<BTreeMap<String, Noted>>>);

    impl Notes {
        fn note(&self, metadata: &Metadata<'_>) {
            if metadata.target() != "tiers" {
                return;
            }
            let fields = metadata.fields().iter().map(|field| field.name().to_owned());
            let fields = fields.filter(|field| field != "message").collect();
            let level = metadata.level().to_string().to_lowercase();
            let mut notes = self.0.lock().expect("nobody panicked");
            notes.insert(metadata.name().to_owned(), (level, fields));
        }
    }

    impl Subscriber for Notes {
        fn enabled(&self, _: &Metadata<'_>) -> bool {
            true
        }

        fn new_span(&self, span: &Attributes<'_>) -> Id {
            self.note(span.metadata());
            Id::from_u64(1)
        }

        fn event(&self, event: &Event<'_>) {
            self.note(event.metadata());
        }

        fn record(&self, _: &Id, _: &Record<'_>) {}
        fn record_follows_from(&self, _: &Id, _: &Id) {}
        fn enter(&self, _: &Id) {}
        fn exit(&self, _: &Id) {}
    }

    #[tokio::test]
    async fn faults_are_told_by_the_documented_events_within_the_documented_spans() {
        let notes = Notes::default();
        let _default = tracing::subscriber::set_default(notes.clone());
        // A span or event that another test's thread meets for the first time just as the
        // subscriber is set may be taken for one that nobody wants; so once more, with all known.
        go_wrong().await;
        tracing::callsite::rebuild_interest_cache();
        go_wrong().await;
        let noted = notes.0.lock().expect("nobody panicked").clone();
        for span in SPANS {
            let fields = span.fields.iter().map(|field| (*field).to_owned()).collect();
            assert_eq!(
                noted.get(span.name),
                Some(&(span.level.to_owned(), fields)),
                "{}",
                span.name
            );
        }
        for name in [
            "tiers.tier.failed",
            "tiers.load.failed",
            "tiers.invalidation.pending",
            "tiers.breaker.changed",
        ] {
            let event = EVENTS.iter().find(|event| event.name == name).expect("is documented");
            let fields = event.fields.iter().map(|field| (*field).to_owned()).collect();
            assert_eq!(noted.get(name), Some(&("warn".to_owned(), fields)), "{name}");
        }
    }

    async fn go_wrong() {
        let storage = TestStorage::new();
        let breaker = BreakerOptions::new(2, Duration::from_secs(5));
        let options = StorageOptions::new().breaker(Some(breaker));
        let cache = Cache::builder().storage_with("far", storage.clone(), options);
        let cache = cache.build().expect("is valid");
        let definition = UserNode::definition().tiers([TierDefinition::new("far")]);
        let users = cache.bind_as::<UserNode>(definition, Versions::new()).expect("binds");
        storage.fail_next(Operation::Get, 1, StorageErrorKind::Unavailable);
        let refuse = || async { Err::<Loaded<_>, _>(LoadError::message("no")) };
        users.get_with(&user(1), refuse).await.expect_err("does not load");
        storage.fail_next(Operation::Invalidate, 2, StorageErrorKind::Unavailable);
        let _ = users.invalidate(&user(1)).await.expect("is told");
        let done = users.invalidate(&user(1)).await.expect("is told");
        assert!(!done.is_done());
    }
}
