//! Writes: queued for the one thread that writes, which commits them in groups.

mod apply;
mod job;
mod thread;
mod transaction;

pub(crate) use apply::apply;
pub(crate) use job::{Job, Left, Outcomes};
pub(crate) use thread::Writer;
pub(crate) use transaction::Transaction;

use std::time::Instant;

use cache_core::entry::Entry;
use cache_core::storage::{Outcome, StorageError, Write, WriteAction};
use tokio::sync::oneshot;
use tokio::task::coop::consume_budget;

use crate::error::closed;
use crate::maintain::Operation;
use crate::storage::Shared;

/// What a job weighs in the queue for each of this many bytes that it holds.
const BYTES_PER_WEIGHT: usize = 1024;

impl Shared {
    pub(crate) async fn write(&self, writes: Vec<Write>) -> Result<Outcomes, StorageError> {
        const OPERATION: &str = "write";
        if writes.is_empty() {
            return if self.is_closed() { Err(closed(OPERATION)) } else { Ok(Vec::new()) };
        }
        consume_budget().await;
        let begun = Instant::now();
        let count = writes.len() as u64;
        let bytes: usize = writes.iter().map(payload_bytes).sum();
        let weight = writes.len() + bytes / BYTES_PER_WEIGHT;
        let (answer, answered) = oneshot::channel();
        let job = Job::Write { writes, done: Vec::new(), answer };
        let outcomes = self.job(OPERATION, job, weight, answered).await;
        let stored = |outcome: &&Result<Outcome, _>| matches!(outcome, Ok(Outcome::Stored));
        let hits =
            outcomes.as_ref().ok().map(|outcomes| outcomes.iter().filter(stored).count() as u64);
        self.tallies.lock().add(Operation::Write, begun, count, hits);
        outcomes
    }

    /// Hands a job to the writer and waits for its answer, within the timeout.
    pub(crate) async fn job<T>(
        &self,
        operation: &'static str,
        job: Job,
        weight: usize,
        answered: oneshot::Receiver<Result<T, StorageError>>,
    ) -> Result<T, StorageError> {
        self.within(operation, self.long_job(operation, job, weight, answered)).await
    }

    /// The same for jobs of many steps: as long as it takes. That the writer comes no further is
    /// told by SQLite's own timeout.
    pub(crate) async fn long_job<T>(
        &self,
        operation: &'static str,
        job: Job,
        weight: usize,
        answered: oneshot::Receiver<Result<T, StorageError>>,
    ) -> Result<T, StorageError> {
        let weight = u32::try_from(weight).unwrap_or(u32::MAX);
        self.writes.push(job, weight).await.map_err(|_| closed(operation))?;
        answered.await.map_err(|_| closed(operation))?
    }
}

fn payload_bytes(write: &Write) -> usize {
    match &write.action {
        WriteAction::Fill { entry, .. }
        | WriteAction::Set { entry }
        | WriteAction::Update { entry, .. }
        | WriteAction::PutIfUnchanged { entry, .. } => bytes_of(entry),
        _ => 0,
    }
}

fn bytes_of(entry: &Entry) -> usize {
    entry.payload.len()
}
