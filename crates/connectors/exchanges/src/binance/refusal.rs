use std::time::{Duration, SystemTime};

use cache_series::venue::{VenueError, VenueErrorKind};
use serde::Deserialize;

use super::NAME;
use crate::http::{Reply, preview};
use crate::refusal::{self, LeftAlone};

/// What the exchange says when it does not answer.
#[derive(Debug, Deserialize)]
struct Refusal {
    code: i64,
    #[serde(default)]
    msg: String,
}

const MESSAGE_CHARACTERS_MAX: usize = 200;

const LEFT_ALONE: LeftAlone = LeftAlone {
    // The shortest of its bans.
    banned: Duration::from_secs(120),
    // Calls are counted by the minute.
    rate_limited: Duration::from_secs(60),
};

/// The reply if it is an answer: of status 2xx, and no refusal dressed as one.
pub(super) fn answered(reply: Reply) -> Result<Reply, VenueError> {
    let good = (200..300).contains(&reply.status);
    let is_list = reply.body.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[');
    if good && is_list {
        return Ok(reply);
    }
    let error = match serde_json::from_slice::<Refusal>(&reply.body) {
        Ok(refusal) => refused(&reply, &refusal),
        Err(_) if good => return Ok(reply),
        Err(_) => refusal::failed(NAME, &reply, kind_of_status(reply.status)),
    };
    // Of two that are told the longer.
    let told = error.retry_after().max(reply.retry_after);
    Err(LEFT_ALONE.after(error, told))
}

/// The kind of a refusal by its code ("Error Codes" of each market); `None` if the status tells
/// more.
fn kind_of_code(code: i64) -> Option<VenueErrorKind> {
    Some(match code {
        // Too many requests, orders, connections.
        -1003 | -1015 | -1034 => VenueErrorKind::RateLimited,
        // Unknown, disconnected, unexpected response, busy, shutting down.
        -1000 | -1001 | -1006 | -1008 | -1016 => VenueErrorKind::Unavailable,
        -1007 => VenueErrorKind::Timeout,
        // Symbols, and pairs of futures.
        -1121 | -4144 => VenueErrorKind::UnknownSymbol,
        // Intervals, operations.
        -1120 | -1020 => VenueErrorKind::Unsupported,
        _ => return None,
    })
}

fn kind_of_status(status: u16) -> VenueErrorKind {
    match status {
        // Asked on after 429.
        418 => VenueErrorKind::Banned,
        _ => refusal::kind_of_status(status),
    }
}

/// A refusal that says its code.
fn refused(reply: &Reply, refusal: &Refusal) -> VenueError {
    let Refusal { code, msg } = refusal;
    let until = banned_until(msg);
    let kind = match (reply.status, kind_of_code(*code)) {
        // These two statuses say most of all.
        (418 | 429, _) => kind_of_status(reply.status),
        (_, Some(VenueErrorKind::RateLimited)) if until.is_some() => VenueErrorKind::Banned,
        (_, Some(kind)) => kind,
        // A symbol with characters that none has.
        (_, None) if *code == -1100 && msg.contains("'symbol'") => VenueErrorKind::UnknownSymbol,
        (status, None) if (200..300).contains(&status) => VenueErrorKind::Refused,
        (status, None) => kind_of_status(status),
    };
    let said = preview(msg.as_bytes());
    let said: String = said.chars().take(MESSAGE_CHARACTERS_MAX).collect();
    let error = VenueError::new(NAME, kind, format!("{said} (code {code})"));
    let left_alone = until.map(|until| {
        let now = reply.date.unwrap_or_else(SystemTime::now);
        until.duration_since(now).unwrap_or_default()
    });
    match left_alone {
        Some(retry_after) => error.with_retry_after(retry_after),
        None => error,
    }
}

/// "IP banned until 1573113605000": until when.
fn banned_until(message: &str) -> Option<SystemTime> {
    let (_, rest) = message.split_once("banned until ")?;
    let digits = rest.split(|character: char| !character.is_ascii_digit()).next()?;
    // Thirteen digits are milliseconds of our time.
    let ms = digits.parse::<u64>().ok().filter(|_| digits.len() == 13)?;
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_millis(ms))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::reply;

    fn kind(status: u16, body: &str) -> VenueErrorKind {
        answered(reply(status, body)).unwrap_err().kind()
    }

    #[test]
    fn every_refusal_has_its_kind() {
        use VenueErrorKind::*;
        for (status, body, expected) in [
            (400, r#"{"code":-1121,"msg":"Invalid symbol."}"#, UnknownSymbol),
            (400, r#"{"code":-1120,"msg":"Invalid interval."}"#, Unsupported),
            (
                400,
                r#"{"code":-1100,"msg":"Illegal characters found in parameter 'symbol'"}"#,
                UnknownSymbol,
            ),
            (
                400,
                r#"{"code":-1100,"msg":"Illegal characters found in parameter 'limit'"}"#,
                Refused,
            ),
            (400, r#"{"code":-1102,"msg":"Mandatory parameter 'symbol' was not sent"}"#, Refused),
            (400, r#"{"code":-1003,"msg":"Too many requests queued."}"#, RateLimited),
            (429, r#"{"code":-1003,"msg":"Too much request weight used"}"#, RateLimited),
            (429, r#"{"code":-1121,"msg":"Invalid symbol."}"#, RateLimited),
            (418, r#"{"code":-1003,"msg":"Way too much; IP banned until 1573113605000."}"#, Banned),
            (400, r#"{"code":-1003,"msg":"Way too much; IP banned until 1573113605000."}"#, Banned),
            (503, r#"{"code":-1008,"msg":"Server is currently overloaded"}"#, Unavailable),
            (400, r#"{"code":-1007,"msg":"Timeout waiting for response"}"#, Timeout),
            (500, r#"{"code":-1000,"msg":"An unknown error occurred"}"#, Unavailable),
            (451, r#"{"code":0,"msg":"Service unavailable from a restricted location"}"#, Refused),
            // Refusals with the status of an answer.
            (200, r#"{"code":-1121,"msg":"Invalid symbol."}"#, UnknownSymbol),
            (200, r#"{"code":-9999}"#, Refused),
            // No word of the exchange itself.
            (502, "<html><h1>502 Bad Gateway</h1></html>", Unavailable),
            (504, "", Timeout),
            (403, "<html>WAF</html>", Banned),
            (418, "", Banned),
            (429, "[]", RateLimited),
            (404, "<html>", Unsupported),
            (301, "", Refused),
        ] {
            assert_eq!(kind(status, body), expected, "{status} {body}");
        }
        assert!(answered(reply(200, " \n[]")).is_ok());
        assert!(answered(reply(200, "<html>")).is_ok(), "it is for the parser to refuse");
    }

    #[test]
    fn a_ban_says_until_when() {
        let body = r#"{"code":-1003,"msg":"Way too much; IP banned until 1573113605000. Use"}"#;
        let sent = SystemTime::UNIX_EPOCH + Duration::from_secs(1_573_113_500);
        let banned = Reply { date: Some(sent), ..reply(418, body) };
        let wait = answered(banned.clone()).unwrap_err().retry_after();
        assert_eq!(wait, Some(Duration::from_secs(105)));
        // The longer of two stays.
        let longer = Reply { retry_after: Some(Duration::from_secs(500)), ..banned };
        let wait = answered(longer).unwrap_err().retry_after();
        assert_eq!(wait, Some(Duration::from_secs(500)));
        let bare = Reply { retry_after: Some(Duration::from_secs(7)), ..reply(429, "") };
        assert_eq!(answered(bare).unwrap_err().retry_after(), Some(Duration::from_secs(7)));
        // Where nothing is said of how long.
        let wait = |reply| answered(reply).unwrap_err().retry_after().map(|wait| wait.as_secs());
        assert_eq!((wait(reply(418, "")), wait(reply(403, "<html>"))), (Some(120), Some(120)));
        assert_eq!((wait(reply(429, "")), wait(reply(503, ""))), (Some(60), None));
        for text in ["banned until ", "banned until 99999999999999999999", "banned until 17"] {
            assert_eq!(banned_until(text), None, "{text}");
        }
    }

    #[test]
    fn a_message_says_what_was_said_and_no_more() {
        let error = answered(reply(400, r#"{"code":-1121,"msg":"Invalid symbol."}"#)).unwrap_err();
        assert_eq!(error.to_string(), "binance: Invalid symbol. (code -1121) (unknown_symbol)");
        let long = format!(r#"{{"code":-1,"msg":"{}"}}"#, "x".repeat(10_000));
        assert!(answered(reply(400, &long)).unwrap_err().to_string().len() < 300);
    }
}
