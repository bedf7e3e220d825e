use std::collections::BTreeSet;

use tokio::sync::mpsc;
use tokio::task::JoinError;

use super::{ImportError, Imported, OnDifference};
use crate::admit::Reason;
use crate::cache::Series;
use crate::chunk::Chunk;
use crate::row::{Row, same_bits};
use crate::time::{Grid, Time};

/// A row, and where it stood in what is read.
#[derive(Debug)]
pub(super) struct Placed<R> {
    /// Its line, or its place among the rows.
    pub(super) at: u64,
    pub(super) time: Time,
    pub(super) slot: i64,
    pub(super) row: R,
}

/// Why a row is not taken beside others.
#[derive(Debug)]
pub(super) enum Misplaced {
    /// Another row of the same time is not the same.
    Repeated { at: u64, time: Time },
    /// Its chunk has been handed on already.
    Order { at: u64, time: Time },
}

/// Takes the rows of a chunk; `false` if nobody waits for them any more.
pub(super) type Take<'read, R> = &'read dyn Fn(Vec<(Time, R)>) -> bool;

/// Hands rows on, those of a chunk together.
pub(super) struct Chunks<'read, R> {
    take: Take<'read, R>,
    rows: Vec<Placed<R>>,
    taken: BTreeSet<i64>,
}

/// So many chunks may be read ahead of the database.
const READ_AHEAD: usize = 4;

impl<R: Row> Placed<R> {
    /// Puts a row into its slot, if it can be.
    pub(super) fn new(at: u64, time: Time, grid: Grid, row: R) -> Result<Self, Reason> {
        let slot = grid.exact_slot(time).ok_or(Reason::Unaligned)?;
        match row.problem() {
            Some(problem) => Err(Reason::Impossible(problem)),
            None => Ok(Self { at, time, slot, row }),
        }
    }
}

impl<'read, R: Row> Chunks<'read, R> {
    pub(super) fn new(take: Take<'read, R>) -> Self {
        Self { take, rows: Vec::new(), taken: BTreeSet::new() }
    }

    /// Another row; `false` if nobody waits for more.
    pub(super) fn push(&mut self, row: Placed<R>) -> Result<bool, Misplaced> {
        let index = Chunk::<R>::index_of(row.slot);
        let last = self.rows.last().map(|last| Chunk::<R>::index_of(last.slot));
        if let Some(last) = last.filter(|last| *last != index) {
            self.taken.insert(last);
            if !(self.take)(together(std::mem::take(&mut self.rows))?) {
                return Ok(false);
            }
        }
        if self.taken.contains(&index) {
            return Err(Misplaced::Order { at: row.at, time: row.time });
        }
        self.rows.push(row);
        Ok(true)
    }

    /// There are no more.
    pub(super) fn end(self) -> Result<(), Misplaced> {
        if !self.rows.is_empty() {
            (self.take)(together(self.rows)?);
        }
        Ok(())
    }
}

/// The rows of one chunk; two of one slot must be the same.
fn together<R: Row>(mut rows: Vec<Placed<R>>) -> Result<Vec<(Time, R)>, Misplaced> {
    // Stable: of one slot the later row comes later.
    rows.sort_by_key(|row| row.slot);
    let differ = |pair: &[Placed<R>]| {
        let [one, other] = pair else { return false };
        one.slot == other.slot && !same_bits(&one.row, &other.row)
    };
    if let Some([_, Placed { at, time, .. }]) = rows.windows(2).find(|pair| differ(pair)) {
        return Err(Misplaced::Repeated { at: *at, time: *time });
    }
    Ok(rows.into_iter().map(|row| (row.time, row.row)).collect())
}

/// Reads in a thread for blocking work what a series is to have, a few chunks ahead of the database.
/// Reading answers how many rows it left out because a fill had made them.
pub(super) async fn bring_in<R: Row, E>(
    series: &Series<R>,
    on_difference: OnDifference,
    read: impl FnOnce(Take<'_, R>) -> Result<u64, E> + Send + 'static,
    stopped: impl FnOnce(JoinError) -> E,
) -> Result<Imported, E>
where
    E: From<ImportError> + Send + 'static,
{
    let (to, mut chunks) = mpsc::channel(READ_AHEAD);
    let reading = tokio::task::spawn_blocking(move || read(&|rows| to.blocking_send(rows).is_ok()));
    let mut imported = Imported::default();
    while let Some(rows) = chunks.recv().await {
        imported += series.import(rows, on_difference).await?;
    }
    imported.synthetic += reading.await.map_err(stopped)??;
    Ok(imported)
}
