use super::{Reader, RecordError, Writer};
use crate::coverage::{Coverage, State};
use crate::time::{Slots, Time};

const FETCHED: u8 = 0;
const SETTLING: u8 = 1;
const EMPTY: u8 = 2;
const EMPTY_SETTLED: u8 = 3;
const FAILED: u8 = 4;
const BEFORE_LISTING: u8 = 5;
const AFTER_LAST: u8 = 6;
const CLOSED: u8 = 7;

/// Writes spans one after the other: the gap before each, its length, its state.
pub(crate) fn write_coverage(writer: &mut Writer, coverage: &Coverage, from: i64) {
    writer.number(coverage.len() as u64);
    let mut next = from;
    for (slots, state) in coverage.iter() {
        writer.signed(slots.start.wrapping_sub(next));
        writer.number(slots.len());
        write_state(writer, state);
        next = slots.end;
    }
}

/// Reads spans that must lie within `bounds`.
pub(crate) fn read_coverage(
    reader: &mut Reader<'_>,
    from: i64,
    bounds: Slots,
) -> Result<Coverage, RecordError> {
    const MISPLACED: RecordError = RecordError::Damaged("a span is not where it should be");
    // A span takes three bytes at least.
    let count = reader.bounded(reader.left() / 3)?;
    let (mut coverage, mut next) = (Coverage::new(), from);
    let mut last = None;
    for _ in 0..count {
        let start = next.wrapping_add(reader.signed()?);
        let length = i64::try_from(reader.number()?).map_err(|_| MISPLACED)?;
        let end = start.checked_add(length).ok_or(MISPLACED)?;
        let slots = Slots::new(start, end);
        let in_order = last.is_none_or(|last| start >= last);
        if slots.is_empty() || !in_order || !bounds.covers(slots) {
            return Err(MISPLACED);
        }
        coverage.mark(slots, read_state(reader)?);
        next = end;
        last = Some(end);
    }
    Ok(coverage)
}

fn write_state(writer: &mut Writer, state: State) {
    match state {
        State::Fetched => writer.byte(FETCHED),
        State::Settling { check_at } => {
            writer.byte(SETTLING);
            writer.signed(check_at.unix_ms());
        }
        State::Empty { checks, check_at: Some(check_at) } => {
            writer.byte(EMPTY);
            writer.byte(checks);
            writer.signed(check_at.unix_ms());
        }
        State::Empty { checks, check_at: None } => {
            writer.byte(EMPTY_SETTLED);
            writer.byte(checks);
        }
        State::Failed { attempts, retry_at } => {
            writer.byte(FAILED);
            writer.byte(attempts);
            writer.signed(retry_at.unix_ms());
        }
        State::BeforeListing => writer.byte(BEFORE_LISTING),
        State::AfterLast => writer.byte(AFTER_LAST),
        State::Closed => writer.byte(CLOSED),
    }
}

fn read_state(reader: &mut Reader<'_>) -> Result<State, RecordError> {
    let time = |reader: &mut Reader<'_>| reader.signed().map(Time::from_unix_ms);
    Ok(match reader.byte()? {
        FETCHED => State::Fetched,
        SETTLING => State::Settling { check_at: time(reader)? },
        EMPTY => State::Empty { checks: reader.byte()?, check_at: Some(time(reader)?) },
        EMPTY_SETTLED => State::Empty { checks: reader.byte()?, check_at: None },
        FAILED => State::Failed { attempts: reader.byte()?, retry_at: time(reader)? },
        BEFORE_LISTING => State::BeforeListing,
        AFTER_LAST => State::AfterLast,
        CLOSED => State::Closed,
        _ => return Err(RecordError::Damaged("a state is not known")),
    })
}
