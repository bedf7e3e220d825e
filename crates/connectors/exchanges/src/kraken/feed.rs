use std::time::{Duration, SystemTime};

use cache_series::venue::VenueError;

use super::NAME;
use super::message::{MessageError, Subject, message};
use super::refusal::{answered, in_maintenance, subscription_refused};
use crate::feed::{Heard, Protocol};
use crate::refusal;
use crate::socket::SocketError;

/// The exchange ends connections by which nothing is said for about a minute.
const PING_EVERY: Duration = Duration::from_secs(30);

impl Protocol for Subject {
    fn subscription(&self) -> Option<String> {
        // A symbol is letters, digits and a slash, none of which JSON has to escape.
        let Self { symbol, interval } = self;
        Some(format!(
            r#"{{"method":"subscribe","params":{{"channel":"ohlc","symbol":["{symbol}"],"interval":{interval},"snapshot":true}}}}"#
        ))
    }

    fn ping(&self) -> Option<(Duration, &'static str)> {
        Some((PING_EVERY, r#"{"method":"ping"}"#))
    }

    /// The exchange does not say that a row has closed: it begins the next one.
    fn closes_with_next(&self) -> bool {
        true
    }

    /// Nothing is told of slots without a trade, whose flat rows are read in any case: so is the row
    /// before them then.
    fn row_length(&self) -> Option<Duration> {
        Some(Duration::from_secs(u64::from(self.interval) * 60))
    }

    fn read(&self, text: &str) -> Result<Heard, VenueError> {
        message(text, self).map_err(|error| match error {
            MessageError::Parse(error) => refusal::malformed(NAME, text.as_bytes(), error),
            MessageError::Refused { text } => subscription_refused(&text, SystemTime::now()),
            MessageError::Maintenance => in_maintenance(),
        })
    }

    fn lost(&self, error: SocketError) -> VenueError {
        refusal::feed_lost(NAME, error, answered)
    }
}
