use parquet::errors::ParquetError as FileError;
use tokio::task::JoinError;

use super::chunks::Misplaced;
use super::{ArrowError, ImportError};

/// Why Parquet could not be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ParquetError {
    /// The input could not be read, or is no Parquet.
    #[error("Parquet could not be read: {0}")]
    Read(#[source] FileError),
    /// The output could not be written.
    #[error("Parquet could not be written: {0}")]
    Write(#[source] FileError),
    /// The file tells what was written to it, and that is not what is in it.
    #[error("the file is damaged: {problem}")]
    Damaged {
        /// What is wrong with it.
        problem: String,
    },
    /// The file is so damaged that the library that reads Parquet panicked.
    #[error("the file is damaged: its reader panicked: {problem}")]
    Panicked {
        /// What it said.
        problem: String,
    },
    /// The columns or rows are not what they should be, or the series could not be read or written.
    #[error(transparent)]
    Columns(#[from] ArrowError),
    /// The task that read the input was stopped with its runtime.
    #[error("the task that read the Parquet was stopped")]
    Stopped,
}

impl From<ImportError> for ParquetError {
    fn from(error: ImportError) -> Self {
        Self::Columns(error.into())
    }
}

impl From<Misplaced> for ParquetError {
    fn from(misplaced: Misplaced) -> Self {
        Self::Columns(misplaced.into())
    }
}

impl ParquetError {
    pub(super) fn damaged(problem: impl Into<String>) -> Self {
        Self::Damaged { problem: problem.into() }
    }

    pub(super) fn read(error: arrow_schema::ArrowError) -> Self {
        Self::Read(FileError::External(Box::new(error)))
    }

    /// What a batch that could not be made says.
    pub(super) fn batch(error: arrow_schema::ArrowError) -> Self {
        use arrow_schema::ArrowError::ExternalError;
        Self::Columns(match error {
            ExternalError(source) => match source.downcast::<ArrowError>() {
                Ok(own) => *own,
                Err(source) => ArrowError::Read(ExternalError(source)),
            },
            other => ArrowError::Read(other),
        })
    }

    /// How a task ended that did not come to its end.
    pub(super) fn stopped(error: JoinError) -> Self {
        let Ok(payload) = error.try_into_panic() else { return Self::Stopped };
        let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
        let text = text.or_else(|| payload.downcast_ref::<String>().cloned());
        Self::Panicked { problem: text.unwrap_or_else(|| "it did not say why".to_owned()) }
    }

    /// Whether the same may succeed if it is done again after a while.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Columns(source) => source.is_transient(),
            Self::Stopped => true,
            _ => false,
        }
    }
}
