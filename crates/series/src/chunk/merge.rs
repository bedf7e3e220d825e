use std::cmp::Ordering;

use super::{Chunk, Presence};
use crate::coverage::{Coverage, State};
use crate::row::{Columns, Row};
use crate::time::Slots;

/// Whose row and state a slot gets.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Known,
    Newer,
}

impl<R: Row> Chunk<R> {
    /// This chunk with what `newer` says of the same slots: what is stored with what was fetched
    /// meanwhile, which is how two processes that fill one chunk both come to their right.
    ///
    /// Slot by slot the state that tells more stays ([`State::merge`]), with its row or its lack of
    /// one. Where both tell as much, the newer row stays, and a row rather than none. A row that
    /// may still be revised is believed where until now none was.
    ///
    /// `newer` must be of the same place in the series; otherwise nothing is taken from it.
    pub fn merge(&self, newer: &Self) -> Self {
        if newer.index != self.index {
            return self.clone();
        }
        let mut coverage = Coverage::new();
        let mut columns = Columns::with_capacity(R::SCHEMA, self.len().max(newer.len()));
        let mut places = Vec::with_capacity(self.len().max(newer.len()));
        for (span, known) in self.coverage.spans_in(self.slots()) {
            for (span, new) in newer.coverage.spans_in(span) {
                self.merge_span(
                    newer,
                    span,
                    (known, new),
                    &mut coverage,
                    |side, slot, from, to| {
                        let source = if side == Side::Known { self } else { newer };
                        columns.extend_from(&source.columns, from, to);
                        places.push((slot - self.slots().start) as usize);
                    },
                );
            }
        }
        columns.shrink();
        Self::from_parts(self.index, Presence::from_places(places), columns, coverage)
    }

    /// A span in which either side has one state throughout.
    fn merge_span(
        &self,
        newer: &Self,
        span: Slots,
        (known, new): (Option<State>, Option<State>),
        coverage: &mut Coverage,
        mut take: impl FnMut(Side, i64, usize, usize),
    ) {
        for slot in span {
            let (has_known, has_new) = (self.has(slot), newer.has(slot));
            let (side, state) = match (known, new) {
                (None, None) => return,
                (Some(known), None) => (Side::Known, known),
                (None, Some(new)) => (Side::Newer, new),
                (Some(known), Some(new)) => choose((known, has_known), (new, has_new)),
            };
            coverage.mark(Slots::one(slot), state);
            let (source, has) = match side {
                Side::Known => (self, has_known),
                Side::Newer => (newer, has_new),
            };
            if has {
                let row = source.rows_before(slot);
                take(side, slot, row, row + 1);
            }
        }
    }
}

fn choose((known, has_known): (State, bool), (new, has_new): (State, bool)) -> (Side, State) {
    let as_much = match (known, new) {
        (State::Settling { .. }, State::Settling { .. }) => true,
        _ => known.compare(new) == Ordering::Equal,
    };
    match (has_known, has_new) {
        (false, true) if known.has_rows() => (Side::Newer, new),
        (true, false) if as_much => (Side::Known, known.merge(new)),
        _ if as_much || known.compare(new) == Ordering::Less => (Side::Newer, known.merge(new)),
        _ => (Side::Known, known),
    }
}
