use std::marker::PhantomData;

use super::{Chunk, Presence};
use crate::coverage::{Coverage, State};
use crate::row::{Columns, Row};

/// Why rows and coverage do not make a chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ChunkError {
    /// A slot or a span of another chunk.
    #[error("slot {slot} is not in chunk {index}")]
    Outside {
        /// The slot.
        slot: i64,
        /// The chunk.
        index: i64,
    },
    /// Rows that are not in the order of their slots, or two of one slot.
    #[error("the row of slot {slot} is not after the one before it")]
    Order {
        /// The slot.
        slot: i64,
    },
    /// A row whose slot is in no state that has rows.
    #[error("slot {slot} has a row, but is not said to be fetched")]
    NotCovered {
        /// The slot.
        slot: i64,
    },
}

impl<R: Row> Chunk<R> {
    /// The chunk at `index` with these rows, in the order of their slots, and this coverage, in
    /// which each of them is in a state that [has rows](State::has_rows).
    ///
    /// # Errors
    /// [`ChunkError`] if they contradict each other, or are not of this chunk.
    pub fn build(
        index: i64,
        rows: impl IntoIterator<Item = (i64, R)>,
        coverage: Coverage,
    ) -> Result<Self, ChunkError> {
        let slots = Self::slots_of(index);
        if !slots.covers(coverage.hull()) {
            let hull = coverage.hull();
            let slot = if slots.contains(hull.start) { hull.end - 1 } else { hull.start };
            return Err(ChunkError::Outside { slot, index });
        }
        let rows = rows.into_iter();
        let mut columns = Columns::with_capacity(R::SCHEMA, rows.size_hint().0);
        let mut places = Vec::with_capacity(rows.size_hint().0);
        let (mut last, mut covered) = (None, slots.start);
        for (slot, row) in rows {
            if !slots.contains(slot) {
                return Err(ChunkError::Outside { slot, index });
            }
            if last.is_some_and(|last| slot <= last) {
                return Err(ChunkError::Order { slot });
            }
            if slot >= covered {
                // Looked up once a span, not once a row.
                let span = coverage.span_at(slot).filter(|(_, state)| state.has_rows());
                covered = span.ok_or(ChunkError::NotCovered { slot })?.0.end;
            }
            row.write(&mut columns);
            places.push((slot - slots.start) as usize);
            last = Some(slot);
        }
        columns.shrink();
        Ok(Self::from_parts(index, Presence::from_places(places), columns, coverage))
    }

    /// Puts together what is known to fit.
    pub(super) fn from_parts(
        index: i64,
        presence: Presence,
        columns: Columns,
        coverage: Coverage,
    ) -> Self {
        Self { index, presence, columns, coverage, row: PhantomData }
    }

    /// The same chunk with another coverage, where that leaves every row in a state that has rows.
    ///
    /// # Errors
    /// [`ChunkError`] if it does not, or reaches out of the chunk.
    pub fn with_coverage(&self, coverage: Coverage) -> Result<Self, ChunkError> {
        let slots = self.slots();
        let reaches_out = coverage.iter().find(|(span, _)| !slots.covers(*span));
        if let Some((span, _)) = reaches_out {
            let slot = if slots.contains(span.start) { span.end - 1 } else { span.start };
            return Err(ChunkError::Outside { slot, index: self.index });
        }
        let covers = |state: Option<State>| state.is_some_and(State::has_rows);
        for span in coverage.select(slots, |state| !covers(state)) {
            if let Some(slot) = self.first_row_in(span.start, span.end) {
                return Err(ChunkError::NotCovered { slot });
            }
        }
        let (presence, columns) = (self.presence.clone(), self.columns.clone());
        Ok(Self::from_parts(self.index, presence, columns, coverage))
    }

    fn first_row_in(&self, from: i64, to: i64) -> Option<i64> {
        self.slot_of(self.rows_before(from)).filter(|slot| *slot < to)
    }
}
