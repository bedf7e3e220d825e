//! Latencies of single gets and sets.

use std::hint::black_box;
use std::time::Instant;

use tiers_benches::{Row, Run};
use tokio::runtime::Runtime;

use super::{Article, handle, text};
use crate::groups::latency::Latencies;

const GET_P99_NS_MAX: f64 = 1e6;
const SET_P99_NS_MAX: f64 = 1e7;

pub(super) fn measure(run: &mut Run<'_>, runtime: &Runtime) -> anyhow::Result<()> {
    let handle = handle(runtime, 10_000)?;
    let calls = run.sized(500_000, 50_000, 100);
    run.note(&format!("memory: latencies of {calls} gets and sets, one at a time"));
    let (mut nothing, mut gets, mut sets) =
        (Latencies::new()?, Latencies::new()?, Latencies::new()?);
    runtime.block_on(async {
        for id in (0..1000).cycle().take(calls) {
            let node = Article { id };
            let begun = Instant::now();
            nothing.add_since(begun);

            let begun = Instant::now();
            handle.set(&node, text(id)).await?;
            sets.add_since(begun);

            let begun = Instant::now();
            black_box(handle.get(&node).await?);
            gets.add_since(begun);
        }
        Ok::<_, tiers::error::Error>(())
    })?;
    let none_ns = nothing.quantile_ns(0.99);
    let above = |latencies: &Latencies| latencies.quantile_ns(0.99) - none_ns;
    run.report(&Row::at_most("memory_get_p99", above(&gets), GET_P99_NS_MAX, "ns"))?;
    run.report(&Row::at_most("memory_set_p99", above(&sets), SET_P99_NS_MAX, "ns"))?;
    Ok(())
}
