//! Calls at a steady pace.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use tokio::runtime::Runtime;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{MissedTickBehavior, interval};

use crate::groups::latency::Latencies;

/// Calls that begin at a steady pace, whether those before are answered or not.
#[derive(Debug)]
pub(super) struct Paced {
    stop: Arc<AtomicBool>,
    task: JoinHandle<anyhow::Result<Pace>>,
}

/// What became of paced calls.
#[derive(Debug)]
pub(super) struct Pace {
    /// From the moment in which a call was due until it was answered.
    pub(super) latencies: Latencies,
    pub(super) calls: u64,
    pub(super) duration: Duration,
}

impl Paced {
    pub(super) fn begin<Call, Answer>(runtime: &Runtime, calls_per_second: u32, call: Call) -> Self
    where
        Call: Fn() -> Answer + Send + Sync + 'static,
        Answer: Future<Output = anyhow::Result<()>> + Send + 'static,
    {
        let stop = Arc::new(AtomicBool::new(false));
        let task = runtime.spawn(keep_pace(Arc::clone(&stop), calls_per_second, call));
        Self { stop, task }
    }

    /// Begins no further calls, and waits for the answers to all that began.
    pub(super) async fn stop(self) -> anyhow::Result<Pace> {
        self.stop.store(true, Ordering::Relaxed);
        self.task.await.context("a pace maker panicked")?
    }
}

async fn keep_pace<Call, Answer>(
    stop: Arc<AtomicBool>,
    calls_per_second: u32,
    call: Call,
) -> anyhow::Result<Pace>
where
    Call: Fn() -> Answer,
    Answer: Future<Output = anyhow::Result<()>> + Send + 'static,
{
    let mut latencies = Latencies::new()?;
    let mut running: JoinSet<anyhow::Result<Duration>> = JoinSet::new();
    let mut tick = interval(Duration::from_millis(1));
    tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut keep = |joined: Result<anyhow::Result<Duration>, _>| {
        latencies.add(joined.context("a call panicked")??);
        anyhow::Ok(())
    };
    let begun = Instant::now();
    let mut calls = 0;
    while !stop.load(Ordering::Relaxed) {
        tick.tick().await;
        loop {
            let due = begun + Duration::from_secs(1) * calls / calls_per_second;
            if due > Instant::now() {
                break;
            }
            let answer = call();
            running.spawn(async move { answer.await.map(|()| due.elapsed()) });
            calls += 1;
        }
        while let Some(joined) = running.try_join_next() {
            keep(joined)?;
        }
    }
    while let Some(joined) = running.join_next().await {
        keep(joined)?;
    }
    Ok(Pace { latencies, calls: u64::from(calls), duration: begun.elapsed() })
}
