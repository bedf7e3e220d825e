use std::time::Duration;

use cache_series::venue::VenueError;

use super::NAME;
use super::message::{MessageError, Subject, message};
use super::refusal::{answered, subscription_refused};
use crate::feed::{Heard, Protocol};
use crate::refusal;
use crate::socket::SocketError;

/// The exchange ends a connection on which nothing was said for thirty seconds.
const PING_EVERY: Duration = Duration::from_secs(20);

impl Protocol for Subject {
    fn subscription(&self) -> Option<String> {
        // Both are letters, digits, hyphens and underscores, none of which JSON escapes.
        let Self { channel, symbol, .. } = self;
        Some(format!(
            r#"{{"op":"subscribe","args":[{{"channel":"{channel}","instId":"{symbol}"}}]}}"#
        ))
    }

    fn ping(&self) -> Option<(Duration, &'static str)> {
        Some((PING_EVERY, "ping"))
    }

    fn read(&self, text: &str) -> Result<Heard, VenueError> {
        message(text, self).map_err(|error| match error {
            MessageError::Parse(error) => refusal::malformed(NAME, text.as_bytes(), error),
            MessageError::Refused { code, text } => subscription_refused(&code, &text),
        })
    }

    fn lost(&self, error: SocketError) -> VenueError {
        refusal::feed_lost(NAME, error, answered)
    }
}
