//! What a venue's answer proves: rows that may be kept, and of which slots it tells what.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::Duration;

use crate::chunk::Chunk;
use crate::coverage::{Backoff, Coverage, State};
use crate::row::Row;
use crate::time::{Grid, Slots, Time};

/// What a venue answered to one call.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer<R> {
    /// Rows with the times that the venue gave them, in any order.
    pub rows: Vec<(Time, R)>,
    /// How much of what was asked for the answer speaks of.
    pub reach: Reach,
}

/// How much of what was asked for an answer speaks of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reach {
    /// All of it.
    Whole,
    /// From its begin up to the last row: the venue's limit cut the rest off.
    UpToLast,
    /// From the first row to its end: the venue's limit cut off what lies before.
    FromFirst,
    /// From this moment to its end, whether or not there are rows: the venue says nothing of what lies
    /// before.
    Since(Time),
}

/// When an answer is believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Rules {
    /// A row is final so long after its slot's end, where the venue does not say so itself.
    pub patience: Duration,
    /// For so long after its slot's end it may be revised: it is asked for once more then.
    pub settle: Duration,
    /// When slots are asked for again for which there was nothing.
    pub empty: Backoff,
    /// When slots are asked for again whose row was refused.
    pub refused: Backoff,
}

/// A row that was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Refused {
    /// Its time, as the venue gave it.
    pub time: Time,
    /// Why.
    pub reason: Reason,
}

/// Why a row was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Reason {
    /// No slot begins at its time.
    #[error("no slot begins at its time")]
    Unaligned,
    /// Its slot was not asked for.
    #[error("it was not asked for")]
    NotAsked,
    /// It cannot be.
    #[error("it cannot be: {0}")]
    Impossible(&'static str),
    /// Another row of the same slot came with the same answer; the later one stays.
    #[error("a later row of the same slot came with it")]
    Repeated,
}

/// What may be kept of an answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Admitted<R> {
    /// Rows of closed slots, in order.
    rows: BTreeMap<i64, R>,
    /// The part of what was asked for of which the answer speaks, and which is over.
    answered: Slots,
    /// Parts of it in which there is nothing, and no row after them.
    nothing: Vec<Slots>,
    /// Slots whose row was refused.
    doubtful: Vec<i64>,
    /// The row of the slot that is not over yet, which is not stored.
    pub open: Option<(i64, R)>,
    /// Rows that were not taken.
    pub refused: Vec<Refused>,
    misaligned: bool,
    grid: Grid,
    rules: Rules,
    now: Time,
}

impl Rules {
    /// Final two seconds after the end of a slot, asked for once more after a minute.
    pub const DEFAULT: Self = Self {
        patience: Duration::from_secs(2),
        settle: Duration::from_secs(60),
        empty: Backoff::EMPTY,
        refused: Backoff::EMPTY,
    };

    /// The end of the slots that are final at `now`.
    pub fn closed_end(&self, grid: Grid, now: Time) -> i64 {
        grid.closed_end(now.before(self.patience))
    }
}

impl Default for Rules {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// Looks through what a venue answered at `now` to a call for the slots `asked`.
///
/// Rows are put in order, of two of one slot the later in the answer is taken. Rows that cannot be,
/// that lie at no slot's start or outside of what was asked for are refused and listed. The slot
/// that is not over yet is told apart.
pub fn admit<R: Row>(
    grid: Grid,
    asked: Slots,
    answer: Answer<R>,
    rules: Rules,
    now: Time,
) -> Admitted<R> {
    let closed_end = rules.closed_end(grid, now);
    let mut admitted = Admitted {
        rows: BTreeMap::new(),
        answered: Slots::default(),
        nothing: Vec::new(),
        doubtful: Vec::new(),
        open: None,
        refused: Vec::new(),
        misaligned: !answer.rows.is_empty(),
        grid,
        rules,
        now,
    };
    let mut seen = Slots::default();
    for (time, row) in answer.rows {
        let slot = grid.slot_at(time);
        let reason = if grid.start_of(slot) != time {
            Some(Reason::Unaligned)
        } else if slot >= closed_end {
            admitted.misaligned = false;
            // Of several that are not over the newest is the open one.
            if admitted.open.as_ref().is_none_or(|(open, _)| *open <= slot) {
                admitted.open = row.problem().is_none().then_some((slot, row));
            }
            continue;
        } else if !asked.contains(slot) {
            Some(Reason::NotAsked)
        } else {
            row.problem().map(Reason::Impossible)
        };
        if asked.contains(slot) {
            seen = seen.hull(Slots::one(slot));
        }
        admitted.misaligned &= reason == Some(Reason::Unaligned);
        match reason {
            Some(reason) => {
                if matches!(reason, Reason::Impossible(_)) {
                    admitted.doubtful.push(slot);
                }
                admitted.refused.push(Refused { time, reason });
            }
            None => {
                if admitted.rows.insert(slot, row).is_some() {
                    admitted.refused.push(Refused { time, reason: Reason::Repeated });
                }
            }
        }
    }
    // A good row of a slot beats a bad one of the same.
    admitted.doubtful.retain(|slot| !admitted.rows.contains_key(slot));
    let reach = match answer.reach {
        Reach::Whole => asked,
        // An answer that was cut off and has no row speaks of nothing.
        Reach::UpToLast if seen.is_empty() => Slots::default(),
        Reach::UpToLast => Slots::new(asked.start, seen.end),
        Reach::FromFirst if seen.is_empty() => Slots::default(),
        Reach::FromFirst => Slots::new(seen.start, asked.end),
        Reach::Since(time) => asked.intersection(Slots::new(grid.slot_from(time), i64::MAX)),
    };
    admitted.answered = Slots::new(reach.start, reach.end.min(closed_end));
    admitted.find_nothing(seen);
    admitted
}

impl<R: Row> Admitted<R> {
    /// Where there is nothing, and no row after it proves that the venue would have had one: all of
    /// an answer without rows, and whatever lies after its last row, however long ago. A venue that
    /// lags behind answers so too, and may have rows there later.
    fn find_nothing(&mut self, seen: Slots) {
        if seen.is_empty() {
            self.nothing.push(self.answered);
            return;
        }
        let after = Slots::new(seen.end, self.answered.end);
        self.nothing.push(after.intersection(self.answered));
    }

    /// Whether there were rows and all of them begin between the slots: the venue's slots lie
    /// elsewhere than the connector says, and the answer proves nothing of these.
    pub fn is_misaligned(&self) -> bool {
        self.misaligned
    }

    /// The rows of closed slots, in order.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = (i64, &R)> + '_ {
        self.rows.iter().map(|(slot, row)| (*slot, row))
    }

    /// The part of what was asked for of which the answer speaks, and which is over.
    pub fn answered(&self) -> Slots {
        self.answered
    }

    /// The indices of the chunks that the answer changes.
    pub fn chunks(&self) -> Slots {
        Chunk::<R>::indices_of(self.answered)
    }

    /// A chunk with what the answer says of it. `known` is the chunk at that place as it is stored;
    /// if it was changed in the meantime, the same is done again with what it is then.
    ///
    /// Rows and what is known of their slots come in together, so that the chunk is true by
    /// itself, whatever becomes of others of the same answer.
    pub fn apply(&self, known: &Chunk<R>) -> Chunk<R> {
        let slots = self.answered.intersection(known.slots());
        let mut coverage = Coverage::new();
        let settled = self.grid.closed_end(self.now.before(self.rules.settle));
        coverage.mark(slots.intersection(Slots::new(i64::MIN, settled)), State::Fetched);
        for slot in slots.intersection(Slots::new(settled, i64::MAX)) {
            let check_at = self.grid.end_of(slot).after(self.rules.settle);
            coverage.mark(Slots::one(slot), State::Settling { check_at });
        }
        for nothing in &self.nothing {
            self.replace(&mut coverage, known, nothing.intersection(slots), |part, span| {
                part.mark_empty(span, self.now, &self.rules.empty);
            });
        }
        for slot in &self.doubtful {
            self.replace(
                &mut coverage,
                known,
                Slots::one(*slot).intersection(slots),
                |part, span| {
                    part.mark_failed(span, self.now, &self.rules.refused, 1);
                },
            );
        }
        let mut rows: BTreeMap<i64, R> = BTreeMap::new();
        for nothing in &self.nothing {
            // What was there before a check that brought nothing stays.
            let kept = nothing.intersection(slots).iter().filter_map(|slot| {
                Some((slot, known.get(slot)?))
                    .filter(|_| coverage.at(slot).is_some_and(State::has_rows))
            });
            rows.extend(kept);
        }
        rows.extend(
            self.rows.range(slots.start..slots.end).map(|(slot, row)| (*slot, row.clone())),
        );
        match Chunk::build(known.index(), rows, coverage) {
            Ok(newer) => known.merge(&newer),
            // Every row lies in a slot that was marked above.
            Err(_) => known.clone(),
        }
    }

    /// Puts in place of a span what it becomes from what was known of it before.
    fn replace(
        &self,
        coverage: &mut Coverage,
        known: &Chunk<R>,
        span: Slots,
        change: impl FnOnce(&mut Coverage, Slots),
    ) {
        let mut part = known.coverage().part(span);
        change(&mut part, span);
        coverage.forget(span);
        coverage.merge(&part);
    }
}
