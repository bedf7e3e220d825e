//! Keeping the store small, swift and known: accesses, bounds, expiry, the log, the history.

mod access;
mod bounds;
mod candidates;
mod history;
mod keeper;
mod log;
mod removed;
mod upkeep;

pub(crate) use access::{AccessLog, Accesses};
pub(crate) use bounds::enforce_bounds;
pub use history::HistorySample;
pub(crate) use history::{HISTORY_PAGE, Operation, Tallies, samples, stats};
pub(crate) use keeper::run;
pub(crate) use log::{Log, finish, relieve, watch_log, written};
pub(crate) use removed::collect;
pub(crate) use upkeep::{Upkeep, step};

use std::sync::atomic::{AtomicU64, Ordering};

use cache_core::clock::Timestamp;
use cache_core::storage::{Budget, Maintenance, StorageError, StorageStats};
use tokio::sync::oneshot;

use crate::read::Read;
use crate::storage::Shared;
use crate::write::Job;

/// What was removed since the storage was opened.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) evicted: AtomicU64,
    pub(crate) expired: AtomicU64,
}

impl Counters {
    pub(crate) fn add(&self, evicted: u64, expired: u64) {
        self.evicted.fetch_add(evicted, Ordering::Relaxed);
        self.expired.fetch_add(expired, Ordering::Relaxed);
    }
}

impl Shared {
    pub(crate) async fn maintain(&self, budget: Budget) -> Result<Maintenance, StorageError> {
        const OPERATION: &str = "maintain";
        let (answer, answered) = oneshot::channel();
        let job = Job::maintain(Upkeep::new(budget), Some(answer));
        let done = self.long_job(OPERATION, job, 1, answered).await?;
        if done.freed_bytes > 0 {
            // The file becomes shorter when the log is brought into it.
            self.checkpoint(OPERATION).await?;
        }
        Ok(done)
    }

    pub(crate) async fn stats(&self) -> Result<StorageStats, StorageError> {
        const OPERATION: &str = "stats";
        let (answer, answered) = oneshot::channel();
        self.read(OPERATION, Read::Stats { answer }, 1, answered).await
    }

    pub(crate) async fn history(
        &self,
        since: Timestamp,
    ) -> Result<Vec<HistorySample>, StorageError> {
        const OPERATION: &str = "history";
        let (answer, answered) = oneshot::channel();
        let read = Read::History { since, limit: HISTORY_PAGE, answer };
        self.read(OPERATION, read, 1, answered).await
    }

    pub(crate) async fn flush(&self) -> Result<(), StorageError> {
        const OPERATION: &str = "flush";
        let (answer, answered) = oneshot::channel();
        let job = Job::maintain(Upkeep::of_accesses(), Some(answer));
        self.job(OPERATION, job, 1, answered).await?;
        let (answer, answered) = oneshot::channel();
        self.job(OPERATION, Job::Flush { answer }, 1, answered).await
    }
}
