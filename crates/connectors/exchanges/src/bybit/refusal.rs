use std::time::Duration;

use cache_series::venue::{VenueError, VenueErrorKind};
use serde::Deserialize;

use super::NAME;
use crate::http::{Reply, preview};
use crate::refusal::{self, LeftAlone};

/// What every reply of the exchange begins with.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Envelope {
    ret_code: i64,
    #[serde(default)]
    ret_msg: String,
}

const LEFT_ALONE: LeftAlone = LeftAlone {
    // So long whoever went over the limit of an address is shut out.
    banned: Duration::from_secs(600),
    // The limit is counted over so long.
    rate_limited: Duration::from_secs(5),
};

impl refusal::Envelope for Envelope {
    const VENUE: &'static str = NAME;
    const LEFT_ALONE: LeftAlone = LEFT_ALONE;

    fn is_answer(&self) -> bool {
        self.ret_code == 0
    }

    /// A refusal that says its code.
    fn refusal(&self, reply: &Reply) -> VenueError {
        let Self { ret_code, ret_msg } = self;
        let kind = match (reply.status, kind_of_code(*ret_code, ret_msg)) {
            (403 | 429, _) => Self::kind_of_status(reply.status),
            (_, Some(kind)) => kind,
            (200..300, None) => VenueErrorKind::Refused,
            (status, None) => Self::kind_of_status(status),
        };
        let said = preview(ret_msg.as_bytes());
        VenueError::new(NAME, kind, format!("{said} (code {ret_code})"))
    }
}

/// The reply if it is an answer: of status 2xx, and with a code that says so.
pub(super) fn answered(reply: Reply) -> Result<Reply, VenueError> {
    refusal::answered::<Envelope>(reply)
}

/// The kind of a refusal by its code ("Error Codes"); `None` if the status tells more.
fn kind_of_code(code: i64, message: &str) -> Option<VenueErrorKind> {
    let message = message.to_ascii_lowercase();
    Some(match code {
        10_000 => VenueErrorKind::Timeout,
        // Parameters: only the message says which.
        10_001 if message.contains("symbol") => VenueErrorKind::UnknownSymbol,
        10_001 if ["period", "interval", "category"].iter().any(|word| message.contains(word)) => {
            VenueErrorKind::Unsupported
        }
        10_006 | 10_018 => VenueErrorKind::RateLimited,
        10_009 => VenueErrorKind::Banned,
        10_016 | 10_019 => VenueErrorKind::Unavailable,
        10_017 => VenueErrorKind::Unsupported,
        _ => return None,
    })
}

/// What a feed says instead of subscribing.
pub(super) fn subscription_refused(said: &str) -> VenueError {
    let lower = said.to_ascii_lowercase();
    let has = |words: &[&str]| words.iter().any(|word| lower.contains(word));
    let kind = if has(&["too frequent", "banned"]) {
        VenueErrorKind::Banned
    } else if has(&["too many", "rate limit"]) {
        VenueErrorKind::RateLimited
    } else if has(&["symbol", "handler not found"]) {
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

    #[test]
    fn every_refusal_has_its_kind() {
        use VenueErrorKind::*;
        for (status, body, expected) in [
            (200, r#"{"retCode":10001,"retMsg":"Not supported symbols"}"#, UnknownSymbol),
            (200, r#"{"retCode":10001,"retMsg":"Symbol Invalid"}"#, UnknownSymbol),
            (200, r#"{"retCode":10001,"retMsg":"Invalid period!"}"#, Unsupported),
            (200, r#"{"retCode":10001,"retMsg":"Illegal category"}"#, Unsupported),
            (200, r#"{"retCode":10001,"retMsg":"params error: limit"}"#, Refused),
            (200, r#"{"retCode":10006,"retMsg":"Too many visits!","result":{}}"#, RateLimited),
            (200, r#"{"retCode":10018,"retMsg":"Exceeded the IP Rate Limit."}"#, RateLimited),
            (200, r#"{"retCode":10009,"retMsg":"IP has been banned"}"#, Banned),
            (200, r#"{"retCode":10016,"retMsg":"Server error."}"#, Unavailable),
            (200, r#"{"retCode":10000,"retMsg":"Server Timeout"}"#, Timeout),
            (200, r#"{"retCode":99999}"#, Refused),
            (200, "<html>maintenance</html>", Malformed),
            (200, "[]", Malformed),
            (200, "", Malformed),
            (500, r#"{"retCode":0,"retMsg":"OK"}"#, Unavailable),
            (403, "<html>access too frequent</html>", Banned),
            (403, r#"{"retCode":10001,"retMsg":"symbol"}"#, Banned),
            (429, "", RateLimited),
            (404, "", Unsupported),
            (502, "<html>", Unavailable),
            (504, "", Timeout),
            (301, "", Refused),
        ] {
            let error = answered(reply(status, body)).unwrap_err();
            assert_eq!(error.kind(), expected, "{status} {body}");
        }
        assert!(answered(reply(200, r#"{"retCode":0,"retMsg":"OK","result":{}}"#)).is_ok());
    }

    #[test]
    fn whoever_is_shut_out_is_told_for_how_long() {
        let wait = |reply| answered(reply).unwrap_err().retry_after().map(|wait| wait.as_secs());
        assert_eq!(wait(reply(403, "")), Some(600));
        assert_eq!(wait(reply(200, r#"{"retCode":10006}"#)), Some(5));
        let said = Reply { retry_after: Some(Duration::from_secs(7)), ..reply(429, "") };
        assert_eq!(wait(said), Some(7));
        assert_eq!(wait(reply(500, "")), None);
    }

    #[test]
    fn a_message_says_what_was_said_and_no_more() {
        let error = answered(reply(200, r#"{"retCode":10001,"retMsg":"Symbol Invalid"}"#));
        let text = error.unwrap_err().to_string();
        assert_eq!(text, "bybit: Symbol Invalid (code 10001) (unknown_symbol)");
        let long = format!(r#"{{"retCode":1,"retMsg":"{}"}}"#, "x".repeat(10_000));
        assert!(answered(reply(200, &long)).unwrap_err().to_string().len() < 300);
    }

    #[test]
    fn a_subscription_that_is_refused_has_its_kind_and_its_wait() {
        use VenueErrorKind::*;
        for (said, kind, wait) in [
            ("Invalid symbol :[kline.5.NOPE]", UnknownSymbol, None),
            ("error:handler not found,topic:kline.7.BTCUSDT", UnknownSymbol, None),
            ("Too many visits!", RateLimited, Some(5)),
            ("Access too frequent. Please try again in 5 minutes", Banned, Some(600)),
            ("error:request expired", Refused, None),
        ] {
            let error = subscription_refused(said);
            let waits = error.retry_after().map(|wait| wait.as_secs());
            assert_eq!((error.kind(), waits), (kind, wait), "{said}");
        }
    }
}
