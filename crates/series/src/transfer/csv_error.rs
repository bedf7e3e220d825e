use std::io;

use super::ImportError;
use super::chunks::Misplaced;
use crate::admit::Reason;
use crate::time::Time;

/// Why CSV could not be read or written. Lines are counted from 1, the names of the columns included.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CsvError {
    /// The input could not be read.
    #[error("CSV could not be read: {0}")]
    Read(#[source] io::Error),
    /// The output could not be written.
    #[error("CSV could not be written: {0}")]
    Write(#[source] io::Error),
    /// A line is no CSV, or has more or fewer fields than there are columns.
    #[error("line {line}: {problem}")]
    Malformed {
        /// The line.
        line: u64,
        /// What is wrong with it.
        problem: String,
    },
    /// A column that the rows need is not there, or stands there twice.
    #[error("{count} columns are named `{column}`, not one")]
    Column {
        /// Its name.
        column: String,
        /// How many there are.
        count: usize,
    },
    /// A field is no value of its column.
    #[error("line {line}, column `{column}`: {text:?} is not {expected}")]
    Value {
        /// The line.
        line: u64,
        /// The column.
        column: String,
        /// The field; its begin, if it is long.
        text: String,
        /// What it should be.
        expected: &'static str,
    },
    /// A row cannot be taken.
    #[error("line {line}: the row of {time} was not taken: {reason}")]
    Row {
        /// The line.
        line: u64,
        /// The row's time.
        time: Time,
        /// Why.
        reason: Reason,
    },
    /// Lines are neither in the order of time nor in the reverse: rows of one chunk lie apart.
    #[error("line {line}: the row of {time} lies among rows of earlier lines that were taken in")]
    Order {
        /// The line.
        line: u64,
        /// The row's time.
        time: Time,
    },
    /// The series could not be read or written.
    #[error(transparent)]
    Import(#[from] ImportError),
    /// The task that read the input was stopped with its runtime, or panicked.
    #[error("the task that read the CSV was stopped")]
    Stopped,
}

impl From<Misplaced> for CsvError {
    fn from(misplaced: Misplaced) -> Self {
        match misplaced {
            Misplaced::Repeated { at, time } => {
                Self::Row { line: at, time, reason: Reason::Repeated }
            }
            Misplaced::Order { at, time } => Self::Order { line: at, time },
        }
    }
}

/// No more of a field than that is shown.
const SHOWN_CHARS_MAX: usize = 40;

impl CsvError {
    pub(super) fn read(error: csv::Error) -> Self {
        let line = error.position().map_or(0, csv::Position::line);
        let problem = error.to_string();
        match error.into_kind() {
            csv::ErrorKind::Io(source) => Self::Read(source),
            csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
                let problem = format!("{len} fields, not {expected_len}");
                Self::Malformed { line, problem }
            }
            csv::ErrorKind::Utf8 { .. } => {
                Self::Malformed { line, problem: "it is no UTF-8".to_owned() }
            }
            _ => Self::Malformed { line, problem },
        }
    }

    pub(super) fn write(error: csv::Error) -> Self {
        let text = error.to_string();
        Self::Write(match error.into_kind() {
            csv::ErrorKind::Io(source) => source,
            _ => io::Error::other(text),
        })
    }

    pub(super) fn value(line: u64, column: &str, text: &str, expected: &'static str) -> Self {
        let text = text.chars().take(SHOWN_CHARS_MAX).collect();
        Self::Value { line, column: column.to_owned(), text, expected }
    }

    /// Whether the same may succeed if it is done again after a while.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Import(source) => source.is_transient(),
            Self::Stopped => true,
            _ => false,
        }
    }
}
