//! Keeping the store small and known: accesses, expiry, bounds.

mod keeper;

pub(crate) use keeper::start;

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use cache_core::storage::{Budget, Maintenance, StorageError, StorageStats};
use tokio::time::timeout;

use crate::error::damaged;
use crate::read::column;
use crate::storage::{Arguments, Shared};

/// Rows that one transaction touches.
const STEP_ROWS: u64 = 1000;

/// What was removed since the storage was opened.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    evicted: AtomicU64,
    expired: AtomicU64,
}

impl Shared {
    pub(crate) async fn maintain(&self, budget: Budget) -> Result<Maintenance, StorageError> {
        let begun = Instant::now();
        let mut done = Maintenance::default();
        self.write_accesses("maintain").await?;
        let left = |done: &Maintenance| budget.entries_max - (done.expired + done.evicted);
        let is_late = || begun.elapsed() >= budget.duration_max;
        loop {
            let limit = STEP_ROWS.min(left(&done));
            if limit == 0 || is_late() {
                done.unfinished |= self.any_expired().await?;
                break;
            }
            let (removed, bytes) = self.remove_expired(limit).await?;
            done.expired += removed;
            done.freed_bytes += bytes;
            // What others hold at the moment is theirs to remove.
            if removed < limit {
                break;
            }
        }
        // They are no entries: the budget is for its time alone.
        while !is_late() && self.remove_ended(STEP_ROWS).await? == STEP_ROWS {}
        loop {
            let limit = if is_late() { 0 } else { STEP_ROWS.min(left(&done)) };
            let (evicted, bytes, over) = self.evict(limit).await?;
            done.evicted += evicted;
            done.freed_bytes += bytes;
            if over == 0 {
                break;
            }
            if evicted == 0 {
                done.unfinished |= limit == 0;
                break;
            }
        }
        Ok(done)
    }

    /// Evicts what is over the bound, after a write that began at `begun`, within what is left of
    /// its time. What fails or is cut off here is left to maintenance, for the write has been
    /// carried out.
    pub(crate) async fn enforce_bounds(&self, begun: Instant) {
        /// More would keep the write from returning for long.
        const STEPS_MAX: usize = 16;
        let left = self.options.common.timeout.saturating_sub(begun.elapsed());
        let enforced = timeout(left, async {
            if self.write_accesses("write").await.is_err() {
                return;
            }
            for _ in 0..STEPS_MAX {
                match self.evict(STEP_ROWS).await {
                    Ok((evicted, _, over)) if evicted > 0 && over > 0 => {}
                    _ => return,
                }
            }
        });
        let _ = enforced.await;
    }

    async fn remove_expired(&self, limit: u64) -> Result<(u64, u64), StorageError> {
        const OPERATION: &str = "maintain";
        let arguments = || Arguments::default().with(limit as i64);
        let row = self.row(OPERATION, &self.statements.remove_expired, arguments).await?;
        let read = || Ok((column::<i64>(&row, 0, "count")?, column::<i64>(&row, 1, "bytes")?));
        let (removed, bytes) = read().map_err(|source| damaged(OPERATION, source))?;
        self.counters.expired.fetch_add(removed as u64, Ordering::Relaxed);
        Ok((removed as u64, bytes as u64))
    }

    /// Removes counters, locks and the like that are past their end; how many.
    async fn remove_ended(&self, limit: u64) -> Result<u64, StorageError> {
        const OPERATION: &str = "maintain";
        let arguments = || Arguments::default().with(limit as i64);
        let row = self.row(OPERATION, &self.statements.remove_ended, arguments).await?;
        let removed: i64 = column(&row, 0, "count").map_err(|source| damaged(OPERATION, source))?;
        Ok(removed as u64)
    }

    async fn any_expired(&self) -> Result<bool, StorageError> {
        const OPERATION: &str = "maintain";
        let row = self.row(OPERATION, &self.statements.any_expired, Arguments::default).await?;
        column(&row, 0, "expired").map_err(|source| damaged(OPERATION, source))
    }

    /// Evicts a part of what is over the bound; gives how many, their bytes, and how many more.
    async fn evict(&self, limit: u64) -> Result<(u64, u64, u64), StorageError> {
        const OPERATION: &str = "maintain";
        let bound = |bound: u64| i64::try_from(bound).unwrap_or(i64::MAX);
        let (entries, bytes) =
            (bound(self.options.common.max_entries), bound(self.options.common.max_bytes));
        let arguments = || Arguments::default().with(entries).with(bytes).with(limit as i64);
        let row = self.row(OPERATION, &self.statements.evict, arguments).await?;
        let read = |at| column::<i64>(&row, at, "evicted").map(|number| number.max(0) as u64);
        let read = || Ok((read(0)?, read(1)?, read(2)?));
        let (evicted, bytes, over) = read().map_err(|source| damaged(OPERATION, source))?;
        self.counters.evicted.fetch_add(evicted, Ordering::Relaxed);
        Ok((evicted, bytes, over))
    }

    /// Writes down when entries were last used.
    pub(crate) async fn write_accesses(&self, operation: &'static str) -> Result<(), StorageError> {
        loop {
            let taken = self.accesses.take(STEP_ROWS as usize);
            if taken.is_empty() {
                return Ok(());
            }
            let keys: Vec<&str> = taken.iter().map(|(key, _)| &**key).collect();
            let times: Vec<i64> = taken.iter().map(|(_, at)| *at).collect();
            let behind = self.access_interval_ms();
            let arguments = || Arguments::default().with(&keys[..]).with(&times[..]).with(behind);
            self.rows(operation, &self.statements.accessed, arguments).await?;
        }
    }

    pub(crate) async fn stats(&self) -> Result<StorageStats, StorageError> {
        const OPERATION: &str = "stats";
        let row = self.row(OPERATION, &self.statements.totals, Arguments::default).await?;
        let read = |at| column::<i64>(&row, at, "totals").map(|number| number.max(0) as u64);
        let read = || Ok((read(0)?, read(1)?, read(2)?));
        let (entries, payload_bytes, stored_bytes) =
            read().map_err(|source| damaged(OPERATION, source))?;
        let mut stats = StorageStats::default();
        stats.entries = entries;
        stats.payload_bytes = payload_bytes;
        stats.stored_bytes = stored_bytes;
        stats.evicted = self.counters.evicted.load(Ordering::Relaxed);
        stats.expired = self.counters.expired.load(Ordering::Relaxed);
        Ok(stats)
    }

    pub(crate) async fn flush(&self) -> Result<(), StorageError> {
        const OPERATION: &str = "flush";
        self.write_accesses(OPERATION).await?;
        self.rows(OPERATION, &self.statements.flush, Arguments::default).await.map(drop)
    }
}
