use std::time::Duration;

use cache_series::row::Candle;
use cache_series::time::Time;
use cache_series::venue::VenueError;

use crate::socket::SocketError;

/// What an exchange's feeds say, and what they want to be told.
pub(crate) trait Protocol: Send + Sync + 'static {
    /// What is said first to hear of a series; nothing where the address says it. A connection is
    /// one only once [`Heard::Subscribed`] came of it.
    fn subscription(&self) -> Option<String> {
        None
    }

    /// What is said besides, after the subscription, and of which no answer is waited for.
    fn companion(&self) -> Option<&'static str> {
        None
    }

    /// Whether the exchange never says that a row has closed: it has then once a later one begins.
    fn closes_with_next(&self) -> bool {
        false
    }

    /// What is said to be let live, and how often, where the protocol's own pings are not enough.
    fn ping(&self) -> Option<(Duration, &'static str)> {
        None
    }

    /// How long a row lasts, where only the next row closes one and none after that: what was not
    /// heard in between may have changed it.
    fn row_length(&self) -> Option<Duration> {
        None
    }

    /// What a message says.
    ///
    /// # Errors
    /// If it cannot be read or tells of a failure: the feed ends with it.
    fn read(&self, text: &str) -> Result<Heard, VenueError>;

    /// A connection that could not be made, or was lost.
    fn lost(&self, error: SocketError) -> VenueError;
}

/// What a message says.
#[derive(Debug, PartialEq)]
pub(crate) enum Heard {
    /// Rows, the oldest first.
    Rows(Vec<Update>),
    /// The subscription stands.
    Subscribed,
    /// The server goes down soon: another connection is needed.
    Leaving,
    /// Something that has nothing to do with rows.
    Nothing,
}

/// A row as it stands.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Update {
    /// When the exchange said so, in milliseconds since 1970 by its clock.
    pub(crate) event_ms: i64,
    pub(crate) time: Time,
    pub(crate) candle: Candle,
    pub(crate) closed: bool,
}
