use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use parking_lot::Mutex;

use super::error::SeriesError;
use super::shared::Shared;
use super::state::{Epoch, State};
use crate::admit::{Reason, Rules};
use crate::chunk::Chunk;
use crate::coverage::{Coverage, State as Known};
use crate::head::Head;
use crate::row::{Row, same_bits};
use crate::time::{Grid, Slots, Time};
use crate::transfer::{ImportError, Imported, OnDifference};

/// Puts rows into their slots.
pub(super) fn placed<R: Row>(
    grid: Grid,
    rows: impl IntoIterator<Item = (Time, R)>,
) -> Result<BTreeMap<i64, R>, ImportError> {
    let mut placed = BTreeMap::new();
    for (time, row) in rows {
        let refused = |reason| Err(ImportError::Row { time, reason });
        let Some(slot) = grid.exact_slot(time) else {
            return refused(Reason::Unaligned);
        };
        if let Some(problem) = row.problem() {
            return refused(Reason::Impossible(problem));
        }
        match placed.entry(slot) {
            Entry::Vacant(place) => {
                place.insert(row);
            }
            Entry::Occupied(other) if same_bits(other.get(), &row) => {}
            Entry::Occupied(_) => return refused(Reason::Repeated),
        }
    }
    Ok(placed)
}

/// What is brought into one chunk.
struct Part<'import, R> {
    rows: &'import [(i64, R)],
    grid: Grid,
    /// Slots before it are not revised any more.
    settled_end: i64,
    rules: Rules,
    on_difference: OnDifference,
}

impl<R: Row> Shared<R> {
    /// Stores rows of slots, chunk by chunk.
    pub(super) async fn import(
        &self,
        state: &State<R>,
        mut rows: BTreeMap<i64, R>,
        now: Time,
        on_difference: OnDifference,
    ) -> Result<Imported, SeriesError> {
        self.open(state).await?;
        let (grid, rules) = (state.grid, state.rules);
        let growing = rows.split_off(&rules.closed_end(grid, now));
        let mut imported = Imported { growing: growing.len() as u64, ..Imported::default() };
        let epoch = state.epoch();
        let first_and_last = rows.keys().next().copied().zip(rows.keys().next_back().copied());
        let settled_end = grid.closed_end(now.before(rules.settle));
        let rows: Vec<(i64, R)> = rows.into_iter().collect();
        for rows in rows.chunk_by(|one, next| chunk_of::<R>(one) == chunk_of::<R>(next)) {
            let Some(index) = rows.first().map(chunk_of::<R>) else { continue };
            let part = Part { rows, grid, settled_end, rules, on_difference };
            // A change is made again where others were faster; the last time counts.
            let counted = Mutex::new(Imported::default());
            let change = |known: &Chunk<R>| {
                let (chunk, counts) = part.apply(known);
                *counted.lock() = counts;
                chunk
            };
            self.change(state, epoch, index, change).await?;
            imported += counted.into_inner();
            self.sweep_if_over();
        }
        if let Some((first, last)) = first_and_last {
            self.widen_listing(state, epoch, Slots::new(first, last + 1)).await?;
        }
        Ok(imported)
    }

    /// Where there are rows, the symbol was traded.
    async fn widen_listing(
        &self,
        state: &State<R>,
        epoch: Epoch,
        slots: Slots,
    ) -> Result<(), SeriesError> {
        let grid = state.grid;
        if state.directory().head().traded(grid).covers(slots) {
            return Ok(());
        }
        let (first, last) = (grid.start_of(slots.start), grid.start_of(slots.end - 1));
        let widened = |head: &Head| {
            let mut head = head.clone();
            if head.listing().is_some() {
                head.listed(first);
            }
            if head.last().is_some() {
                head.ended(last);
            }
            head
        };
        Ok(self.change_head(state, epoch, widened).await?)
    }
}

fn chunk_of<R: Row>(row: &(i64, R)) -> i64 {
    Chunk::<R>::index_of(row.0)
}

impl<R: Row> Part<'_, R> {
    /// A chunk with the rows that are brought in, and what became of them.
    fn apply(&self, known: &Chunk<R>) -> (Chunk<R>, Imported) {
        let mut imported = Imported::default();
        let mut coverage = Coverage::new();
        let mut taken = Vec::with_capacity(self.rows.len());
        for (slot, row) in self.rows {
            match known.get(*slot) {
                None => imported.added += 1,
                Some(there) if same_bits(&there, row) => imported.same += 1,
                Some(_) => {
                    imported.differing += 1;
                    let time = self.grid.start_of(*slot);
                    imported.first_differing = imported.first_differing.or(Some(time));
                    let is_settled = known.state(*slot) == Some(Known::Fetched);
                    if is_settled && self.on_difference == OnDifference::Keep {
                        continue;
                    }
                }
            }
            coverage.mark(Slots::one(*slot), self.state_of(*slot));
            taken.push((*slot, row.clone()));
        }
        match Chunk::build(known.index(), taken, coverage) {
            Ok(newer) => (known.merge(&newer), imported),
            // Rows are in order, of this chunk, and each was marked above.
            Err(_) => (known.clone(), Imported::default()),
        }
    }

    fn state_of(&self, slot: i64) -> Known {
        if slot < self.settled_end {
            return Known::Fetched;
        }
        Known::Settling { check_at: self.grid.end_of(slot).after(self.rules.settle) }
    }
}
