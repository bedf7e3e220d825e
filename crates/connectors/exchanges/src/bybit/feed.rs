use std::time::Duration;

use cache_series::venue::VenueError;

use super::NAME;
use super::message::{MessageError, Subject, message};
use super::refusal::{answered, subscription_refused};
use crate::feed::{Heard, Protocol};
use crate::refusal;
use crate::socket::SocketError;

/// The exchange wants to hear from whoever listens every twenty seconds.
const PING_EVERY: Duration = Duration::from_secs(20);

impl Protocol for Subject {
    fn subscription(&self) -> Option<String> {
        // A topic is letters, digits, points and hyphens, none of which JSON escapes.
        Some(format!(r#"{{"op":"subscribe","args":["{}"]}}"#, self.topic))
    }

    fn ping(&self) -> Option<(Duration, &'static str)> {
        Some((PING_EVERY, r#"{"op":"ping"}"#))
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
