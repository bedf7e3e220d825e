use std::time::Duration;

use cache_series::venue::{VenueError, VenueErrorKind};
use serde::Deserialize;

use super::NAME;
use crate::http::{Reply, preview};
use crate::refusal::{self, LeftAlone};

/// A refusal: a word for its kind, and what it is about. An answer has neither.
#[derive(Debug, Deserialize)]
struct Refusal {
    error: Option<String>,
    error_details: Option<String>,
    message: Option<String>,
}

const LEFT_ALONE: LeftAlone = LeftAlone {
    // The firewall does not say for how long it shuts out.
    banned: Duration::from_secs(60),
    // The limit is counted over so long.
    rate_limited: Duration::from_secs(1),
};

impl refusal::Envelope for Refusal {
    const VENUE: &'static str = NAME;
    const LEFT_ALONE: LeftAlone = LEFT_ALONE;

    fn is_answer(&self) -> bool {
        self.error.is_none()
    }

    /// A refusal that says why, if it does.
    fn refusal(&self, reply: &Reply) -> VenueError {
        if self.error.is_none() && self.message.is_none() {
            return refusal::failed(NAME, reply, Self::kind_of_status(reply.status));
        }
        let texts = [&self.message, &self.error_details];
        let said = texts.into_iter().flatten().find(|text| !text.is_empty());
        let said = said.map_or("", |text| &**text);
        let word = self.error.as_deref().unwrap_or_default();
        let kind = match (reply.status, kind_of_word(word, said)) {
            (429, _) => VenueErrorKind::RateLimited,
            (_, Some(kind)) => kind,
            (200..300, None) => VenueErrorKind::Refused,
            (status, None) => Self::kind_of_status(status),
        };
        let (said, word) = (preview(said.as_bytes()), preview(word.as_bytes()));
        VenueError::new(NAME, kind, format!("{said} (status {}, {word:?})", reply.status))
    }
}

/// The reply if it is an answer: of status 2xx, and without the word of a refusal.
pub(super) fn answered(reply: Reply) -> Result<Reply, VenueError> {
    refusal::answered::<Refusal>(reply)
}

/// The kind of a refusal by its word; `None` if the status tells more.
fn kind_of_word(word: &str, said: &str) -> Option<VenueErrorKind> {
    let said = said.to_ascii_lowercase();
    Some(match word.to_ascii_uppercase().as_str() {
        // "valid product_id is required", "Product X-USD not supported".
        "NOT_FOUND" | "INVALID_ARGUMENT" if said.contains("product") => {
            VenueErrorKind::UnknownSymbol
        }
        "INVALID_ARGUMENT" if said.contains("granularity") => VenueErrorKind::Unsupported,
        "INVALID_ARGUMENT" | "PERMISSION_DENIED" | "UNAUTHENTICATED" => VenueErrorKind::Refused,
        "RESOURCE_EXHAUSTED" | "RATE_LIMIT_EXCEEDED" => VenueErrorKind::RateLimited,
        "DEADLINE_EXCEEDED" => VenueErrorKind::Timeout,
        "UNAVAILABLE" | "INTERNAL" => VenueErrorKind::Unavailable,
        _ => return None,
    })
}

/// What a feed says instead of subscribing.
pub(super) fn subscription_refused(said: &str) -> VenueError {
    let lower = said.to_ascii_lowercase();
    let has = |words: &[&str]| words.iter().any(|word| lower.contains(word));
    let kind = if has(&["rate limit", "too many"]) {
        VenueErrorKind::RateLimited
    } else if has(&["product", "delisted"]) {
        VenueErrorKind::UnknownSymbol
    } else {
        VenueErrorKind::Refused
    };
    LEFT_ALONE.after(VenueError::new(NAME, kind, preview(said.as_bytes())), None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::reply;

    fn refusal(word: &str, said: &str) -> String {
        format!(r#"{{"error":"{word}","error_details":"{said}","message":"{said}"}}"#)
    }

    #[test]
    fn every_refusal_has_its_kind() {
        use VenueErrorKind::*;
        let [product, argument, permission, internal] = [
            ("NOT_FOUND", "valid product_id is required"),
            ("INVALID_ARGUMENT", "number of candles requested should be less than 350"),
            ("PERMISSION_DENIED", "not from this place"),
            ("INTERNAL", "an internal error"),
        ]
        .map(|(word, said)| refusal(word, said));
        let unknown = r#"{"error":"NOT_FOUND","message":"Product NOPE-USD not supported"}"#;
        let no_granularity = refusal("INVALID_ARGUMENT", "granularity argument is invalid");
        let no_product = refusal("INVALID_ARGUMENT", "ProductID is invalid");
        let exhausted = refusal("RESOURCE_EXHAUSTED", "slow down");
        for (status, body, expected) in [
            (404, unknown, UnknownSymbol),
            (404, &*product, UnknownSymbol),
            (400, &*no_product, UnknownSymbol),
            (400, &*no_granularity, Unsupported),
            (400, &*argument, Refused),
            (403, &*permission, Refused),
            (401, "Unauthorized", Refused),
            (403, "<html>Attention Required!</html>", Banned),
            (429, r#"{"error":"NOT_FOUND","message":"product"}"#, RateLimited),
            (429, r#"{"errors":[{"id":"rate_limit_exceeded","message":"x"}]}"#, RateLimited),
            (503, &*exhausted, RateLimited),
            (500, &*internal, Unavailable),
            (500, r#"{"error":"unknown","message":"?"}"#, Unavailable),
            (502, "<html>", Unavailable),
            (504, "", Timeout),
            (408, "", Timeout),
            (404, "404 page not found", Unsupported),
            (301, "", Refused),
            // Whatever the status says.
            (200, unknown, UnknownSymbol),
            (200, &*argument, Refused),
            (200, &*internal, Unavailable),
            (200, r#"{"error":"what"}"#, Refused),
            (500, r#"{"candles":[]}"#, Unavailable),
            (200, "<html>maintenance</html>", Malformed),
            (200, "[]", Malformed),
            (200, "", Malformed),
            (200, r#"{"error":7}"#, Malformed),
        ] {
            let error = answered(reply(status, body)).unwrap_err();
            assert_eq!(error.kind(), expected, "{status} {body}");
        }
        assert!(answered(reply(200, r#"{"candles":[]}"#)).is_ok());
    }

    #[test]
    fn whoever_is_to_wait_is_told_for_how_long() {
        let wait = |reply| answered(reply).unwrap_err().retry_after().map(|wait| wait.as_secs());
        assert_eq!(wait(reply(429, "")), Some(1));
        assert_eq!(wait(reply(403, "<html>")), Some(60));
        let said = Reply { retry_after: Some(Duration::from_secs(7)), ..reply(429, "{}") };
        assert_eq!(wait(said), Some(7));
        let down = Reply { retry_after: Some(Duration::from_secs(30)), ..reply(503, "<html>") };
        assert_eq!(wait(down), Some(30));
        assert_eq!(wait(reply(500, "")), None);
    }

    #[test]
    fn a_message_says_what_was_said_and_no_more() {
        let error = answered(reply(404, &refusal("NOT_FOUND", "valid product_id is required")));
        let text = error.unwrap_err().to_string();
        assert_eq!(
            text,
            "coinbase: valid product_id is required (status 404, \"NOT_FOUND\") (unknown_symbol)"
        );
        let long = "x".repeat(10_000);
        let long = answered(reply(400, &refusal(&long, &long))).unwrap_err().to_string();
        assert!(long.len() < 400, "{long}");
    }

    #[test]
    fn a_subscription_that_is_refused_has_its_kind() {
        use VenueErrorKind::*;
        for (said, expected) in [
            ("Failed to subscribe: NOPE-USD is not a valid product", UnknownSymbol),
            ("Failed to subscribe: LOOM-USDC is delisted", UnknownSymbol),
            ("rate limit exceeded", RateLimited),
            ("Too many subscriptions of this product", RateLimited),
            ("authentication failure", Refused),
        ] {
            let error = subscription_refused(said);
            assert_eq!(error.kind(), expected, "{said}");
            let waits = (expected == RateLimited).then_some(Duration::from_secs(1));
            assert_eq!(error.retry_after(), waits, "{said}");
        }
    }
}
