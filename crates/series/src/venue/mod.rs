//! Where histories come from: what a connector has to do, what it answers and how it fails.

mod contract;
mod error;
mod feed;
mod limits;
mod listing;
mod registry;

pub use contract::Venue;
pub use error::{VenueError, VenueErrorKind};
pub use feed::{FeedMessage, FeedStream};
pub use limits::{Allowance, Limits, UsedWeight};
pub use listing::Listing;
pub use registry::{UnknownVenue, Venues};
