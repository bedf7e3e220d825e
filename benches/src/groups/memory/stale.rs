//! Hits on copies that are past their freshness, while they are loaded again, beside fresh ones.

use std::future::pending;
use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::ensure;
use tiers::policy::stale::StaleOptions;
use tiers::prelude::*;
use tiers_benches::{Contestant, Row, Run};
use tokio::runtime::Runtime;

use super::{Article, TTL, text};
use crate::groups::failures::{Failures, figure};

const NODES: u64 = 1000;
/// How much longer a stale hit may take than a fresh one.
const FACTOR_MAX: f64 = 1.1;
/// Long enough for all nodes to be loaded once.
const FRESH_FOR: Duration = Duration::from_secs(1);

pub(super) const STALE: &str = "memory_stale_hit_over_fresh_hit";

pub(super) fn measure(run: &mut Run<'_>, runtime: &Runtime) -> anyhow::Result<()> {
    let cache = Cache::builder()
        .storage("memory", Memory::builder().max_entries(10 * NODES).build()?)
        .runtime(runtime.handle().clone())
        .build()?;
    let bind = |name: &str, key: &str, ttl| -> anyhow::Result<Handle<Article>> {
        let loads = Arc::new(AtomicU64::new(0));
        let source = source_fn(move |node: Article| {
            let loads = Arc::clone(&loads);
            async move {
                if loads.fetch_add(1, Ordering::Relaxed) >= NODES {
                    // What is loaded again takes longer than the measurement.
                    pending::<()>().await;
                }
                Ok::<_, LoadError>(text(node.id))
            }
        });
        let definition = NodeDefinition::new(name, key)
            .tier(TierDefinition::new("memory").ttl(ttl))
            .load_timeout(None)
            // All of them are under way: how a refresh is begun is no part of a hit.
            .refreshes_max(NODES as usize)
            .loads_max(2 * NODES as usize)
            .stale(StaleOptions::new().while_revalidate(TTL));
        Ok(cache.bind_as(definition, source)?)
    };
    let fresh = bind("fresh", "fresh:{id}", TTL)?;
    let stale = bind("stale", "stale:{id}", FRESH_FOR)?;
    let nodes: Vec<Article> = (0..NODES).map(|id| Article { id }).collect();
    for handle in [&fresh, &stale] {
        let loaded = runtime.block_on(handle.get_many(&nodes));
        loaded.into_iter().try_for_each(|value| value.map(drop))?;
    }
    std::thread::sleep(2 * FRESH_FOR);
    let failures = Failures::default();
    let by = |handle: &Handle<Article>, iterations: u64| {
        runtime.block_on(async {
            for node in nodes.iter().cycle().take(iterations as usize) {
                black_box(failures.kept(handle.get(black_box(node)).await));
            }
        });
    };
    let mut contestants = [
        Contestant::new("stale", |iterations| by(&stale, iterations)),
        Contestant::new("fresh", |iterations| by(&fresh, iterations)),
    ];
    let measured = run.interleaved("a stale hit beside a fresh one", &mut contestants);
    failures.check()?;
    ensure!(stale.stats().stale_hits > 0, "they were to be stale");
    let factor = figure(measured.ratio("stale", "fresh"))?;
    Ok(run.report(&Row::at_most(STALE, factor, FACTOR_MAX, "x"))?)
}
