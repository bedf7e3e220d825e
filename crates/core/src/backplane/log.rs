use std::fmt;
use std::fmt::Debug;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

use crate::storage::StorageError;

/// The longest event that a log has to take, in bytes.
pub const EVENT_BYTES_MAX: usize = 1 << 20;

/// A log of events that every process of a cache appends to and reads: what carries invalidations to
/// other processes' memory. Many storages have one
/// ([`Storage::events`](crate::storage::Storage::events)); it can also stand alone.
///
/// Rules that hold for every implementation, each with a case in the suite:
///
/// - Events are read in one order, each once: a reader that goes on from the position of its last
///   page has every event that was appended since, or is told that there is a gap.
/// - An event whose append has returned is seen by every read that begins after it.
/// - What is kept is bounded. A reader that the log was trimmed past, and one whose position was
///   given out by another log (a flushed one, one that was restored from a copy), has a gap.
#[async_trait]
pub trait EventLog: Debug + Send + Sync + 'static {
    /// Appends events, in their order.
    ///
    /// # Errors
    /// [`StorageError`] if it is not certain that all of them were appended. Some may have been: an
    /// event that is appended twice is recognised by those who read it.
    async fn append(&self, events: Vec<Bytes>) -> Result<(), StorageError>;

    /// The position after all that has been appended so far.
    ///
    /// # Errors
    /// [`StorageError`] if the log could not be asked.
    async fn end(&self) -> Result<Position, StorageError>;

    /// Up to `limit` events after a position. Where there are none, waits for one: not much longer
    /// than `wait`, and shorter where it pleases.
    ///
    /// # Errors
    /// [`StorageError`] if the log could not be asked.
    async fn read(
        &self,
        after: &Position,
        wait: Duration,
        limit: usize,
    ) -> Result<Page, StorageError>;
}

/// A place in a log: bytes that only this log reads.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Position(Bytes);

/// What a read of a log gives.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Page {
    /// The events, in order.
    pub events: Vec<Bytes>,
    /// Where to go on.
    pub next: Position,
    /// Between the position that was asked for and these events some are missing, or may be.
    pub gap: bool,
    /// There may be more events already.
    pub more: bool,
}

/// An event as it lies in a log that numbers them without holes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NumberedEvent {
    /// The identity of the log when it was appended: another one after a loss or a restore.
    pub origin: u64,
    /// One more than that of the event before.
    pub number: u64,
    /// The event.
    pub event: Bytes,
}

impl Position {
    /// A position out of bytes that a log made.
    pub fn from_bytes(bytes: impl Into<Bytes>) -> Self {
        Self(bytes.into())
    }

    /// Its bytes, to be kept somewhere.
    pub fn as_bytes(&self) -> &Bytes {
        &self.0
    }

    /// After the event with this number, in a log that numbers its events without holes.
    pub fn numbered(origin: u64, number: u64) -> Self {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&origin.to_le_bytes());
        bytes[8..].copy_from_slice(&number.to_le_bytes());
        Self(Bytes::copy_from_slice(&bytes))
    }

    /// Origin and number, if this was made by [`numbered`](Self::numbered).
    pub fn as_numbered(&self) -> Option<(u64, u64)> {
        let (origin, rest) = self.0.split_first_chunk::<8>()?;
        let number: [u8; 8] = rest.try_into().ok()?;
        Some((u64::from_le_bytes(*origin), u64::from_le_bytes(number)))
    }
}

impl Debug for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.as_numbered() {
            Some((origin, number)) => write!(f, "Position({origin:016x}, {number})"),
            None => write!(f, "Position({:?})", self.0),
        }
    }
}

impl Page {
    /// A page without a gap, after which there is nothing yet.
    pub fn new(events: Vec<Bytes>, next: Position) -> Self {
        Self { events, next, gap: false, more: false }
    }

    /// Nothing can be said of what came before `next`.
    pub fn lost(next: Position) -> Self {
        Self { events: Vec::new(), next, gap: true, more: false }
    }

    /// There may be more events already.
    pub fn with_more(mut self, more: bool) -> Self {
        self.more = more;
        self
    }

    /// The page of a log that numbers its events without holes: a number that is skipped, or another
    /// origin, is a gap. Empty events mark a place in the log and are left out.
    ///
    /// `rows` are those found after the number of `after`, in order; there may be more of them where
    /// there are `limit`.
    pub fn of_numbered(
        after: &Position,
        rows: impl IntoIterator<Item = NumberedEvent>,
        limit: usize,
    ) -> Self {
        let mut at = after.as_numbered();
        let mut page = Self::new(Vec::new(), after.clone());
        let mut count = 0;
        for NumberedEvent { origin, number, event } in rows {
            count += 1;
            let follows = at.is_some_and(|(known, last)| {
                known == origin && last.checked_add(1) == Some(number)
            });
            page.gap |= !follows;
            at = Some((origin, number));
            if !event.is_empty() {
                page.events.push(event);
            }
        }
        if let (Some((origin, number)), true) = (at, count > 0) {
            page.next = Position::numbered(origin, number);
        }
        page.more = count >= limit;
        page
    }

    /// As [`of_numbered`](Self::of_numbered), where the log tells with its rows which origin it has
    /// and the number of its last event: a position of another origin, or past its end, is a gap.
    pub fn of_table(
        after: &Position,
        (origin, last): (u64, u64),
        rows: impl IntoIterator<Item = (u64, Bytes)>,
        limit: usize,
    ) -> Self {
        match after.as_numbered() {
            Some((known, number)) if known == origin && number <= last => {
                let rows =
                    rows.into_iter().map(|(number, event)| NumberedEvent { origin, number, event });
                let mut page = Self::of_numbered(after, rows, limit);
                // All that were to follow have been trimmed already.
                page.gap |= page.next == *after && number < last;
                if page.gap && page.next == *after {
                    page.next = Position::numbered(origin, last);
                }
                page
            }
            _ => Self::lost(Position::numbered(origin, last)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(origin: u64, number: u64, event: &'static str) -> NumberedEvent {
        NumberedEvent { origin, number, event: Bytes::from_static(event.as_bytes()) }
    }

    #[test]
    fn numbers_in_a_row_are_no_gap() {
        let after = Position::numbered(7, 3);
        let page = Page::of_numbered(&after, [row(7, 4, "a"), row(7, 5, ""), row(7, 6, "b")], 4);
        assert_eq!(page.events, ["a", "b"]);
        assert_eq!(page.next, Position::numbered(7, 6));
        assert!(!page.gap && !page.more);
        assert!(Page::of_numbered(&after, [row(7, 4, "a")], 1).more);
        assert_eq!(Page::of_numbered(&after, [], 1), Page::new(Vec::new(), after));
    }

    #[test]
    fn a_number_left_out_and_another_origin_are_gaps() {
        let after = Position::numbered(7, 3);
        for rows in [vec![row(7, 5, "a")], vec![row(8, 4, "a")], vec![row(7, 3, "a")]] {
            let (origin, number) = (rows[0].origin, rows[0].number);
            let page = Page::of_numbered(&after, rows, 9);
            assert!(page.gap && page.events == ["a"]);
            assert_eq!(page.next, Position::numbered(origin, number));
        }
        let within = Page::of_numbered(&after, [row(7, 4, "a"), row(7, 6, "b")], 9);
        assert!(within.gap);
        let foreign = Position::from_bytes("x");
        assert!(Page::of_numbered(&foreign, [row(7, 4, "a")], 9).gap);
    }

    #[test]
    fn a_table_tells_of_what_it_has_lost() {
        let after = Position::numbered(7, 3);
        let one = || [(4, Bytes::from_static(b"a"))];
        assert!(!Page::of_table(&after, (7, 4), one(), 9).gap);
        assert!(!Page::of_table(&after, (7, 3), [], 9).gap);
        for (origin, last) in [(7, 2), (8, 3), (8, 9)] {
            let page = Page::of_table(&after, (origin, last), [], 9);
            assert_eq!(page, Page::lost(Position::numbered(origin, last)));
        }
        let trimmed = Page::of_table(&after, (7, 9), [], 9);
        assert_eq!(trimmed, Page::lost(Position::numbered(7, 9)));
        let foreign = Page::of_table(&Position::from_bytes("x"), (7, 4), one(), 9);
        assert_eq!(foreign, Page::lost(Position::numbered(7, 4)));
    }
}
