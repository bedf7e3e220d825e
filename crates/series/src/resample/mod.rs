//! Rows of a longer timeframe, made of those of a shorter one.

#[cfg(test)]
mod tests;

use crate::coverage::{Coverage, State};
use crate::row::{Candle, Row, scaled};
use crate::time::{Grid, Slots, Time};
use crate::view::View;

/// A row that can be made of shorter ones.
pub trait ResampleRow: Row {
    /// The row of all these together; `None` if there is none.
    fn together(rows: &[Self]) -> Option<Self>;
}

/// Rows of a longer timeframe with what is known of their slots; not to be stored as if a venue
/// had sent them.
#[derive(Clone, Debug, PartialEq)]
pub struct Resampled<R> {
    /// Rows with their slots, in order.
    pub rows: Vec<(i64, R)>,
    /// What is known of the slots: nothing of those of which a part is unknown.
    pub coverage: Coverage,
}

/// Why a timeframe cannot be made of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("slots of {coarse} do not begin with slots of {fine} at {at}")]
pub struct ResampleError {
    /// The timeframe that there is.
    pub fine: crate::time::Timeframe,
    /// The timeframe that was asked for.
    pub coarse: crate::time::Timeframe,
    /// Where a slot begins within one of the other.
    pub at: Time,
}

impl ResampleRow for Candle {
    /// Volumes are added exactly where they are decimals.
    fn together(rows: &[Self]) -> Option<Self> {
        let (first, last) = (rows.first()?, rows.last()?);
        let volumes: Vec<f64> = rows.iter().map(|row| row.volume).collect();
        Some(Self {
            open: first.open,
            high: rows.iter().map(|row| row.high).fold(f64::NEG_INFINITY, f64::max),
            low: rows.iter().map(|row| row.low).fold(f64::INFINITY, f64::min),
            close: last.close,
            volume: scaled::sum(&volumes),
        })
    }
}

/// The rows of those slots of `coarse` that lie wholly within the view's span.
///
/// A slot of which a part is unknown has no row; one in which nothing was traded has none either,
/// and is known to be empty.
///
/// # Errors
/// [`ResampleError`] if the longer slots do not begin where shorter ones do, as with months of weeks.
pub fn resample<R: ResampleRow>(
    view: &View<R>,
    coarse: Grid,
) -> Result<Resampled<R>, ResampleError> {
    let fine = view.directory().grid();
    let (from, to) = (fine.start_of(view.slots().start), fine.start_of(view.slots().end));
    let slots = Slots::new(coarse.slot_from(from), coarse.slot_at(to));
    let exact = |at: Time| {
        let misaligned = ResampleError { fine: fine.timeframe(), coarse: coarse.timeframe(), at };
        fine.exact_slot(at).ok_or(misaligned)
    };
    let known = view.coverage();
    let mut rows = view.iter().peekable();
    let mut resampled = Resampled { rows: Vec::new(), coverage: Coverage::new() };
    let mut parts: Vec<R> = Vec::new();
    for slot in slots {
        let span = Slots::new(exact(coarse.start_of(slot))?, exact(coarse.end_of(slot))?);
        parts.clear();
        while rows.next_if(|(at, _)| *at < span.start).is_some() {}
        while let Some((_, row)) = rows.next_if(|(at, _)| *at < span.end) {
            parts.push(row);
        }
        let Some(state) = state_of(&known, span, !parts.is_empty()) else { continue };
        resampled.coverage.mark(Slots::one(slot), state);
        if let Some(row) = R::together(&parts).filter(|_| state.has_rows()) {
            resampled.rows.push((slot, row));
        }
    }
    Ok(resampled)
}

/// The state of a longer slot; `None` if something within it is unknown.
fn state_of(known: &Coverage, span: Slots, has_rows: bool) -> Option<State> {
    let mut together: Option<State> = None;
    for (_, state) in known.spans_in(span) {
        let state = state.filter(|state| state.is_known())?;
        together = Some(together.map_or(state, |before| join(before, state)));
    }
    match together {
        // Where nothing has been so far, a row may still come.
        Some(State::Settling { check_at } | State::Empty { check_at: Some(check_at), .. })
            if has_rows =>
        {
            Some(State::Settling { check_at })
        }
        Some(_) if has_rows => Some(State::Fetched),
        together => together,
    }
}

/// What two parts of a slot make: what is to be asked again stays so, and emptiness of an open
/// market says more than of a closed one.
fn join(one: State, other: State) -> State {
    use State::{AfterLast, BeforeListing, Closed, Empty, Fetched, Settling};
    match (one, other) {
        (Settling { check_at: one }, Settling { check_at: other }) => {
            Settling { check_at: one.max(other) }
        }
        (Settling { check_at }, _) | (_, Settling { check_at }) => Settling { check_at },
        (Empty { checks: one, check_at }, Empty { checks: other, check_at: another }) => {
            let check_at = match (check_at, another) {
                (Some(one), Some(other)) => Some(one.max(other)),
                (one, other) => one.or(other),
            };
            Empty { checks: one.min(other), check_at }
        }
        (Empty { checks, check_at }, _) | (_, Empty { checks, check_at }) => {
            Empty { checks, check_at }
        }
        (Fetched, _) | (_, Fetched) => Fetched,
        (Closed, _) | (_, Closed) => Closed,
        (BeforeListing, BeforeListing) => BeforeListing,
        (AfterLast, AfterLast) => AfterLast,
        // Listed and ended within one slot, or a failure, which is not known.
        (one, _) => one,
    }
}
