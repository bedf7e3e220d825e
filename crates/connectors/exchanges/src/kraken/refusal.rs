use std::time::{Duration, SystemTime, UNIX_EPOCH};

use cache_series::venue::{VenueError, VenueErrorKind};
use serde::Deserialize;

use super::NAME;
use crate::http::{Reply, preview};
use crate::refusal::{self, LeftAlone};

/// What every reply of the exchange begins with.
#[derive(Debug, Deserialize)]
struct Envelope {
    error: Vec<String>,
}

const LEFT_ALONE: LeftAlone = LeftAlone {
    // Whoever is locked out is so "for a few minutes".
    banned: Duration::from_secs(300),
    // Whoever calls too often is refused "for a few seconds".
    rate_limited: Duration::from_secs(5),
};
/// A moment to come back at that lies further ahead is none.
const WAIT_MAX: Duration = Duration::from_secs(3_600);

impl refusal::Envelope for Envelope {
    const VENUE: &'static str = NAME;
    const LEFT_ALONE: LeftAlone = LEFT_ALONE;

    /// A list may have warnings, beside which there is an answer.
    fn is_answer(&self) -> bool {
        self.error.iter().all(|said| said.starts_with('W'))
    }

    fn kind_of_status(status: u16) -> VenueErrorKind {
        match status {
            // The firewall's own, where the exchange did not answer it.
            522 | 524 => VenueErrorKind::Timeout,
            _ => refusal::kind_of_status(status),
        }
    }

    /// A refusal that says why.
    fn refusal(&self, reply: &Reply) -> VenueError {
        let by_words = self.error.iter().find_map(|said| Some((kind_of(said)?, said)));
        let (kind, reason) = match (reply.status, by_words) {
            (403 | 429, _) => (Self::kind_of_status(reply.status), None),
            (_, Some((kind, reason))) => (kind, Some(reason)),
            (200..300, None) => (VenueErrorKind::Refused, None),
            (status, None) => (Self::kind_of_status(status), None),
        };
        let message = match preview(self.error.join(", ").as_bytes()) {
            message if message.is_empty() => format!("status {} and no word of why", reply.status),
            message => message,
        };
        let error = VenueError::new(NAME, kind, message);
        match reason.and_then(|reason| wait(reason, reply.date?)) {
            Some(wait) => error.with_retry_after(wait),
            None => error,
        }
    }
}

/// The reply if it is an answer: of status 2xx, with a list of errors in which there is none.
pub(super) fn answered(reply: Reply) -> Result<Reply, VenueError> {
    refusal::answered::<Envelope>(reply)
}

/// The kind of a refusal by its words ("Errors"): severity and category before the first colon,
/// what is wrong behind it. `None` if the status tells more.
fn kind_of(said: &str) -> Option<VenueErrorKind> {
    let lower = said.to_ascii_lowercase();
    let (category, message) = lower.split_once(':').unwrap_or((&lower, &lower));
    let has = |words: &[&str]| words.iter().any(|word| message.contains(word));
    Some(match category.trim() {
        "equery" if has(&["unknown asset"]) => VenueErrorKind::UnknownSymbol,
        _ if has(&["rate limit", "msg rate", "too many requests", "throttled"]) => {
            VenueErrorKind::RateLimited
        }
        _ if has(&["lockout"]) => VenueErrorKind::Banned,
        "eservice" if has(&["deadline", "timeout"]) => VenueErrorKind::Timeout,
        "eservice" => VenueErrorKind::Unavailable,
        "egeneral" if has(&["internal error"]) => VenueErrorKind::Unavailable,
        "egeneral" if has(&["unknown method"]) => VenueErrorKind::Unsupported,
        "egeneral" if has(&["invalid arguments"]) && has(&["interval"]) => {
            VenueErrorKind::Unsupported
        }
        "eapi" if has(&["feature disabled"]) => VenueErrorKind::Unsupported,
        _ => return None,
    })
}

/// How long it is at a moment of the exchange's own clock until the one that
/// `EService: Throttled: 1700000000` names, in seconds since 1970.
fn wait(reason: &str, now: SystemTime) -> Option<Duration> {
    let seconds = reason.rsplit_once(':')?.1.trim().parse().ok()?;
    let until = UNIX_EPOCH.checked_add(Duration::from_secs(seconds))?;
    let wait = until.duration_since(now).unwrap_or_default();
    // The clock of a reply has begun its second before.
    Some(wait.saturating_add(Duration::from_secs(1))).filter(|wait| *wait <= WAIT_MAX)
}

/// What a feed says at `now` instead of subscribing. Its messages do not tell the time.
pub(super) fn subscription_refused(said: &str, now: SystemTime) -> VenueError {
    let lower = said.to_ascii_lowercase();
    let kind = if ["pair", "symbol", "iso 4217"].iter().any(|word| lower.contains(word)) {
        VenueErrorKind::UnknownSymbol
    } else if lower.contains("interval") {
        VenueErrorKind::Unsupported
    } else {
        // As calls say it.
        kind_of(said).unwrap_or(VenueErrorKind::Refused)
    };
    let told = if kind == VenueErrorKind::RateLimited { wait(said, now) } else { None };
    LEFT_ALONE.after(VenueError::new(NAME, kind, preview(said.as_bytes())), told)
}

/// The exchange is being maintained, and its feeds tell of nothing.
pub(super) fn in_maintenance() -> VenueError {
    let message = "it is in maintenance, and nothing is traded";
    VenueError::new(NAME, VenueErrorKind::Unavailable, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::reply;

    fn refusing(said: &str) -> Reply {
        reply(200, &format!(r#"{{"error":["{said}"]}}"#))
    }

    #[test]
    fn every_refusal_has_its_kind() {
        use VenueErrorKind::*;
        for (said, expected) in [
            ("EQuery:Unknown asset pair", UnknownSymbol),
            ("EQuery:Unknown asset", UnknownSymbol),
            ("EAPI:Rate limit exceeded", RateLimited),
            ("EGeneral:Too many requests", RateLimited),
            ("EService: Throttled: 1700000000", RateLimited),
            ("EGeneral:Temporary lockout", Banned),
            ("EService:Unavailable", Unavailable),
            ("EService:Busy", Unavailable),
            ("EService:Market in cancel_only mode", Unavailable),
            ("EService:Market in post_only mode", Unavailable),
            ("EService:Deadline elapsed", Timeout),
            ("EGeneral:Internal error", Unavailable),
            ("EGeneral:Unknown method", Unsupported),
            ("EGeneral:Invalid arguments:interval", Unsupported),
            ("EGeneral:Invalid arguments", Refused),
            ("EAPI:Feature disabled", Unsupported),
            ("EGeneral:Permission denied", Refused),
            ("EAPI:Invalid key", Refused),
            ("what nobody knows", Refused),
            ("", Refused),
        ] {
            let error = answered(refusing(said)).unwrap_err();
            assert_eq!(error.kind(), expected, "{said}");
        }
        for (status, body, expected) in [
            (200, r#"{"error":["EGeneral:What","EService:Busy"],"result":{}}"#, Unavailable),
            (200, r#"{"error":["WGeneral:Old","EGeneral:What"],"result":{}}"#, Refused),
            (200, r#"{"error":"EService:Busy"}"#, Malformed),
            (200, r#"{"result":{}}"#, Malformed),
            (200, "<html>maintenance</html>", Malformed),
            (200, "[]", Malformed),
            (200, "", Malformed),
            (500, r#"{"error":[],"result":{}}"#, Unavailable),
            (503, r#"{"error":["EQuery:Unknown asset pair"]}"#, UnknownSymbol),
            (403, "<html>blocked</html>", Banned),
            (403, r#"{"error":["EQuery:Unknown asset pair"]}"#, Banned),
            (429, "error code: 1015", RateLimited),
            (404, "", Unsupported),
            (520, "<html>", Unavailable),
            (522, "<html>", Timeout),
            (504, "", Timeout),
            (301, "", Refused),
        ] {
            let error = answered(reply(status, body)).unwrap_err();
            assert_eq!(error.kind(), expected, "{status} {body}");
        }
        for good in
            [r#"{"error":[],"result":{}}"#, r#"{"error":["WGeneral:Deprecated"],"result":{}}"#]
        {
            assert!(answered(reply(200, good)).is_ok(), "{good}");
        }
    }

    #[test]
    fn whoever_is_refused_is_told_for_how_long() {
        let wait = |reply| answered(reply).unwrap_err().retry_after().map(|wait| wait.as_secs());
        assert_eq!(wait(refusing("EAPI:Rate limit exceeded")), Some(5));
        assert_eq!(wait(refusing("EGeneral:Temporary lockout")), Some(300));
        assert_eq!(wait(refusing("EService:Unavailable")), None);
        assert_eq!(wait(reply(403, "")), Some(300));
        let at = |seconds| Some(UNIX_EPOCH + Duration::from_secs(seconds));
        let throttled = |date| Reply { date, ..refusing("EService: Throttled: 1700000007") };
        assert_eq!(wait(throttled(at(1_700_000_000))), Some(8));
        assert_eq!(wait(throttled(at(1_700_000_100))), Some(1), "it is over");
        assert_eq!(wait(throttled(at(1_600_000_000))), Some(5), "years ahead");
        assert_eq!(wait(throttled(None)), Some(5));
        let said = Reply { retry_after: Some(Duration::from_secs(7)), ..throttled(None) };
        assert_eq!(wait(said), Some(7));
    }

    #[test]
    fn a_subscription_is_refused_for_a_reason() {
        use VenueErrorKind::*;
        for (said, expected) in [
            ("Currency pair not supported XBT/USDT", UnknownSymbol),
            ("Currency pair not in ISO 4217-A3 format BTCUSDT", UnknownSymbol),
            ("Subscription ohlc interval not supported", Unsupported),
            ("EAPI:Rate limit exceeded", RateLimited),
            ("EService:Unavailable", Unavailable),
            ("Event(s) not found", Refused),
        ] {
            assert_eq!(subscription_refused(said, UNIX_EPOCH).kind(), expected, "{said}");
        }
    }

    #[test]
    fn a_subscription_that_is_refused_waits_as_a_call_does() {
        let now = UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        let wait = |said| subscription_refused(said, now).retry_after().map(|wait| wait.as_secs());
        assert_eq!(wait("EGeneral:Temporary lockout"), Some(300));
        assert_eq!(wait("EAPI:Rate limit exceeded"), Some(5));
        assert_eq!(wait("Exceeded msg rate"), Some(5));
        assert_eq!(wait("EService: Throttled: 1700000060"), Some(61));
        assert_eq!(wait("EService: Throttled: 1900000000"), Some(5), "years ahead");
        assert_eq!(wait("EService:Unavailable"), None);
        assert_eq!(wait("Currency pair not supported XBT/USDT"), None);
    }

    #[test]
    fn a_message_says_what_was_said_and_no_more() {
        let error = answered(refusing("EQuery:Unknown asset pair")).unwrap_err();
        assert_eq!(error.to_string(), "kraken: EQuery:Unknown asset pair (unknown_symbol)");
        let long = refusing(&"x".repeat(10_000));
        assert!(answered(long).unwrap_err().to_string().len() < 300);
        let nothing = answered(refusing("")).unwrap_err();
        assert_eq!(nothing.to_string(), "kraken: status 200 and no word of why (refused)");
    }
}
