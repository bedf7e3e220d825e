use std::ops::ControlFlow;

use super::{Request, RequestError, Window};
use crate::coverage::State;
use crate::fill::Fill;
use crate::row::Row;
use crate::time::{Slots, Time};
use crate::view::Directory;

/// Which slots a request is for, as far as that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Selection {
    /// These.
    Slots(Slots),
    /// Rows are counted, and these slots have to be known before it is known how far the answer
    /// reaches. Once they are, select again: it goes on from there.
    Ask(Slots),
}

impl Request {
    /// Which slots are meant, of those that are over at `now`.
    ///
    /// # Errors
    /// [`RequestError`] if that cannot be known, or there are too many.
    pub fn select<R: Row>(
        &self,
        directory: &Directory<R>,
        now: Time,
    ) -> Result<Selection, RequestError> {
        let grid = directory.grid();
        let closed = grid.closed_end(now);
        let traded = directory.head().traded(grid);
        let end = closed.min(traded.end);
        let counting = Counting { request: self, directory, now };
        let selection = match self.window {
            Window::Range { from, to } => {
                let slots = grid.slots_in(from, to);
                Selection::Slots(Slots::new(slots.start, slots.end.min(closed)))
            }
            Window::Since { from, count: None } => {
                Selection::Slots(Slots::new(grid.slot_from(from), closed))
            }
            Window::Until { to, count: None } => {
                let listing = directory.head().listing().ok_or(RequestError::ListingUnknown)?;
                Selection::Slots(Slots::new(grid.slot_at(listing), grid.slot_from(to).min(closed)))
            }
            Window::Last { count } => counting.back(Slots::new(traded.start, end), count)?,
            Window::Until { to, count: Some(count) } => {
                let end = end.min(grid.slot_from(to));
                counting.back(Slots::new(traded.start, end), count)?
            }
            Window::Since { from, count: Some(count) } => {
                let start = traded.start.max(grid.slot_from(from));
                counting.forward(Slots::new(start, end), count)?
            }
        };
        match selection {
            Selection::Slots(slots) => self.check(slots).map(Selection::Slots),
            Selection::Ask(_) => Ok(selection),
        }
    }

    fn check(&self, slots: Slots) -> Result<Slots, RequestError> {
        let (length, slots_max) = (slots.len(), self.slots_max);
        if length > slots_max {
            return Err(RequestError::TooLong { slots: length, slots_max });
        }
        Ok(slots)
    }
}

/// Counts off rows, or slots that a fill makes rows of.
struct Counting<'all, R> {
    request: &'all Request,
    directory: &'all Directory<R>,
    now: Time,
}

/// What a span adds to the count.
enum Unit {
    /// It has to be asked for first.
    Ask,
    /// So many rows.
    Rows(u64),
    /// All of its slots.
    Slots(u64),
}

impl<R: Row> Counting<'_, R> {
    fn unit(&self, span: Slots, state: Option<State>) -> Unit {
        if self.request.fill != Fill::None {
            let closed =
                matches!(state, Some(State::Closed | State::BeforeListing | State::AfterLast));
            return Unit::Slots(if closed { 0 } else { span.len() });
        }
        let due = state.is_none_or(|state| state.is_due(self.now));
        if due && !self.request.offline {
            Unit::Ask
        } else {
            Unit::Rows(self.directory.rows_in(span))
        }
    }

    /// The last `count` within `bounds`.
    fn back(&self, bounds: Slots, count: u64) -> Result<Selection, RequestError> {
        let mut left = count;
        let mut start = bounds.end;
        if count == 0 {
            return Ok(Selection::Slots(Slots::new(start, start)));
        }
        let found = self.directory.walk_back(bounds, |span, state| {
            if let Err(error) = self.request.check(Slots::new(span.end, bounds.end)) {
                return ControlFlow::Break(Err(error));
            }
            match self.unit(span, state) {
                Unit::Ask => {
                    let near = span.end.saturating_sub_unsigned(left).max(span.start);
                    return ControlFlow::Break(Ok(Selection::Ask(Slots::new(near, span.end))));
                }
                Unit::Rows(rows) if rows >= left => {
                    let row = self.directory.rows_before(span.end) - left;
                    start = self.directory.slot_of(row).unwrap_or(span.start);
                    left = 0;
                }
                Unit::Slots(slots) if slots >= left => {
                    start = span.end.saturating_sub_unsigned(left);
                    left = 0;
                }
                Unit::Rows(units) | Unit::Slots(units) => {
                    // Beyond what has rows nothing is added to the answer.
                    if units > 0 || self.request.fill == Fill::None {
                        start = span.start;
                    }
                    left -= units;
                }
            }
            if left > 0 {
                return ControlFlow::Continue(());
            }
            ControlFlow::Break(Ok(Selection::Slots(Slots::new(start, bounds.end))))
        });
        found.unwrap_or_else(|| Ok(Selection::Slots(Slots::new(start, bounds.end))))
    }

    /// The first `count` within `bounds`.
    fn forward(&self, bounds: Slots, count: u64) -> Result<Selection, RequestError> {
        let mut left = count;
        let mut end = bounds.start;
        if count == 0 {
            return Ok(Selection::Slots(Slots::new(end, end)));
        }
        let found = self.directory.walk(bounds, |span, state| {
            if let Err(error) = self.request.check(Slots::new(bounds.start, span.start)) {
                return ControlFlow::Break(Err(error));
            }
            match self.unit(span, state) {
                Unit::Ask => {
                    let near = span.start.saturating_add_unsigned(left).min(span.end);
                    return ControlFlow::Break(Ok(Selection::Ask(Slots::new(span.start, near))));
                }
                Unit::Rows(rows) if rows >= left => {
                    let row = self.directory.rows_before(span.start) + left - 1;
                    end = self.directory.slot_of(row).map_or(span.end, |slot| slot + 1);
                    left = 0;
                }
                Unit::Slots(slots) if slots >= left => {
                    end = span.start.saturating_add_unsigned(left);
                    left = 0;
                }
                Unit::Rows(units) | Unit::Slots(units) => {
                    if units > 0 || self.request.fill == Fill::None {
                        end = span.end;
                    }
                    left -= units;
                }
            }
            if left > 0 {
                return ControlFlow::Continue(());
            }
            ControlFlow::Break(Ok(Selection::Slots(Slots::new(bounds.start, end))))
        });
        found.unwrap_or_else(|| Ok(Selection::Slots(Slots::new(bounds.start, end))))
    }
}
