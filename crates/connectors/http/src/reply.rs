use std::time::{Duration, SystemTime};

use bytes::Bytes;
use reqwest::header::{DATE, HeaderMap, HeaderName, RETRY_AFTER, SET_COOKIE};

/// What a service replied.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The status of HTTP.
    pub status: u16,
    /// For how long it wants to be left alone.
    pub retry_after: Option<Duration>,
    /// What its clock shows, to the second.
    pub date: Option<SystemTime>,
    /// What it says.
    pub body: Bytes,
}

impl Reply {
    /// What a reply says by its status, its head and its body, however it came.
    pub fn new(status: u16, headers: &HeaderMap, body: Bytes) -> Self {
        Self { status, retry_after: retry_after(headers), date: date(headers), body }
    }
}

/// The begin of a body as it may stand in a message: one line of so many characters at most,
/// without control characters.
pub fn preview(body: &[u8], characters_max: usize) -> String {
    // A character of UTF-8 has four bytes at most.
    let begin = &body[..body.len().min(characters_max.saturating_mul(4))];
    let text = String::from_utf8_lossy(begin);
    let words = text.split(|it: char| it.is_whitespace() || it.is_control());
    let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
    words.join(" ").chars().take(characters_max).collect()
}

fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}

/// When it was sent, by the service's clock.
fn date(headers: &HeaderMap) -> Option<SystemTime> {
    httpdate::parse_http_date(text(headers, DATE)?).ok()
}

/// `Retry-After`: seconds, or a date from which on (RFC 9110, 10.2.3). A date is compared with the
/// service's own clock where the reply tells it.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = text(headers, RETRY_AFTER)?.trim();
    if let Ok(seconds) = text.parse::<u32>() {
        return Some(Duration::from_secs(u64::from(seconds)));
    }
    let until = httpdate::parse_http_date(text).ok()?;
    let now = date(headers).unwrap_or_else(SystemTime::now);
    Some(until.duration_since(now).unwrap_or_default())
}

/// The cookies that a reply sets, without their attributes.
pub(crate) fn cookies(headers: &HeaderMap) -> Option<String> {
    let set = headers.get_all(SET_COOKIE).iter().filter_map(|value| value.to_str().ok());
    let pairs = set.filter_map(|text| text.split(';').next());
    let pairs: Vec<&str> = pairs.map(str::trim).filter(|pair| pair.contains('=')).collect();
    (!pairs.is_empty()).then(|| pairs.join("; "))
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
    fn a_reply_says_by_its_head_how_long_to_wait() {
        let date = ("date", "Wed, 21 Oct 2015 07:28:00 GMT");
        let head = headers(&[date, ("retry-after", "Wed, 21 Oct 2015 07:29:30 GMT")]);
        let reply = Reply::new(429, &head, Bytes::from_static(b"slowly"));
        let sent = SystemTime::UNIX_EPOCH + Duration::from_secs(1_445_412_480);
        assert_eq!((reply.status, reply.date), (429, Some(sent)));
        assert_eq!(
            (reply.retry_after, &*reply.body),
            (Some(Duration::from_secs(90)), &b"slowly"[..])
        );
    }

    #[test]
    fn a_preview_is_one_short_line() {
        assert_eq!(preview(b"<html>\r\n\t<b>502\0 Bad\n", 120), "<html> <b>502 Bad");
        assert_eq!(preview(&b"\xff".repeat(10_000), 120).chars().count(), 120);
        assert_eq!(preview(b"", 120), "");
    }

    #[test]
    fn cookies_are_taken_without_their_attributes() {
        let mut headers = HeaderMap::new();
        assert_eq!(cookies(&headers), None);
        headers.append(SET_COOKIE, "JSESSIONID=A1; Path=/; HttpOnly".parse().unwrap());
        headers.append(SET_COOKIE, "nothing".parse().unwrap());
        headers.append(SET_COOKIE, "route=7".parse().unwrap());
        assert_eq!(cookies(&headers).as_deref(), Some("JSESSIONID=A1; route=7"));
    }
}
