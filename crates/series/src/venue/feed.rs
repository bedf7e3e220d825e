use futures_util::stream::BoxStream;

use super::VenueError;
use crate::time::Time;

/// What a venue tells of a series as it happens: what a slot's row is now.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FeedMessage<R> {
    /// When the slot begins.
    pub time: Time,
    /// The row so far.
    pub row: R,
    /// Whether the venue says that it has closed: it is not told of again.
    pub closed: bool,
}

/// The messages of one connection, in the order in which they came.
pub type FeedStream<R> = BoxStream<'static, Result<FeedMessage<R>, VenueError>>;
