//! Hits, by one thread and by several.

use std::hint::black_box;
use std::sync::Arc;
use std::thread;

use tiers_benches::{Contestant, Measured, Row, Run};
use tokio::runtime::Runtime;

use super::{Article, engine, handle, text};
use crate::groups::failures::{Failures, figure};

/// So many nodes are asked for in turn.
const NODES: u64 = 1000;

/// By how much a hit may be slower than the engine's own: the larger of the two.
const FACTOR_MAX: f64 = 1.25;
const EXCESS_NS_MAX: f64 = 40.0;

pub(super) const TWO: &str = "memory_hits_2_threads";
pub(super) const FOUR: &str = "memory_hits_4_threads";

fn allowed_ns(engine_ns: f64) -> f64 {
    (engine_ns * FACTOR_MAX).max(engine_ns + EXCESS_NS_MAX)
}

pub(super) fn measure(run: &mut Run<'_>, runtime: &Runtime) -> anyhow::Result<()> {
    let nodes: Vec<Article> = (0..NODES).map(|id| Article { id }).collect();
    let handle = handle(runtime, 10 * NODES)?;
    runtime.block_on(handle.get_many(&nodes)).into_iter().try_for_each(|value| value.map(drop))?;
    let engine = engine(10 * NODES);
    for node in &nodes {
        engine.insert(node.clone(), Arc::new(text(node.id)));
    }
    engine.run_pending_tasks();
    let failures = Failures::default();

    let by_handle = |iterations: u64| {
        runtime.block_on(async {
            for node in nodes.iter().cycle().take(iterations as usize) {
                black_box(failures.kept(handle.get(black_box(node)).await));
            }
        });
    };
    let by_engine = |iterations: u64| {
        for node in nodes.iter().cycle().take(iterations as usize) {
            black_box(engine.get(black_box(node)));
        }
    };

    let mut one = [Contestant::new("handle", by_handle), Contestant::new("engine", by_engine)];
    let measured = run.interleaved("a hit, statistics and TTL on", &mut one);
    failures.check()?;
    let engine_ns = figure(measured.median_ns("engine"))?;
    let excess = figure(measured.difference_ns("handle", "engine"))?;
    let bound = allowed_ns(engine_ns) - engine_ns;
    run.report(&Row::at_most("memory_hit_above_engine", excess, bound, "ns"))?;
    report_rate(run, "memory_hits_1_thread", 1, &measured)?;

    for (name, threads) in [(TWO, 2), (FOUR, 4)] {
        if !run.wants(&[name]) {
            continue;
        }
        let by_handles = |iterations| on_threads(threads, || by_handle(iterations));
        let by_engines = |iterations| on_threads(threads, || by_engine(iterations));
        let mut several = [
            Contestant::new("handle", by_handles).waiting(),
            Contestant::new("engine", by_engines).waiting(),
            Contestant::probe(),
        ];
        let measured = run.interleaved(&format!("hits by {threads} threads"), &mut several);
        failures.check()?;
        report_rate(run, name, threads, &measured)?;
    }
    Ok(())
}

/// Hits a second of all threads together, at least as many as the engine with what a hit may cost
/// above it.
fn report_rate(
    run: &mut Run<'_>,
    name: &str,
    threads: u32,
    measured: &Measured,
) -> anyhow::Result<()> {
    let rate = |nanoseconds: f64| f64::from(threads) * 1e9 / nanoseconds;
    let handle_ns = figure(measured.median_ns("handle"))?;
    let bound = rate(allowed_ns(figure(measured.median_ns("engine"))?));
    Ok(run.report(&Row::at_least(name, rate(handle_ns), bound, "1/s"))?)
}

fn on_threads(threads: u32, work: impl Fn() + Sync) {
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(&work);
        }
    });
}
