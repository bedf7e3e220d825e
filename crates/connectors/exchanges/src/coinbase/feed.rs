use std::time::Duration;

use cache_series::venue::VenueError;

use super::NAME;
use super::message::{MessageError, Subject, message};
use super::refusal::{answered, subscription_refused};
use crate::feed::{Heard, Protocol};
use crate::refusal;
use crate::socket::SocketError;

/// The rows of all feeds are so long.
const ROW_LENGTH: Duration = Duration::from_secs(300);

impl Protocol for Subject {
    fn subscription(&self) -> Option<String> {
        // A symbol is letters, digits and a hyphen, none of which JSON escapes.
        let symbol = &self.symbol;
        Some(format!(r#"{{"type":"subscribe","product_ids":["{symbol}"],"channel":"candles"}}"#))
    }

    /// A channel on which nothing happens for a minute or so is closed, unless there are heartbeats
    /// beside it: one a second, by which a connection that is lost is known as well.
    fn companion(&self) -> Option<&'static str> {
        Some(r#"{"type":"subscribe","channel":"heartbeats"}"#)
    }

    fn closes_with_next(&self) -> bool {
        true
    }

    /// After a time without a row nobody knows whether there was a trade in it, and in the row
    /// before.
    fn row_length(&self) -> Option<Duration> {
        Some(ROW_LENGTH)
    }

    fn read(&self, text: &str) -> Result<Heard, VenueError> {
        message(text, self).map_err(|error| match error {
            MessageError::Parse(error) => refusal::malformed(NAME, text.as_bytes(), error),
            MessageError::Refused { text } => subscription_refused(&text),
        })
    }

    fn lost(&self, error: SocketError) -> VenueError {
        refusal::feed_lost(NAME, error, answered)
    }
}
