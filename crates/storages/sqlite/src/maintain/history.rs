//! What was done and how long it took: counted in memory, sampled into a table.

use std::time::Instant;

use cache_core::clock::Timestamp;
use cache_core::storage::StorageStats;
use rusqlite::{Connection, params};

use super::bounds::Pages;
use crate::outside::Place;
use crate::read::{moment, timestamp};
use crate::schema::Statements;
use crate::storage::Shared;
use crate::write::Transaction;

/// Samples that one read of the history gives at most.
pub(crate) const HISTORY_PAGE: usize = 100_000;

/// What was done with one kind of call in one interval, and how large the store was at its end.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct HistorySample {
    /// The end of the interval.
    pub at: Timestamp,
    /// `get`, `get_many`, `write` or `invalidate`.
    pub operation: String,
    /// How many calls there were.
    pub calls: u64,
    /// Keys that were found, written or removed.
    pub hits: u64,
    /// Keys that were not found, or whose write was refused.
    pub misses: u64,
    /// Calls that failed.
    pub failures: u64,
    /// Time of all calls together, waiting included, in microseconds.
    pub total_us: u64,
    /// Time of the longest call in microseconds.
    pub longest_us: u64,
    /// Entries in the store.
    pub entries: u64,
    /// Bytes of their payloads.
    pub payload_bytes: u64,
    /// Bytes of the file.
    pub stored_bytes: u64,
}

/// The kinds of call that are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    Get,
    GetMany,
    Write,
    Invalidate,
}

impl Operation {
    const ALL: [Self; 4] = [Self::Get, Self::GetMany, Self::Write, Self::Invalidate];

    fn name(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::GetMany => "get_many",
            Self::Write => "write",
            Self::Invalidate => "invalidate",
        }
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    calls: u64,
    hits: u64,
    misses: u64,
    failures: u64,
    total_ns: u64,
    longest_ns: u64,
}

/// Counts by kind of call.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tallies([Tally; Operation::ALL.len()]);

impl Tallies {
    /// Counts a call over so many keys; `hits` is `None` if it failed.
    pub(crate) fn add(
        &mut self,
        operation: Operation,
        begun: Instant,
        keys: u64,
        hits: Option<u64>,
    ) {
        let took_ns = u64::try_from(begun.elapsed().as_nanos()).unwrap_or(u64::MAX);
        let tally = &mut self.0[operation as usize];
        tally.calls += 1;
        tally.total_ns = tally.total_ns.saturating_add(took_ns);
        tally.longest_ns = tally.longest_ns.max(took_ns);
        match hits {
            Some(hits) => {
                tally.hits += hits;
                tally.misses += keys.saturating_sub(hits);
            }
            None => tally.failures += 1,
        }
    }

    fn merge(&mut self, other: &Self) {
        for (tally, other) in self.0.iter_mut().zip(&other.0) {
            tally.calls += other.calls;
            tally.hits += other.hits;
            tally.misses += other.misses;
            tally.failures += other.failures;
            tally.total_ns = tally.total_ns.saturating_add(other.total_ns);
            tally.longest_ns = tally.longest_ns.max(other.longest_ns);
        }
    }
}

/// Takes what was counted since the last sample and writes it down.
pub(super) fn sample(txn: &mut Transaction<'_>) -> rusqlite::Result<()> {
    let mut tallies = std::mem::take(&mut *txn.shared.tallies.lock());
    for mut slot in txn.shared.pool.idle_slots() {
        tallies.merge(&std::mem::take(&mut slot.tallies));
    }
    let pages = Pages::of(txn.connection)?;
    let stored_bytes = pages.all * pages.page_bytes;
    let mut statement = txn.connection.prepare_cached(&txn.statements().sample_insert)?;
    for operation in Operation::ALL {
        let tally = tallies.0[operation as usize];
        if tally.calls > 0 {
            statement.execute(params![
                moment(txn.now),
                operation.name(),
                tally.calls as i64,
                tally.hits as i64,
                tally.misses as i64,
                tally.failures as i64,
                (tally.total_ns / 1000) as i64,
                (tally.longest_ns / 1000) as i64,
                txn.entries,
                txn.payload_bytes,
                stored_bytes as i64,
            ])?;
        }
    }
    Ok(())
}

/// The samples from `since` on, oldest first.
pub(crate) fn samples(
    connection: &Connection,
    statements: &Statements,
    since: Timestamp,
    limit: usize,
) -> rusqlite::Result<Vec<HistorySample>> {
    let mut statement = connection.prepare_cached(&statements.samples)?;
    let samples = statement.query_map([moment(since), limit as i64], |row| {
        let number = |index: usize| row.get::<_, i64>(index).map(|number| number.max(0) as u64);
        Ok(HistorySample {
            at: timestamp(row.get(0)?),
            operation: row.get(1)?,
            calls: number(2)?,
            hits: number(3)?,
            misses: number(4)?,
            failures: number(5)?,
            total_us: number(6)?,
            longest_us: number(7)?,
            entries: number(8)?,
            payload_bytes: number(9)?,
            stored_bytes: number(10)?,
        })
    })?;
    samples.collect()
}

/// What the store knows about itself now.
pub(crate) fn stats(shared: &Shared, connection: &Connection) -> rusqlite::Result<StorageStats> {
    use std::sync::atomic::Ordering::Relaxed;
    let mut statement = connection.prepare_cached(&shared.statements.meta)?;
    let (entries, payload_bytes): (i64, i64) =
        statement.query_row([], |row| Ok((row.get(3)?, row.get(4)?)))?;
    let pages = Pages::of(connection)?;
    let mut stats = StorageStats::default();
    stats.entries = entries.max(0) as u64;
    stats.payload_bytes = payload_bytes.max(0) as u64;
    stats.stored_bytes = pages.all * pages.page_bytes + shared.file.wal_bytes();
    if shared.statements.place == Place::Outside {
        stats.stored_bytes = stats.stored_bytes.saturating_add(stats.payload_bytes);
    }
    stats.evicted = shared.counters.evicted.load(Relaxed);
    stats.expired = shared.counters.expired.load(Relaxed);
    Ok(stats)
}
