use crate::admit::Rules;
use crate::chunk::Chunk;
use crate::coverage::{Coverage, State};
use crate::row::Row;
use crate::time::{Grid, Slots, Time};

/// The open row of a series, as a venue's feed tells of it.
///
/// A feed says anew what a slot's row is until the slot is over. Until then the row is in memory
/// only; once the venue says that it has closed, it may be stored, as one that is asked for once
/// more when revisions have ended. Nothing is said of slots of which no closing was heard: whoever
/// reads them next asks the venue. So a lost connection leaves a hole, and no wrong row.
#[derive(Clone, Debug)]
pub struct Feed<R> {
    grid: Grid,
    rules: Rules,
    open: Option<(i64, R)>,
    /// The newest slot whose closing was heard.
    closed: Option<i64>,
}

/// What a message of a feed has changed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Update<R> {
    /// The row that is growing; not stored.
    Open {
        /// Its slot.
        slot: i64,
        /// What it is so far.
        row: R,
    },
    /// A row that has closed.
    Closed {
        /// Its slot.
        slot: i64,
        /// The row.
        row: R,
        /// When it is asked for once more.
        check_at: Time,
    },
}

/// Why a message changed nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LiveError {
    /// No slot begins at its time.
    #[error("no slot begins at {time}")]
    Unaligned {
        /// Its time.
        time: Time,
    },
    /// It tells of a growing row in a slot before the one that is growing.
    #[error("the row of {time} is not the one that is growing")]
    Late {
        /// Its time.
        time: Time,
    },
    /// Its row cannot be.
    #[error("the row of {time} cannot be: {problem}")]
    Impossible {
        /// Its time.
        time: Time,
        /// What makes it impossible.
        problem: &'static str,
    },
}

impl<R: Row> Feed<R> {
    /// A feed of which nothing was heard.
    pub fn new(grid: Grid, rules: Rules) -> Self {
        Self { grid, rules, open: None, closed: None }
    }

    /// The row that is growing, if there is one.
    pub fn open(&self) -> Option<(i64, &R)> {
        self.open.as_ref().map(|(slot, row)| (*slot, row))
    }

    /// The newest slot whose closing was heard.
    pub fn closed(&self) -> Option<i64> {
        self.closed
    }

    /// The connection is lost: what was growing may have grown unheard.
    pub fn disconnected(&mut self) {
        self.open = None;
    }

    /// A message: the row of the slot that begins at `time`, and whether the venue says that it has
    /// closed.
    ///
    /// # Errors
    /// [`LiveError`] if the message tells nothing; the feed is as it was.
    pub fn receive(&mut self, time: Time, row: R, closed: bool) -> Result<Update<R>, LiveError> {
        let slot = self.grid.exact_slot(time).ok_or(LiveError::Unaligned { time })?;
        if let Some(problem) = row.problem() {
            return Err(LiveError::Impossible { time, problem });
        }
        let newest = self.open.as_ref().map(|(slot, _)| *slot);
        if closed {
            // A row that grows in this slot or before it has nothing more to tell.
            if newest.is_some_and(|open| open <= slot) {
                self.open = None;
            }
            self.closed = Some(self.closed.map_or(slot, |known| known.max(slot)));
            let check_at = self.grid.end_of(slot).after(self.rules.settle);
            return Ok(Update::Closed { slot, row, check_at });
        }
        let is_late = newest.is_some_and(|open| slot < open)
            || self.closed.is_some_and(|closed| slot <= closed);
        if is_late {
            return Err(LiveError::Late { time });
        }
        self.open = Some((slot, row.clone()));
        Ok(Update::Open { slot, row })
    }
}

impl<R: Row> Update<R> {
    /// Its slot.
    pub fn slot(&self) -> i64 {
        match self {
            Self::Open { slot, .. } | Self::Closed { slot, .. } => *slot,
        }
    }

    /// The row.
    pub fn row(&self) -> &R {
        match self {
            Self::Open { row, .. } | Self::Closed { row, .. } => row,
        }
    }

    /// The chunk of a row that has closed, with it; `None` if there is nothing to store. `known` is
    /// the chunk as it is stored, and if it was changed in the meantime, the same is done again.
    pub fn apply(&self, known: &Chunk<R>) -> Option<Chunk<R>> {
        let Self::Closed { slot, row, check_at } = self else { return None };
        let settling = State::Settling { check_at: *check_at };
        let coverage = Coverage::from_iter([(Slots::one(*slot), settling)]);
        let newer = Chunk::build(known.index(), [(*slot, row.clone())], coverage).ok()?;
        Some(known.merge(&newer))
    }
}
