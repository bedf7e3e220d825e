use std::fmt;
use std::ops::Range;

/// A half-open span of slots, `start..end`: slots are the places of rows, counted from 1970.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slots {
    /// The first slot.
    pub start: i64,
    /// The slot after the last.
    pub end: i64,
}

impl Slots {
    /// From `start` up to before `end`; empty if `end` is not after it.
    pub const fn new(start: i64, end: i64) -> Self {
        Self { start, end: if end < start { start } else { end } }
    }

    /// One slot.
    pub const fn one(slot: i64) -> Self {
        Self { start: slot, end: slot.saturating_add(1) }
    }

    /// How many slots.
    pub const fn len(self) -> u64 {
        if self.is_empty() { 0 } else { self.end.abs_diff(self.start) }
    }

    /// Whether there is no slot in it.
    pub const fn is_empty(self) -> bool {
        self.end <= self.start
    }

    /// Whether the slot is in it.
    pub const fn contains(self, slot: i64) -> bool {
        self.start <= slot && slot < self.end
    }

    /// Whether all of `other` is in it.
    pub const fn covers(self, other: Self) -> bool {
        other.is_empty() || (self.start <= other.start && other.end <= self.end)
    }

    /// What both have.
    pub fn intersection(self, other: Self) -> Self {
        Self::new(self.start.max(other.start), self.end.min(other.end))
    }

    /// The shortest span that has both; an empty one adds nothing.
    pub fn hull(self, other: Self) -> Self {
        if self.is_empty() {
            return other;
        }
        if other.is_empty() {
            return self;
        }
        Self::new(self.start.min(other.start), self.end.max(other.end))
    }

    /// The slots one after the other.
    pub const fn iter(self) -> Range<i64> {
        self.start..self.end
    }
}

impl From<Range<i64>> for Slots {
    fn from(range: Range<i64>) -> Self {
        Self::new(range.start, range.end)
    }
}

impl IntoIterator for Slots {
    type Item = i64;
    type IntoIter = Range<i64>;

    fn into_iter(self) -> Range<i64> {
        self.iter()
    }
}

impl fmt::Debug for Slots {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}..{}", self.start, self.end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_meet_and_join() {
        let (near, far) = (Slots::new(0, 10), Slots::new(5, 20));
        assert_eq!(near.intersection(far), Slots::new(5, 10));
        assert!(near.intersection(Slots::new(10, 12)).is_empty());
        assert_eq!(near.hull(far), Slots::new(0, 20));
        assert_eq!(near.hull(Slots::new(30, 30)), near);
        assert_eq!(Slots::new(7, 3).len(), 0);
        assert_eq!(Slots::new(i64::MIN, i64::MAX).len(), u64::MAX);
        assert!(near.covers(Slots::new(99, 99)) && !near.covers(far));
    }
}
