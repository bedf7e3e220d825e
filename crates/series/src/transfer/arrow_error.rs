use super::ImportError;
use super::chunks::Misplaced;
use crate::admit::Reason;
use crate::time::Time;

/// Why Arrow's record batches could not be read or made. Rows are counted from 0, over all batches.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ArrowError {
    /// There was no next batch, but an error in its place.
    #[error("record batches could not be read: {0}")]
    Read(#[source] arrow_schema::ArrowError),
    /// The batches say that they are of another series.
    #[error("the rows are of the series {found:?}, not of {expected}")]
    Series {
        /// Which one they say.
        found: String,
        /// Which one they are put into.
        expected: String,
    },
    /// A column that the rows need is not there, or stands there twice.
    #[error("{count} columns are named `{column}`, not one")]
    Column {
        /// Its name.
        column: String,
        /// How many there are.
        count: usize,
    },
    /// A column is of a type that it cannot be read from.
    #[error("the column `{column}` is of type {found}, not {expected}")]
    Type {
        /// Its name.
        column: String,
        /// Its type, as Arrow names it.
        found: String,
        /// What it should be.
        expected: &'static str,
    },
    /// The column of times is in no time zone, or in another one than UTC.
    #[error(
        "the times of the column `{column}` are in {}, not in UTC",
        .found.as_deref().unwrap_or("no time zone")
    )]
    Zone {
        /// Its name.
        column: String,
        /// Its time zone, if it has one.
        found: Option<String>,
    },
    /// There is no value where there has to be one.
    #[error("row {row}, column `{column}`: there is no value")]
    Null {
        /// The row.
        row: u64,
        /// The column.
        column: String,
    },
    /// A time is no whole number of milliseconds, or not between the years 1 and 9999.
    #[error("row {row}, column `{column}`: {value} is no time in whole milliseconds")]
    Time {
        /// The row.
        row: u64,
        /// The column.
        column: String,
        /// The value, in the column's unit.
        value: i64,
    },
    /// A row cannot be taken.
    #[error("row {row}: the row of {time} was not taken: {reason}")]
    Row {
        /// The row.
        row: u64,
        /// Its time.
        time: Time,
        /// Why.
        reason: Reason,
    },
    /// Rows are neither in the order of time nor in the reverse: rows of one chunk lie apart.
    #[error("row {row}: the row of {time} lies among earlier rows that were taken in")]
    Order {
        /// The row.
        row: u64,
        /// Its time.
        time: Time,
    },
    /// A number is no decimal with so many places after the point, as was asked for.
    #[error("the `{column}` of {time}, {value}, is no decimal with {decimals} places")]
    Decimal {
        /// The row's time.
        time: Time,
        /// The column.
        column: String,
        /// The number.
        value: f64,
        /// How many places there are.
        decimals: u8,
    },
    /// The series could not be read or written.
    #[error(transparent)]
    Import(#[from] ImportError),
    /// The task that read the batches was stopped with its runtime, or panicked.
    #[error("the task that read the record batches was stopped")]
    Stopped,
}

impl From<Misplaced> for ArrowError {
    fn from(misplaced: Misplaced) -> Self {
        match misplaced {
            Misplaced::Repeated { at, time } => {
                Self::Row { row: at, time, reason: Reason::Repeated }
            }
            Misplaced::Order { at, time } => Self::Order { row: at, time },
        }
    }
}

impl ArrowError {
    /// Whether the same may succeed if it is done again after a while.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Import(source) => source.is_transient(),
            Self::Stopped => true,
            _ => false,
        }
    }
}
