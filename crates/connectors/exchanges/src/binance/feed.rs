use cache_series::venue::{VenueError, VenueErrorKind};

use super::NAME;
use super::message::{Kline, Message, MessageError, Subject, message};
use super::refusal::answered;
use crate::feed::{Heard, Protocol, Update};
use crate::refusal;
use crate::socket::SocketError;

/// The address says which series is told of; pings are those of the protocol.
impl Protocol for Subject {
    fn read(&self, text: &str) -> Result<Heard, VenueError> {
        match message(text, self) {
            Ok(Message::Kline(Kline { event_ms, time, candle, closed })) => {
                Ok(Heard::Rows(vec![Update { event_ms, time, candle, closed }]))
            }
            Ok(Message::ServerShutdown) => Ok(Heard::Leaving),
            Ok(Message::Other) => Ok(Heard::Nothing),
            Err(MessageError::Parse(error)) => {
                Err(refusal::malformed(NAME, text.as_bytes(), error))
            }
            Err(error) => {
                let message = error.to_string();
                Err(VenueError::new(NAME, VenueErrorKind::Malformed, message).with_source(error))
            }
        }
    }

    fn lost(&self, error: SocketError) -> VenueError {
        refusal::feed_lost(NAME, error, answered)
    }
}
