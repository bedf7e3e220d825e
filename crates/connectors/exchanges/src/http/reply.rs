use std::time::{Duration, SystemTime};

use bytes::Bytes;
use reqwest::header::{DATE, HeaderMap, HeaderName, RETRY_AFTER};

/// What an exchange replied.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    /// The status of HTTP.
    pub(crate) status: u16,
    /// For how long it wants to be left alone.
    pub(crate) retry_after: Option<Duration>,
    /// What its clock shows, to the second.
    pub(crate) date: Option<SystemTime>,
    /// What it says.
    pub(crate) body: Bytes,
}

/// Longest preview of a body in a message.
const PREVIEW_CHARACTERS_MAX: usize = 120;

/// The begin of a body as it may stand in a message: one line without control characters.
pub(crate) fn preview(body: &[u8]) -> String {
    // A character of UTF-8 has four bytes at most.
    let begin = &body[..body.len().min(4 * PREVIEW_CHARACTERS_MAX)];
    let text = String::from_utf8_lossy(begin);
    let words: Vec<&str> = text.split(|it: char| it.is_whitespace() || it.is_control()).collect();
    let words: Vec<&str> = words.into_iter().filter(|word| !word.is_empty()).collect();
    words.join(" ").chars().take(PREVIEW_CHARACTERS_MAX).collect()
}

fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}

/// When the exchange sent it, by its clock.
pub(super) fn date(headers: &HeaderMap) -> Option<SystemTime> {
    httpdate::parse_http_date(text(headers, DATE)?).ok()
}

/// `Retry-After`: seconds, or a date from which on (RFC 9110, 10.2.3). A date is compared with the
/// exchange's own clock where the reply tells it.
pub(super) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = text(headers, RETRY_AFTER)?.trim();
    if let Ok(seconds) = text.parse::<u32>() {
        return Some(Duration::from_secs(u64::from(seconds)));
    }
    let until = httpdate::parse_http_date(text).ok()?;
    let now = date(headers).unwrap_or_else(SystemTime::now);
    Some(until.duration_since(now).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let pairs = pairs
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap()));
        pairs.collect()
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let seconds = |pairs: &[(&'static str, &str)]| {
            retry_after(&headers(pairs)).map(|duration| duration.as_secs())
        };
        assert_eq!(seconds(&[("retry-after", "17")]), Some(17));
        let date = ("date", "Wed, 21 Oct 2015 07:28:00 GMT");
        let until = ("retry-after", "Wed, 21 Oct 2015 07:29:30 GMT");
        assert_eq!(seconds(&[date, until]), Some(90));
        let past = ("retry-after", "Wed, 21 Oct 2015 07:00:00 GMT");
        assert_eq!(seconds(&[date, past]), Some(0));
        for text in ["", "-1", "soon", "99999999999"] {
            assert_eq!(seconds(&[("retry-after", text)]), None, "{text:?}");
        }
        assert_eq!(seconds(&[]), None);
    }

    #[test]
    fn a_preview_is_one_short_line() {
        assert_eq!(preview(b"<html>\r\n\t<b>502\0 Bad\n"), "<html> <b>502 Bad");
        assert_eq!(preview(&b"\xff".repeat(10_000)).chars().count(), PREVIEW_CHARACTERS_MAX);
        assert_eq!(preview(b""), "");
    }
}
