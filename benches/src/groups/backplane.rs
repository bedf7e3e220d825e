//! How long an invalidation takes until another cache's memory has heard of it, by each log.

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use bytes::Bytes;
use tiers::backplane::Backplane;
use tiers::prelude::*;
use tiers_benches::{Group, Row, Run};
#[cfg(any(feature = "redis", feature = "postgres", feature = "mysql", feature = "mongodb"))]
use tiers_servers::{Kind, Life, Running};

use super::latency::Latencies;

pub(super) const GROUP: Group = Group { name: "backplane", measure };

/// Where readers are woken, and where they look again and again, in milliseconds.
#[cfg(any(feature = "redis", feature = "postgres"))]
const WOKEN_P99_MS: f64 = 5.0;
const POLLED_P99_MS: f64 = 50.0;

/// After so long an invalidation counts as lost.
const LOST: Duration = Duration::from_secs(30);

/// A log, and where it lies.
struct Place {
    name: &'static str,
    bound_ms: f64,
    url: String,
    #[allow(dead_code, reason = "held while it is used")]
    alive: Box<dyn std::any::Any>,
}

/// The logs of this build, each with what makes a place for it.
type Start = fn() -> anyhow::Result<Place>;

const LOGS: &[(&str, Start)] = &[
    #[cfg(feature = "redis")]
    ("redis", || on_server("redis", WOKEN_P99_MS, Kind::Redis)),
    #[cfg(feature = "postgres")]
    ("postgres", || on_server("postgres", WOKEN_P99_MS, Kind::Postgres)),
    ("sqlite", in_a_file),
    #[cfg(feature = "mysql")]
    ("mysql", || on_server("mysql", POLLED_P99_MS, Kind::MySql)),
    #[cfg(feature = "mongodb")]
    ("mongodb", || on_server("mongodb", POLLED_P99_MS, Kind::MongoDb)),
];

#[cfg(any(feature = "redis", feature = "postgres", feature = "mysql", feature = "mongodb"))]
fn on_server(name: &'static str, bound_ms: f64, kind: Kind) -> anyhow::Result<Place> {
    let running: Running = kind.start(Life::Guarded)?;
    Ok(Place { name, bound_ms, url: running.url().to_owned(), alive: Box::new(running) })
}

fn in_a_file() -> anyhow::Result<Place> {
    let folder = tempfile::tempdir().context("no folder")?;
    let url = format!("sqlite://{}", folder.path().join("cache.db").display());
    Ok(Place { name: "sqlite", bound_ms: POLLED_P99_MS, url, alive: Box::new(folder) })
}

fn row(name: &str) -> String {
    format!("backplane_{name}_invalidation_p99")
}

fn measure(run: &mut Run<'_>) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("no runtime")?;
    for (name, start) in LOGS {
        if !run.wants(&[row(name)]) {
            continue;
        }
        let place = start().with_context(|| format!("no place for {name}"))?;
        let count = run.sized(2_000, 500, 20);
        let latencies = runtime.block_on(followed(&place, count)).context(*name)?;
        let p99_ms = latencies.quantile_ns(0.99) / 1e6;
        run.note(&format!(
            "{name}: median {:.2} ms, p99 {p99_ms:.2} ms, longest {:.2} ms",
            latencies.quantile_ns(0.5) / 1e6,
            latencies.longest_ns() / 1e6
        ));
        run.report(&Row::at_most(row(place.name), p99_ms, place.bound_ms, "ms"))?;
    }
    Ok(())
}

/// A cache as a process of its own would have it: memory over the storage, by connections of its own.
async fn cache(place: &Place) -> anyhow::Result<(Cache, Handle<DynamicNode>)> {
    let storage = tiers::open(&place.url).await?;
    let cache = Cache::builder()
        .prefix("bench")
        .storage("memory", Memory::builder().max_entries(10_000).build()?)
        .storage("storage", storage)
        .backplane(Backplane::on("storage"))
        .build()?;
    let definition = NodeDefinition::new("Article", "article:{id}")
        .tier(TierDefinition::new("memory").ttl(Duration::from_secs(3_600)));
    let source = source_fn(|_: DynamicNode| async { Ok::<_, LoadError>(Bytes::from_static(b"x")) });
    let articles = cache.bind_as::<DynamicNode>(definition, source)?;
    cache.backplane_joined().await;
    Ok((cache, articles))
}

async fn followed(place: &Place, count: usize) -> anyhow::Result<Latencies> {
    let (here, articles) = cache(place).await?;
    let (there, others) = cache(place).await?;
    let mut latencies = Latencies::new()?;
    for at in 0..count {
        let node = DynamicNode::new(format!("article:{}", at % 100));
        others.get(&node).await?;
        let begun = Instant::now();
        let done = articles.invalidate(&node).await?;
        ensure!(done.unannounced.is_none(), "{done:?}");
        // Its only tier is memory, so that this asks nothing else.
        while others.contains(&node).await? {
            ensure!(begun.elapsed() < LOST, "an invalidation did not arrive");
            tokio::time::sleep(Duration::from_micros(100)).await;
        }
        latencies.add_since(begun);
    }
    for cache in [here, there] {
        cache.close().await?;
    }
    Ok(latencies)
}
