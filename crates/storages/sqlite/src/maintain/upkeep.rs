//! A run of maintenance, in steps that each fit into one transaction.

use std::time::Instant;

use cache_core::storage::{Budget, Maintenance};

use super::bounds::{Pages, VACUUM_PAGES, evict, vacuum};
use super::history::sample;
use crate::atomics::remove_ended;
use crate::read::moment;
use crate::write::{Left, Transaction};

/// Rows that one step touches.
const STEP_ROWS: u64 = 500;

/// What is done, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Accesses,
    Sample,
    Expired,
    Atomics,
    Bounds,
    Samples,
    Vacuum,
}

/// How far a run has come.
#[derive(Clone, Debug)]
pub(crate) struct Upkeep {
    phases: &'static [Phase],
    budget: Budget,
    begun: Option<Instant>,
    done: Maintenance,
}

impl Upkeep {
    /// Everything.
    pub(crate) fn new(budget: Budget) -> Self {
        use Phase::{Accesses, Atomics, Bounds, Expired, Samples, Vacuum};
        const ALL: &[Phase] = &[Accesses, Expired, Atomics, Bounds, Samples, Vacuum];
        Self { phases: ALL, budget, begun: None, done: Maintenance::default() }
    }

    /// Writes down accesses.
    pub(crate) fn of_accesses() -> Self {
        Self { phases: &[Phase::Accesses], ..Self::new(Budget::UNLIMITED) }
    }

    /// Adds a sample to the history.
    pub(crate) fn of_sample() -> Self {
        Self { phases: &[Phase::Sample], ..Self::new(Budget::UNLIMITED) }
    }

    pub(crate) fn begun(mut self, now: Instant) -> Self {
        self.begun = Some(now);
        self
    }

    pub(crate) fn done(&self) -> Maintenance {
        self.done
    }

    fn removals_left(&self) -> u64 {
        self.budget.entries_max - (self.done.expired + self.done.evicted)
    }

    fn is_late(&self) -> bool {
        self.begun.is_some_and(|begun| begun.elapsed() >= self.budget.duration_max)
    }
}

/// Does one step.
pub(crate) fn step(txn: &mut Transaction<'_>, upkeep: &mut Upkeep) -> rusqlite::Result<Left> {
    let Some((phase, later)) = upkeep.phases.split_first() else { return Ok(Left::Nothing) };
    if upkeep.is_late() {
        upkeep.done.unfinished = true;
        return Ok(Left::Nothing);
    }
    let more = match phase {
        Phase::Accesses => write_accesses(txn)?,
        Phase::Sample => sample(txn).map(|()| false)?,
        Phase::Expired => remove_expired(txn, upkeep)?,
        // They are no entries: the budget is for its time alone.
        Phase::Atomics => remove_ended(txn, STEP_ROWS)?,
        Phase::Bounds => evict_some(txn, upkeep)?,
        Phase::Samples => remove_samples(txn)?,
        Phase::Vacuum => vacuum_some(txn, upkeep)?,
    };
    if !more {
        upkeep.phases = later;
    }
    Ok(if upkeep.phases.is_empty() { Left::Nothing } else { Left::More })
}

fn write_accesses(txn: &mut Transaction<'_>) -> rusqlite::Result<bool> {
    txn.accesses.collect(&txn.shared.pool);
    let limit = STEP_ROWS as usize;
    Ok(txn.accesses.write_some(txn.connection, txn.statements(), limit)? == limit)
}

fn remove_expired(txn: &mut Transaction<'_>, upkeep: &mut Upkeep) -> rusqlite::Result<bool> {
    let limit = STEP_ROWS.min(upkeep.removals_left());
    let moment = moment(txn.now);
    // One is read beyond the budget, to know whether something is left.
    let rows: Vec<(i64, i64, Option<String>, i64)> = {
        let mut statement = txn.connection.prepare_cached(&txn.statements().due)?;
        let row =
            |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?));
        statement.query_map([moment, limit.max(1) as i64], row)?.collect::<Result<_, _>>()?
    };
    if limit == 0 {
        upkeep.done.unfinished |= !rows.is_empty();
        return Ok(false);
    }
    let mut removed = 0;
    for (id, size_bytes, tags, expire_at) in &rows {
        if (0..=moment).contains(expire_at) {
            removed += txn.remove_expired(*id, *size_bytes, tags.as_deref(), moment)?;
        } else {
            // It was set again or renewed since it was put here.
            let next = (*expire_at >= 0).then_some(*expire_at);
            let mut statement = txn.connection.prepare_cached(&txn.statements().schedule)?;
            statement.execute(rusqlite::params![id, next])?;
        }
    }
    txn.expired += removed;
    upkeep.done.expired += removed;
    Ok(rows.len() as u64 == limit)
}

fn evict_some(txn: &mut Transaction<'_>, upkeep: &mut Upkeep) -> rusqlite::Result<bool> {
    let (evicted, within) = evict(txn, STEP_ROWS.min(upkeep.removals_left()))?;
    upkeep.done.evicted += evicted;
    if within {
        return Ok(false);
    }
    // Nothing was to be had although there was a budget for it: there is nothing.
    let stuck = evicted == 0 || upkeep.removals_left() == 0;
    upkeep.done.unfinished |= stuck;
    Ok(!stuck)
}

fn remove_samples(txn: &mut Transaction<'_>) -> rusqlite::Result<bool> {
    let retention_ms = txn.shared.options.stats_retention.as_millis();
    let oldest = i128::from(moment(txn.now)) - i128::try_from(retention_ms).unwrap_or(i128::MAX);
    let oldest = i64::try_from(oldest).unwrap_or(0);
    let mut statement = txn.connection.prepare_cached(&txn.statements().samples_delete)?;
    Ok(statement.execute([oldest, STEP_ROWS as i64])? as u64 == STEP_ROWS)
}

fn vacuum_some(txn: &mut Transaction<'_>, upkeep: &mut Upkeep) -> rusqlite::Result<bool> {
    if !txn.shared.incremental {
        return Ok(false);
    }
    let before = Pages::of(txn.connection)?;
    vacuum(txn.connection, before.free.min(VACUUM_PAGES))?;
    let after = Pages::of(txn.connection)?;
    let freed = before.all.saturating_sub(after.all);
    upkeep.done.freed_bytes += freed * after.page_bytes;
    Ok(freed > 0 && after.free > 0)
}
