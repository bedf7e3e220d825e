//! The whole numbers of a chunk, row by row, and what those that follow are expected to be.

use crate::row::{Prediction, Schema};

/// All columns' whole numbers, row after row, behind a row of zeros. A column more than there are
/// stays zero: it is what a prediction by a column that does not exist is.
pub(super) struct Wholes {
    width: usize,
    expected: Vec<Expected>,
    values: Vec<i64>,
}

/// What a value is expected to be.
#[derive(Clone, Copy, Debug)]
pub(super) enum Expected {
    /// Zero.
    Zero,
    /// This value.
    Same(Place),
    /// The larger of two.
    Larger(Place, Place),
    /// The smaller of two.
    Smaller(Place, Place),
}

/// A value of the same row or of the one before. Before the first row there are zeros.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) column: usize,
    pub(super) is_before: bool,
}

impl Expected {
    /// What the values of each column are expected to be.
    pub(super) fn of(schema: &Schema) -> Vec<Self> {
        let columns = schema.columns.len();
        let expected = schema.columns.iter().enumerate().map(|(column, about)| {
            let before =
                |other: u8| Place { column: usize::from(other).min(columns), is_before: true };
            // What stands in a row beyond the column that is worked on is of the row before, in
            // writing as in reading.
            let now = |other: u8| match usize::from(other) {
                other if other < column => Place { column: other, is_before: false },
                _ => before(other),
            };
            match about.prediction {
                Prediction::Zero => Self::Zero,
                Prediction::Before => Self::Same(Place { column, is_before: true }),
                Prediction::BeforeOf(other) => Self::Same(before(other)),
                Prediction::Same(other) => Self::Same(now(other)),
                Prediction::Larger(one, other) => Self::Larger(now(one), now(other)),
                Prediction::Smaller(one, other) => Self::Smaller(now(one), now(other)),
            }
        });
        expected.collect()
    }

    /// The value, of those that `value` gives.
    pub(super) fn value(self, value: impl Fn(Place) -> i64) -> i64 {
        match self {
            Self::Zero => 0,
            Self::Same(place) => value(place),
            Self::Larger(one, other) => value(one).max(value(other)),
            Self::Smaller(one, other) => value(one).min(value(other)),
        }
    }

    /// Whether it is made of values of a column.
    pub(super) fn needs(self, column: usize) -> bool {
        match self {
            Self::Zero => false,
            Self::Same(place) => place.column == column,
            Self::Larger(one, other) | Self::Smaller(one, other) => {
                one.column == column || other.column == column
            }
        }
    }
}

impl Wholes {
    pub(super) fn new(schema: &Schema, rows: usize) -> Self {
        let width = schema.columns.len() + 1;
        Self { width, expected: Expected::of(schema), values: vec![0; (rows + 1) * width] }
    }

    /// Sets the value of a row and column as `make` says, which is told what is expected. Columns
    /// of a row come in order, and rows too.
    pub(super) fn set(&mut self, row: usize, column: usize, make: impl FnOnce(i64) -> i64) {
        let expected = self.expected[column].value(|place| {
            let row = row + 1 - usize::from(place.is_before);
            self.values[row * self.width + place.column]
        });
        self.values[(row + 1) * self.width + column] = make(expected);
    }
}
