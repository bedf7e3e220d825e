use cache_core::key::KeyError;
use cache_core::storage::StorageError;

use crate::key::SeriesKey;
use crate::record::RecordError;

/// Why a record could not be read or written. Cheap to clone, so that all who wait get it.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The storage failed.
    #[error("{series}: {source}")]
    Storage {
        /// The series; `-` for what concerns many.
        series: String,
        /// What went wrong.
        source: Box<StorageError>,
    },
    /// The record would have no valid key.
    #[error("{series}: {source}")]
    Key {
        /// The series.
        series: String,
        /// What is wrong with it.
        source: KeyError,
    },
    /// The record is whole, but of a newer release or of other rows: it is left as it is.
    #[error("{series}: {source}")]
    Record {
        /// The series.
        series: String,
        /// What it is.
        source: RecordError,
    },
    /// The record is larger than the storage takes.
    #[error("{series}: a record of {bytes} bytes is more than the storage takes")]
    TooLarge {
        /// The series.
        series: String,
        /// Its length.
        bytes: usize,
    },
    /// Others were faster so many times in a row.
    #[error("{series}: others changed the record first, {attempts} times in a row")]
    Contended {
        /// The series.
        series: String,
        /// How often it was tried.
        attempts: u32,
    },
}

impl StoreError {
    pub(super) fn storage(series: &SeriesKey, source: StorageError) -> Self {
        Self::Storage { series: series.to_string(), source: Box::new(source) }
    }

    /// Whether the same call may succeed if it is made again after a while.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Storage { source, .. } => source.is_transient(),
            Self::Contended { .. } => true,
            Self::Key { .. } | Self::Record { .. } | Self::TooLarge { .. } => false,
        }
    }
}
