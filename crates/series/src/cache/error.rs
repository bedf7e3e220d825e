use crate::key::SeriesKey;
use crate::request::{Report, RequestError};
use crate::resample::ResampleError;
use crate::store::StoreError;
use crate::venue::{UnknownVenue, VenueError};

/// Why a series could not be read. Cheap to clone, so that all who wait for one thing get it.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SeriesError {
    /// There is no connector for the series.
    #[error(transparent)]
    UnknownVenue(#[from] UnknownVenue),
    /// The venue could not be asked, or refused.
    #[error("{series}: {source}")]
    Venue {
        /// The series.
        series: String,
        /// What the venue said.
        source: VenueError,
    },
    /// What is stored could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The request cannot be answered as it is.
    #[error("{series}: {source}")]
    Request {
        /// The series.
        series: String,
        /// What is wrong with it.
        source: RequestError,
    },
    /// More is missing than the request tolerates.
    #[error(
        "{series}: {} of {} slots are missing{}",
        .report.missing_slots(),
        .report.slots.len(),
        .cause.as_ref().map_or_else(String::new, |cause| format!(": {cause}"))
    )]
    Incomplete {
        /// The series.
        series: String,
        /// What is known, and what is missing.
        report: Box<Report>,
        /// The failure of the venue that was heard of last, if it is missing for that.
        #[source]
        cause: Option<VenueError>,
    },
    /// Two connectors of one venue and environment do not agree where its days begin.
    #[error("{series}: connectors do not agree where the venue's days and weeks begin")]
    Alignment {
        /// The series.
        series: String,
    },
    /// The timeframe cannot be made of another.
    #[error("{series}: {source}")]
    Resample {
        /// The series that there is.
        series: String,
        /// Why.
        source: ResampleError,
    },
    /// It was cancelled by [`Fetch::cancel`](super::Fetch::cancel).
    #[error("{series}: reading was cancelled")]
    Cancelled {
        /// The series.
        series: String,
    },
    /// The task that did it was stopped with its runtime, or panicked.
    #[error("{series}: the task that read it was stopped")]
    Stopped {
        /// The series.
        series: String,
    },
}

impl SeriesError {
    pub(super) fn venue(series: &SeriesKey, source: VenueError) -> Self {
        Self::Venue { series: series.to_string(), source }
    }

    pub(super) fn request(series: &SeriesKey, source: RequestError) -> Self {
        Self::Request { series: series.to_string(), source }
    }

    pub(super) fn stopped(series: &SeriesKey) -> Self {
        Self::Stopped { series: series.to_string() }
    }

    /// Whether the same request may be answered if it is made again after a while.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Venue { source, .. } => source.is_transient(),
            Self::Store(source) => source.is_transient(),
            Self::Incomplete { cause, .. } => cause.as_ref().is_some_and(VenueError::is_transient),
            Self::Cancelled { .. } | Self::Stopped { .. } => true,
            Self::UnknownVenue(_)
            | Self::Request { .. }
            | Self::Alignment { .. }
            | Self::Resample { .. } => false,
        }
    }

    /// What the venue said, if it is for that.
    pub fn venue_error(&self) -> Option<&VenueError> {
        match self {
            Self::Venue { source, .. } => Some(source),
            Self::Incomplete { cause, .. } => cause.as_ref(),
            _ => None,
        }
    }

    /// What is known and what is missing, if it is for that.
    pub fn report(&self) -> Option<&Report> {
        match self {
            Self::Incomplete { report, .. } => Some(report),
            _ => None,
        }
    }
}
