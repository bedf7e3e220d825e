use cache_series::venue::VenueError;

use super::message::{MessageError, Subject, message};
use super::refusal::{feed_lost, malformed, subscription_refused};
use crate::feed::{Heard, Protocol};
use crate::socket::SocketError;

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

    fn read(&self, text: &str) -> Result<Heard, VenueError> {
        message(text, self).map_err(|error| match error {
            MessageError::Parse(error) => malformed(text.as_bytes(), error),
            MessageError::Refused { text } => subscription_refused(&text),
        })
    }

    fn lost(&self, error: SocketError) -> VenueError {
        feed_lost(error)
    }
}
