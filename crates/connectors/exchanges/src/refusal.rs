//! What every exchange's failures have in common, whatever their kinds are told by.

use std::time::Duration;

use cache_series::venue::{VenueError, VenueErrorKind};
use serde::de::DeserializeOwned;

use crate::http::{HttpError, Reply, preview};
use crate::line::Answered;
use crate::parse::ParseError;
use crate::socket::SocketError;

/// What an exchange's replies have around them, by which a refusal is told from an answer.
pub(crate) trait Envelope: DeserializeOwned {
    /// The exchange's name in keys.
    const VENUE: &'static str;
    /// What is known of its patience.
    const LEFT_ALONE: LeftAlone;

    /// Whether it says that there is an answer in it; in what has another status than 2xx there is
    /// none.
    fn is_answer(&self) -> bool;

    /// The exchange's own reading of a status, where nothing else says why.
    fn kind_of_status(status: u16) -> VenueErrorKind {
        kind_of_status(status)
    }

    /// What a reply says that is no answer.
    fn refusal(&self, reply: &Reply) -> VenueError;
}

/// For how long an exchange is to be left alone where it does not say so itself.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LeftAlone {
    /// If it does not listen any more.
    pub(crate) banned: Duration,
    /// If it was asked too often.
    pub(crate) rate_limited: Duration,
}

/// No exchange shuts out for longer than three days; a head that says so is broken, and would leave
/// the exchange alone for ever.
const WAIT_MAX: Duration = Duration::from_secs(3 * 86_400);

impl LeftAlone {
    /// The error with how long to wait after it: as the exchange has said, or as is known of it. A
    /// wait of nothing is none.
    pub(crate) fn after(self, error: VenueError, said: Option<Duration>) -> VenueError {
        let known = match error.kind() {
            VenueErrorKind::Banned => Some(self.banned),
            VenueErrorKind::RateLimited => Some(self.rate_limited),
            _ => None,
        };
        let is_some = |wait: &Duration| !wait.is_zero();
        let said = said.filter(is_some).or_else(|| error.retry_after().filter(is_some));
        match said.or(known) {
            Some(wait) => error.with_retry_after(wait.min(WAIT_MAX)),
            None => error,
        }
    }
}

/// The reply if it is an answer: of status 2xx, in an envelope that says so.
///
/// What has no such envelope is no answer of the exchange's, whatever its status.
pub(crate) fn answered<E: Envelope>(reply: Reply) -> Result<Reply, VenueError> {
    let good = (200..300).contains(&reply.status);
    let error = match serde_json::from_slice::<E>(&reply.body) {
        Ok(envelope) if good && envelope.is_answer() => return Ok(reply),
        Ok(envelope) => envelope.refusal(&reply),
        Err(error) if good => {
            let text = String::from_utf8_lossy(&reply.body);
            malformed(E::VENUE, &reply.body, ParseError::of_json(&text, error))
        }
        Err(_) => failed(E::VENUE, &reply, E::kind_of_status(reply.status)),
    };
    Err(E::LEFT_ALONE.after(error, reply.retry_after))
}

/// What a status means wherever an exchange does not say otherwise.
pub(crate) fn kind_of_status(status: u16) -> VenueErrorKind {
    match status {
        // Of the firewall before the exchange, or of the exchange to an address.
        403 => VenueErrorKind::Banned,
        429 => VenueErrorKind::RateLimited,
        408 | 504 => VenueErrorKind::Timeout,
        404 => VenueErrorKind::Unsupported,
        500.. => VenueErrorKind::Unavailable,
        _ => VenueErrorKind::Refused,
    }
}

/// A failure that says nothing but its status: a proxy's page, or nothing at all.
pub(crate) fn failed(venue: &str, reply: &Reply, kind: VenueErrorKind) -> VenueError {
    let Reply { status, body, .. } = reply;
    let said = preview(body);
    VenueError::new(venue, kind, format!("status {status} and no word of why: {said:?}"))
}

/// An answer that could not be read.
pub(crate) fn malformed(venue: &str, body: &[u8], error: ParseError) -> VenueError {
    let message = format!("{error}: {:?}", preview(body));
    VenueError::new(venue, VenueErrorKind::Malformed, message).with_source(error)
}

/// No reply.
pub(crate) fn unreached(venue: &str, error: HttpError) -> VenueError {
    let kind = match error {
        HttpError::Unreachable(_) => VenueErrorKind::Unavailable,
        HttpError::Timeout(_) => VenueErrorKind::Timeout,
        HttpError::Cut(_) | HttpError::TooLarge { .. } => VenueErrorKind::Malformed,
    };
    VenueError::new(venue, kind, error.to_string()).with_source(error)
}

/// No feed, or no more of it. A connection that was refused is read as a call's refusal is: who is
/// shut out there has to wait as long as here.
pub(crate) fn feed_lost(venue: &str, error: SocketError, answered: Answered) -> VenueError {
    let message = error.to_string();
    let kind = match error {
        SocketError::Unreachable(_) | SocketError::Lost(_) | SocketError::Closed => {
            VenueErrorKind::Unavailable
        }
        SocketError::ConnectTimeout | SocketError::Silent(_) => VenueErrorKind::Timeout,
        SocketError::Refused(reply) => {
            let Err(why) = answered(*reply) else {
                // What would answer a call is no feed; a proxy may say it.
                return VenueError::new(venue, VenueErrorKind::Malformed, message);
            };
            let error = VenueError::new(venue, why.kind(), format!("{message}: {}", why.message()));
            return match why.retry_after() {
                Some(wait) => error.with_retry_after(wait),
                None => error,
            };
        }
    };
    VenueError::new(venue, kind, message).with_source(error)
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;
    use crate::http::reply;

    /// `{"said":""}` is an answer.
    #[derive(Deserialize)]
    struct Toy {
        said: String,
    }

    impl Envelope for Toy {
        const VENUE: &'static str = "toy";
        const LEFT_ALONE: LeftAlone =
            LeftAlone { banned: Duration::from_secs(600), rate_limited: Duration::from_secs(5) };

        fn is_answer(&self) -> bool {
            self.said.is_empty()
        }

        fn refusal(&self, _: &Reply) -> VenueError {
            VenueError::new(Self::VENUE, VenueErrorKind::RateLimited, &*self.said)
        }
    }

    /// Kind, seconds to wait, message.
    fn told(error: &VenueError) -> (VenueErrorKind, Option<u64>, &str) {
        (error.kind(), error.retry_after().map(|wait| wait.as_secs()), error.message())
    }

    #[test]
    fn a_feed_that_is_refused_waits_as_a_call_does() {
        use VenueErrorKind::*;
        let said = Reply { retry_after: Some(Duration::from_secs(77)), ..reply(429, "") };
        for (reply, kind, wait) in [
            (reply(403, "<html>"), Banned, Some(600)),
            (reply(429, ""), RateLimited, Some(5)),
            (said, RateLimited, Some(77)),
            (reply(400, r#"{"said":"slowly"}"#), RateLimited, Some(5)),
            (reply(200, r#"{"said":"slowly"}"#), RateLimited, Some(5)),
            (reply(503, ""), Unavailable, None),
            (reply(200, "<html>"), Malformed, None),
            (reply(404, ""), Unsupported, None),
        ] {
            let called = answered::<Toy>(reply.clone()).unwrap_err();
            let status = reply.status;
            let lost = feed_lost("toy", SocketError::Refused(Box::new(reply)), answered::<Toy>);
            let message = format!(
                "the feed refused the connection with status {status}: {}",
                called.message()
            );
            assert_eq!(told(&lost), (kind, wait, &*message));
            assert_eq!((called.kind(), called.retry_after()), (kind, lost.retry_after()));
        }
        // What would be an answer is no feed.
        let answer = SocketError::Refused(Box::new(reply(200, r#"{"said":""}"#)));
        let lost = feed_lost("toy", answer, answered::<Toy>);
        let message = "the feed refused the connection with status 200";
        assert_eq!(told(&lost), (Malformed, None, message));
    }

    #[test]
    fn no_head_makes_a_wait_of_nothing_or_without_end() {
        let wait = |status, seconds| {
            let said = Some(Duration::from_secs(seconds));
            let error = answered::<Toy>(Reply { retry_after: said, ..reply(status, "") });
            error.unwrap_err().retry_after().map(|wait| wait.as_secs())
        };
        assert_eq!((wait(403, 0), wait(429, 0), wait(503, 0)), (Some(600), Some(5), None));
        let ends = Some(3 * 86_400);
        assert_eq!((wait(403, 3 * 86_400), wait(403, u64::MAX)), (ends, ends));
        assert_eq!((wait(429, 300_000_000_000), wait(503, u64::from(u32::MAX))), (ends, ends));
    }

    #[test]
    fn a_connection_that_is_lost_waits_for_nothing() {
        use VenueErrorKind::*;
        for (error, kind) in [
            (SocketError::Closed, Unavailable),
            (SocketError::ConnectTimeout, Timeout),
            (SocketError::Silent(Duration::from_secs(60)), Timeout),
        ] {
            let message = error.to_string();
            let lost = feed_lost("toy", error, answered::<Toy>);
            assert_eq!(told(&lost), (kind, None, &*message));
        }
    }
}
