//! Many who wait for one flight, beside many who await one shared future.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context as _, ensure};
use futures_util::FutureExt as _;
use tiers::prelude::*;
use tiers_benches::{Contestant, Row, Run};
use tokio::sync::Notify;
use tokio::task::{JoinSet, yield_now};

use super::{Article, Text, text};
use crate::groups::failures::{Failures, figure};

const WAITERS: usize = 1000;
const ABOVE_SHARED_NS_MAX: f64 = 3000.0;

/// On a runtime of one thread: all wait before the flight lands, in each iteration.
pub(super) fn measure(run: &mut Run<'_>) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let gate = Arc::new(Notify::new());
    let loads = Arc::new(AtomicU64::new(0));
    let cache = Cache::builder()
        .storage("memory", Memory::builder().max_entries(1000).build()?)
        .runtime(runtime.handle().clone())
        .build()?;
    let handle = cache.bind::<Article>(source_fn({
        let (gate, loads) = (Arc::clone(&gate), Arc::clone(&loads));
        move |node: Article| {
            let (gate, loads) = (Arc::clone(&gate), Arc::clone(&loads));
            async move {
                loads.fetch_add(1, Ordering::Relaxed);
                gate.notified().await;
                Ok::<_, LoadError>(text(node.id))
            }
        }
    }))?;
    let failures = Failures::default();
    let mut flights = 0;
    let by_handle = |iterations: u64| {
        runtime.block_on(async {
            for _ in 0..iterations {
                flights += 1;
                let mut waiters = JoinSet::new();
                for _ in 0..WAITERS {
                    let (handle, node) = (handle.clone(), Article { id: flights });
                    waiters.spawn(async move { handle.get(&node).await });
                }
                land(&gate, waiters, &failures).await;
            }
        });
    };
    let by_shared = |iterations: u64| {
        runtime.block_on(async {
            for id in 0..iterations {
                let gate_of_load = Arc::clone(&gate);
                let shared = async move {
                    gate_of_load.notified().await;
                    Ok::<Arc<Text>, Error>(Arc::new(text(id)))
                };
                let shared = shared.boxed().shared();
                let mut waiters = JoinSet::new();
                for _ in 0..WAITERS {
                    waiters.spawn(shared.clone());
                }
                land(&gate, waiters, &failures).await;
            }
        });
    };
    let mut contestants =
        [Contestant::new("flight", by_handle), Contestant::new("shared future", by_shared)];
    let measured = run.interleaved("1,000 waiters of one load", &mut contestants);
    drop(contestants);
    failures.check()?;
    let loads = loads.load(Ordering::Relaxed);
    ensure!(loads == flights, "{flights} flights made {loads} loads");
    let above = figure(measured.difference_ns("flight", "shared future"))? / WAITERS as f64;
    let name = "memory_waiter_above_shared_future";
    Ok(run.report(&Row::at_most(name, above, ABOVE_SHARED_NS_MAX, "ns"))?)
}

/// Lets all begin to wait, then lets the load end.
async fn land(gate: &Notify, mut waiters: JoinSet<Result<Arc<Text>, Error>>, failures: &Failures) {
    // Once for the waiters, and once for what they have begun.
    yield_now().await;
    yield_now().await;
    gate.notify_one();
    while let Some(joined) = waiters.join_next().await {
        let landed = joined.context("a waiter panicked");
        failures.kept(landed.and_then(|landed| Ok(landed?)));
    }
}
