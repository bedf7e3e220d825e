//! The whole numbers of a chunk, row by row, and what those that follow are expected to be.

use crate::row::{Prediction, Schema};

/// All columns' whole numbers, row after row, behind a row of zeros. A column more than there are
/// stays zero: it is what a prediction by a column that does not exist is.
pub(super) struct Wholes {
    width: usize,
    predictions: Vec<Expected>,
    values: Vec<i64>,
}

/// What a value is expected to be, by values that stand so far before it.
#[derive(Clone, Copy)]
enum Expected {
    Zero,
    Same(usize),
    Larger(usize, usize),
    Smaller(usize, usize),
}

impl Wholes {
    pub(super) fn new(schema: &Schema, rows: usize) -> Self {
        let columns = schema.columns.len();
        let width = columns + 1;
        let predictions = schema.columns.iter().enumerate().map(|(column, about)| {
            let before = |other: u8| width + column - usize::from(other).min(columns);
            // What stands in a row beyond the column that is worked on is of the row before, in
            // writing as in reading.
            let now = |other: u8| match usize::from(other) {
                other if other < column => column - other,
                _ => before(other),
            };
            match about.prediction {
                Prediction::Zero => Expected::Zero,
                Prediction::Before => Expected::Same(width),
                Prediction::BeforeOf(other) => Expected::Same(before(other)),
                Prediction::Same(other) => Expected::Same(now(other)),
                Prediction::Larger(one, other) => Expected::Larger(now(one), now(other)),
                Prediction::Smaller(one, other) => Expected::Smaller(now(one), now(other)),
            }
        });
        let predictions = predictions.collect();
        Self { width, predictions, values: vec![0; (rows + 1) * width] }
    }

    /// Sets the value of a row and column as `make` says, which is told what is expected. Columns
    /// of a row come in order, and rows too.
    pub(super) fn set(&mut self, row: usize, column: usize, make: impl FnOnce(i64) -> i64) {
        let at = (row + 1) * self.width + column;
        let before = |back: usize| self.values[at - back];
        let expected = match self.predictions[column] {
            Expected::Zero => 0,
            Expected::Same(back) => before(back),
            Expected::Larger(one, other) => before(one).max(before(other)),
            Expected::Smaller(one, other) => before(one).min(before(other)),
        };
        self.values[at] = make(expected);
    }

    /// The values of a column, in the order of the rows.
    pub(super) fn column(&self, column: usize) -> impl ExactSizeIterator<Item = i64> + '_ {
        self.values[self.width..].iter().skip(column).step_by(self.width).copied()
    }
}
