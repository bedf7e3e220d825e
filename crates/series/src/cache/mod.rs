//! Requests answered from memory, database and venue: the rooms of this crate put together.
//!
//! ```text
//! read: select slots ─▶ load what is stored ─▶ plan what is missing ─▶ pages, one flight each
//!          ▲                                                               │ admit, store, publish
//!          └───────────────────────────────────────────────────────────────┘
//! ```
//!
//! What is in memory of a series is a snapshot that is replaced as a whole, so that readers wait for
//! nobody; what is changed is changed in the database first, a record at a time.

mod allowance;
mod check;
mod error;
mod feed;
mod flights;
mod gate;
mod handle;
mod holding;
mod import;
mod known;
mod listing;
mod memory;
mod offline;
mod options;
mod outage;
mod page;
mod patience;
mod progress;
mod read;
mod reading;
mod recency;
mod resampled;
mod series_cache;
mod shared;
mod sources;
mod state;
mod stats;
mod subscription;
mod uses;
mod write;

pub use error::SeriesError;
pub use feed::FeedStatus;
pub use handle::Series;
pub use known::{Gap, Span};
pub use options::{MemoryBounds, Retry, SeriesOptions};
pub use progress::{Fetch, Progress};
pub use reading::Reading;
pub use resampled::ResampledReading;
pub use series_cache::{SeriesCache, SeriesCacheBuilder};
pub use sources::Source;
pub use stats::SeriesStats;
pub use subscription::{LiveRow, Subscription};
