use super::Update;
use crate::row::Row;
use crate::time::Slots;

/// Up to where a subscriber has seen a series: history first, then updates, with no gap and no
/// repeat between them.
///
/// ```
/// use cache_series::live::{Cursor, Delivery, Update};
/// use cache_series::row::Candle;
/// use cache_series::time::{Slots, Time};
///
/// let mut cursor = Cursor::after(100); // history up to before slot 100 was delivered
/// let closed = |slot| Update::Closed { slot, row: Candle::flat(1.0, 1.0), check_at: Time::EPOCH };
/// assert_eq!(cursor.offer(&closed(99)), Delivery::Repeat);
/// assert_eq!(cursor.offer(&closed(100)), Delivery::Deliver);
/// // Of slot 101 nothing was heard: it is read, and then the update is offered again.
/// assert_eq!(cursor.offer(&closed(102)), Delivery::ReadFirst(Slots::new(101, 102)));
/// cursor.read_up_to(102);
/// assert_eq!(cursor.offer(&closed(102)), Delivery::Deliver);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    next: i64,
}

/// What is to be done with an update.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// The subscriber gets it.
    Deliver,
    /// The subscriber has seen the closed row of this slot: it gets nothing.
    Repeat,
    /// The rows of these slots come first: they are to be read, the cursor
    /// [moved](Cursor::read_up_to), and the update offered again.
    ReadFirst(Slots),
}

impl Cursor {
    /// A subscriber that has seen the history up to before slot `end`.
    pub const fn after(end: i64) -> Self {
        Self { next: end }
    }

    /// The first slot whose closed row the subscriber has not seen.
    pub const fn next(self) -> i64 {
        self.next
    }

    /// The subscriber has got all rows up to before slot `end`.
    pub fn read_up_to(&mut self, end: i64) {
        self.next = self.next.max(end);
    }

    /// What is to be done with an update. One that is delivered moves the cursor if it has closed.
    pub fn offer<R: Row>(&mut self, update: &Update<R>) -> Delivery {
        let slot = update.slot();
        if slot < self.next {
            return Delivery::Repeat;
        }
        if slot > self.next {
            return Delivery::ReadFirst(Slots::new(self.next, slot));
        }
        if matches!(update, Update::Closed { .. }) {
            self.next = slot.saturating_add(1);
        }
        Delivery::Deliver
    }
}
