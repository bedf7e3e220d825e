//! Calls by several tasks at once.

use std::future::Future;

use anyhow::Context as _;
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

use super::failures::Failures;

/// Makes `calls` calls, by so many tasks of which each has one call in flight.
pub(crate) fn in_flight<Call, Answer>(
    runtime: &Runtime,
    tasks: u64,
    calls: u64,
    failures: &Failures,
    call: &Call,
) where
    Call: Fn() -> Answer + Clone + Send + 'static,
    Answer: Future<Output = anyhow::Result<()>> + Send,
{
    runtime.block_on(async {
        let mut running = JoinSet::new();
        for task in 0..tasks.min(calls) {
            let share = calls / tasks + u64::from(task < calls % tasks);
            let call = call.clone();
            running.spawn(async move {
                for _ in 0..share {
                    call().await?;
                }
                anyhow::Ok(())
            });
        }
        while let Some(joined) = running.join_next().await {
            failures.kept(joined.context("a task panicked").and_then(|done| done));
        }
    });
}
