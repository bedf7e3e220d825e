use std::cmp::Ordering;

use crate::time::Time;

/// What is known of a slot, apart from whether it has a row. Of a slot without a state nothing is
/// known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum State {
    /// The venue was asked and has answered for good: a row, or among rows none for this slot.
    Fetched,
    /// The venue has answered, but may still revise it: asked once more at this time.
    Settling {
        /// From when on it is asked again.
        check_at: Time,
    },
    /// The venue had nothing, which is no proof of itself.
    Empty {
        /// How often it had nothing.
        checks: u8,
        /// From when on it is asked again; `None` once that is settled.
        check_at: Option<Time>,
    },
    /// The venue failed to answer.
    Failed {
        /// How often in a row.
        attempts: u8,
        /// From when on it may be asked again.
        retry_at: Time,
    },
    /// The symbol was not traded yet.
    BeforeListing,
    /// The symbol was not traded any more.
    AfterLast,
    /// The market was closed.
    Closed,
}

/// A kind of [`State`], or none: what reports count and pictures draw.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// Nothing is known.
    Unknown,
    /// See [`State::Fetched`] and [`State::Settling`]; with a row.
    Present,
    /// The same without a row, or [`State::Empty`]: known to be empty.
    Empty,
    /// See [`State::Failed`].
    Failed,
    /// See [`State::BeforeListing`].
    BeforeListing,
    /// See [`State::AfterLast`].
    AfterLast,
    /// See [`State::Closed`].
    Closed,
}

impl State {
    /// Whether rows may stand in slots of this state.
    pub const fn has_rows(self) -> bool {
        matches!(self, Self::Fetched | Self::Settling { .. })
    }

    /// Whether the venue is to be asked (again) at `now`.
    pub fn is_due(self, now: Time) -> bool {
        match self {
            Self::Settling { check_at } | Self::Empty { check_at: Some(check_at), .. } => {
                check_at <= now
            }
            Self::Failed { retry_at, .. } => retry_at <= now,
            Self::Fetched
            | Self::Empty { check_at: None, .. }
            | Self::BeforeListing
            | Self::AfterLast
            | Self::Closed => false,
        }
    }

    /// Whether an answer can be given without asking: something is known, be it by an answer that
    /// is due to be checked.
    pub const fn is_known(self) -> bool {
        !matches!(self, Self::Failed { .. })
    }

    /// What reports call it, in a slot with or without a row.
    pub const fn kind(self, row: bool) -> Kind {
        match self {
            Self::Fetched | Self::Settling { .. } if row => Kind::Present,
            Self::Fetched | Self::Settling { .. } | Self::Empty { .. } => Kind::Empty,
            Self::Failed { .. } => Kind::Failed,
            Self::BeforeListing => Kind::BeforeListing,
            Self::AfterLast => Kind::AfterLast,
            Self::Closed => Kind::Closed,
        }
    }

    /// How much it tells; of two states of a slot the one that tells more stays.
    const fn rank(self) -> u8 {
        match self {
            Self::Failed { .. } => 0,
            Self::Empty { .. } => 1,
            Self::Closed => 2,
            Self::BeforeListing => 3,
            Self::AfterLast => 4,
            Self::Settling { .. } => 5,
            Self::Fetched => 6,
        }
    }

    /// An order of all states by what they tell: among equals by how often the venue was asked,
    /// then by the later time.
    fn weight(self) -> (u8, u8, bool, Option<Time>) {
        let (count, settled, time) = match self {
            Self::Empty { checks, check_at } => (checks, check_at.is_none(), check_at),
            Self::Failed { attempts, retry_at } => (attempts, false, Some(retry_at)),
            Self::Settling { check_at } => (0, false, Some(check_at)),
            Self::Fetched | Self::BeforeListing | Self::AfterLast | Self::Closed => {
                (0, false, None)
            }
        };
        (self.rank(), count, settled, time)
    }

    /// Which of two processes' states of one slot stays: the one that tells more. Whatever the
    /// order in which many are put together, the same one stays.
    pub fn merge(self, other: Self) -> Self {
        if self.compare(other) == Ordering::Less { other } else { self }
    }

    /// Whether this tells less than, as much as, or more than `other`.
    pub fn compare(self, other: Self) -> Ordering {
        self.weight().cmp(&other.weight())
    }
}
