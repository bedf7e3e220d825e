use std::time::Duration;

use cache_series::venue::{VenueError, VenueErrorKind};
use serde::Deserialize;

use super::NAME;
use super::limits::WINDOW;
use crate::http::{Reply, preview};
use crate::refusal::{self, LeftAlone};

/// What every reply of the exchange begins with.
#[derive(Debug, Deserialize)]
struct Envelope {
    code: String,
    #[serde(default)]
    msg: String,
}

/// The code of an answer.
const GOOD: &str = "0";

const LEFT_ALONE: LeftAlone = LeftAlone {
    // A firewall that has shut an address out does not say for how long.
    banned: Duration::from_secs(300),
    // For as long as it counts calls.
    rate_limited: WINDOW,
};

impl refusal::Envelope for Envelope {
    const VENUE: &'static str = NAME;
    const LEFT_ALONE: LeftAlone = LEFT_ALONE;

    fn is_answer(&self) -> bool {
        self.code == GOOD
    }

    fn kind_of_status(status: u16) -> VenueErrorKind {
        match status {
            410 => VenueErrorKind::Unavailable,
            _ => refusal::kind_of_status(status),
        }
    }

    /// A refusal that says its code.
    fn refusal(&self, reply: &Reply) -> VenueError {
        let Self { code, msg } = self;
        let kind = match (reply.status, kind_of_code(code, msg)) {
            (_, Some(kind)) => kind,
            (200..300, None) => VenueErrorKind::Refused,
            (status, None) => Self::kind_of_status(status),
        };
        refused(kind, code, msg)
    }
}

fn refused(kind: VenueErrorKind, code: &str, said: &str) -> VenueError {
    let (said, code) = (preview(said.as_bytes()), preview(code.as_bytes()));
    VenueError::new(NAME, kind, format!("{said} (code {code})"))
}

/// The reply if it is an answer: of status 2xx, and with a code that says so.
pub(super) fn answered(reply: Reply) -> Result<Reply, VenueError> {
    refusal::answered::<Envelope>(reply)
}

/// The kind of a refusal by its code ("Error Code"); `None` if the status tells more.
fn kind_of_code(code: &str, message: &str) -> Option<VenueErrorKind> {
    let names = |word: &str| message.to_ascii_lowercase().contains(word);
    Some(match code {
        // Too many calls of an address, of an account.
        "50011" | "50061" => VenueErrorKind::RateLimited,
        // Not available, offline, busy, an error of the system's.
        "50001" | "50005" | "50013" | "50026" => VenueErrorKind::Unavailable,
        "50004" => VenueErrorKind::Timeout,
        // No such instrument, no such index, an instrument of another kind.
        "51001" | "51014" | "51015" => VenueErrorKind::UnknownSymbol,
        // Parameters: only the message says which.
        "51000" if names("instid") => VenueErrorKind::UnknownSymbol,
        "51000" if names("bar") || names("insttype") => VenueErrorKind::Unsupported,
        // Not while trading is simulated.
        "50038" => VenueErrorKind::Unsupported,
        _ => return None,
    })
}

/// What a feed says instead of subscribing, or later.
pub(super) fn subscription_refused(code: &str, said: &str) -> VenueError {
    let kind = match code {
        // No such channel, or none of this instrument.
        "60018" => VenueErrorKind::UnknownSymbol,
        "60014" => VenueErrorKind::RateLimited,
        // Channels of another address.
        "64001" => VenueErrorKind::Unsupported,
        // An error of the system's, a service that is not available.
        "63999" | "64003" | "50001" | "50026" => VenueErrorKind::Unavailable,
        _ => VenueErrorKind::Refused,
    };
    LEFT_ALONE.after(refused(kind, code, said), None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::reply;

    #[test]
    fn every_refusal_has_its_kind() {
        use VenueErrorKind::*;
        for (status, body, expected) in [
            (
                200,
                r#"{"code":"51001","msg":"Instrument ID doesn't exist","data":[]}"#,
                UnknownSymbol,
            ),
            (400, r#"{"code":"51000","msg":"Parameter instId error","data":[]}"#, UnknownSymbol),
            (400, r#"{"code":"51000","msg":"Parameter bar error","data":[]}"#, Unsupported),
            (400, r#"{"code":"51000","msg":"Parameter limit error","data":[]}"#, Refused),
            (200, r#"{"code":"50011","msg":"Too Many Requests","data":[]}"#, RateLimited),
            (429, r#"{"code":"50011","msg":"Too Many Requests","data":[]}"#, RateLimited),
            (200, r#"{"code":"50061","msg":"Sub-account rate limit","data":[]}"#, RateLimited),
            (429, r#"{"code":"50013","msg":"Systems are busy."}"#, Unavailable),
            (503, r#"{"code":"50001","msg":"Service temporarily unavailable"}"#, Unavailable),
            (500, r#"{"code":"50026","msg":"System error"}"#, Unavailable),
            (410, r#"{"code":"50005","msg":"API is offline"}"#, Unavailable),
            (400, r#"{"code":"50004","msg":"Endpoint request timeout"}"#, Timeout),
            (200, r#"{"code":"50038","msg":"Unavailable in demo trading"}"#, Unsupported),
            (200, r#"{"code":"99999"}"#, Refused),
            (200, r#"{"code":"","msg":"","data":[]}"#, Refused),
            (401, r#"{"code":"50103","msg":"OK-ACCESS-KEY can not be empty"}"#, Refused),
            (200, "<html>maintenance</html>", Malformed),
            (200, r#"{"data":[]}"#, Malformed),
            (200, r#"{"code":0,"msg":"","data":[]}"#, Malformed),
            (200, "[]", Malformed),
            (200, "", Malformed),
            (500, r#"{"code":"0","msg":"","data":[]}"#, Unavailable),
            (403, "<html>error code: 1015</html>", Banned),
            (429, "", RateLimited),
            (404, "", Unsupported),
            (502, "<html>", Unavailable),
            (504, "", Timeout),
            (301, "", Refused),
        ] {
            let error = answered(reply(status, body)).unwrap_err();
            assert_eq!(error.kind(), expected, "{status} {body}");
        }
        assert!(answered(reply(200, r#"{"code":"0","msg":"","data":[]}"#)).is_ok());
    }

    #[test]
    fn whoever_asked_too_often_is_told_for_how_long_to_wait() {
        let wait = |reply| answered(reply).unwrap_err().retry_after().map(|wait| wait.as_secs());
        assert_eq!(wait(reply(200, r#"{"code":"50011"}"#)), Some(2));
        assert_eq!(wait(reply(429, "")), Some(2));
        let said = Reply { retry_after: Some(Duration::from_secs(7)), ..reply(429, "") };
        assert_eq!(wait(said), Some(7));
        assert_eq!(wait(reply(403, "")), Some(300));
        assert_eq!(wait(reply(500, "")), None);
    }

    #[test]
    fn a_message_says_what_was_said_and_no_more() {
        let error = answered(reply(200, r#"{"code":"51001","msg":"Instrument ID doesn't exist"}"#));
        let text = error.unwrap_err().to_string();
        assert_eq!(text, "okx: Instrument ID doesn't exist (code 51001) (unknown_symbol)");
        let long = "x".repeat(10_000);
        let long = format!(r#"{{"code":"{long}","msg":"{long}"}}"#);
        assert!(answered(reply(200, &long)).unwrap_err().to_string().len() < 400);
    }

    #[test]
    fn feeds_refuse_by_codes_of_their_own() {
        use VenueErrorKind::*;
        for (code, expected) in [
            ("60018", UnknownSymbol),
            ("60014", RateLimited),
            ("64001", Unsupported),
            ("63999", Unavailable),
            ("60012", Refused),
        ] {
            let error = subscription_refused(code, "no");
            assert_eq!(error.kind(), expected, "{code}");
            let waits = (expected == RateLimited).then_some(WINDOW);
            assert_eq!(error.retry_after(), waits, "{code}");
        }
    }
}
