use std::ops::AddAssign;

use crate::admit::Reason;
use crate::cache::SeriesError;
use crate::time::Time;

/// What becomes of a settled row that differs from the one that is brought in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum OnDifference {
    /// It stays; the difference is counted.
    #[default]
    Keep,
    /// The one that is brought in takes its place; the difference is counted.
    Replace,
}

/// What an import has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Imported {
    /// Rows of slots that had none.
    pub added: u64,
    /// Rows that were there already, bit by bit.
    pub same: u64,
    /// Rows other than those that were there. Settled ones stayed or were replaced, as
    /// [`OnDifference`] says; those that the venue may still revise were replaced.
    pub differing: u64,
    /// The time of the earliest of those.
    pub first_differing: Option<Time>,
    /// Rows of slots that are not over yet, which were left out.
    pub growing: u64,
    /// Rows that a fill had made when they were taken out, which were left out.
    pub synthetic: u64,
}

impl AddAssign for Imported {
    fn add_assign(&mut self, other: Self) {
        self.added += other.added;
        self.same += other.same;
        self.differing += other.differing;
        let times = [self.first_differing, other.first_differing];
        self.first_differing = times.into_iter().flatten().min();
        self.growing += other.growing;
        self.synthetic += other.synthetic;
    }
}

/// Why rows could not be brought in.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImportError {
    /// A row cannot be taken. Nothing was stored.
    #[error("the row of {time} was not taken: {reason}")]
    Row {
        /// Its time.
        time: Time,
        /// Why.
        reason: Reason,
    },
    /// The series could not be read or written. Some chunks may be stored, each as a whole.
    #[error(transparent)]
    Series(#[from] SeriesError),
}

impl ImportError {
    /// Whether the same import may succeed if it is made again after a while.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Row { .. } => false,
            Self::Series(source) => source.is_transient(),
        }
    }
}
