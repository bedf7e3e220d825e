//! What a reply is before its rows are read.

use std::time::Duration;

use serde::de::DeserializeOwned;

use crate::error::{Retry, TwseError, TwseErrorKind};

/// Longest part of a reply in a message.
const PREVIEW_CHARACTERS_MAX: usize = 80;

/// No market shuts out for longer than a day; a head that says so is broken, and one of no
/// time at all counts as unsaid.
const WAIT_MAX: Duration = Duration::from_secs(86_400);

/// What a market's words mean, the first that is found in a sentence.
const SENTENCES: [(&str, TwseErrorKind); 16] = [
    ("沒有符合條件", TwseErrorKind::NoData),
    ("查無資料", TwseErrorKind::NoData),
    ("查無此", TwseErrorKind::UnknownSymbol),
    ("代碼錯誤", TwseErrorKind::UnknownSymbol),
    ("小於", TwseErrorKind::BeforeArchive),
    ("大於", TwseErrorKind::NotYet),
    ("封鎖", TwseErrorKind::Banned),
    ("安全性", TwseErrorKind::Banned),
    ("SECURITY REASONS", TwseErrorKind::Banned),
    ("拒絕", TwseErrorKind::Banned),
    ("頻繁", TwseErrorKind::RateLimited),
    ("過於", TwseErrorKind::RateLimited),
    ("過多", TwseErrorKind::RateLimited),
    ("稍後", TwseErrorKind::Unavailable),
    ("稍候", TwseErrorKind::Unavailable),
    ("維護", TwseErrorKind::Unavailable),
];

/// The begin of a reply as it may stand in a message.
pub(crate) fn preview(body: &[u8]) -> String {
    cache_connectors_http::preview(body, PREVIEW_CHARACTERS_MAX)
}

/// What a sentence in the place of an answer means.
pub fn refusal(sentence: &str) -> TwseError {
    let known = SENTENCES.iter().find(|(words, _)| sentence.contains(words));
    let kind = known.map_or(TwseErrorKind::Refused, |(_, kind)| *kind);
    TwseError::new(kind, preview(sentence.as_bytes()))
}

/// What a status of HTTP means; `Ok` for 200, whatever the reply says then.
///
/// The markets answer 403, 418 or a redirection to a page of their own to whom they have banned.
/// `retry_after` is the header of that name, of which a day at most is believed.
///
/// # Errors
/// [`TwseError`] for every other status.
pub fn status(status: u16, retry_after: Option<Duration>, body: &[u8]) -> Result<(), TwseError> {
    let kind = match status {
        200 => return Ok(()),
        429 => TwseErrorKind::RateLimited,
        301 | 302 | 303 | 307 | 308 | 403 | 418 => TwseErrorKind::Banned,
        408 | 504 => TwseErrorKind::Timeout,
        500..=599 => TwseErrorKind::Unavailable,
        _ => TwseErrorKind::Refused,
    };
    let error = TwseError::new(kind, format!("status {status}: {:?}", preview(body)));
    Err(match retry_after.filter(|pause| !pause.is_zero()) {
        Some(pause) => error.with_retry(Retry::After(pause.min(WAIT_MAX))),
        None => error,
    })
}

/// Reads a reply's JSON.
pub(crate) fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, TwseError> {
    // Some replies begin with a byte order mark.
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    let error = match serde_json::from_slice(body) {
        Ok(reply) => return Ok(reply),
        Err(error) => error,
    };
    let text = preview(body);
    let begins_as_json = matches!(body.trim_ascii_start().first(), Some(b'{' | b'['));
    let kind = match () {
        () if text.is_empty() => TwseErrorKind::Truncated,
        () if !begins_as_json => {
            // A page or a sentence: what it says counts, if it is known.
            let whole = String::from_utf8_lossy(&body[..body.len().min(64 << 10)]);
            match refusal(&whole).kind() {
                kind if kind.concerns_market() => kind,
                _ => TwseErrorKind::NotJson,
            }
        }
        () if error.is_eof() => TwseErrorKind::Truncated,
        () => TwseErrorKind::Malformed,
    };
    Err(TwseError::new(kind, format!("{error}: {text:?}")).with_source(error))
}

/// Whether the word for an answer is the one for a sound one; a sentence otherwise.
pub(crate) fn check_stat(stat: &str) -> Result<(), TwseError> {
    if stat.eq_ignore_ascii_case("ok") { Ok(()) } else { Err(refusal(stat)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use TwseErrorKind::*;

    #[test]
    fn sentences_have_kinds_that_say_when_to_ask_again() {
        for (sentence, kind) in [
            ("很抱歉，沒有符合條件的資料!", NoData),
            ("查詢日期小於99年1月4日，請重新查詢!", BeforeArchive),
            ("查詢日期大於今日，請重新查詢!", NotYet),
            ("您的查詢過於頻繁，請稍後再試", RateLimited),
            ("很抱歉，目前線上人數過多，請您稍候再試", RateLimited),
            ("因為安全性考量，您所執行的頁面無法呈現", Banned),
            ("系統維護中", Unavailable),
            ("股票代碼錯誤", UnknownSymbol),
            ("今天天氣很好", Refused),
        ] {
            assert_eq!(refusal(sentence).kind(), kind, "{sentence}");
        }
        assert_eq!(refusal("查無資料").retry(), Retry::Never);
        assert_eq!(refusal("安全性").retry(), Retry::After(Duration::from_secs(3600)));
    }

    #[test]
    fn statuses_have_kinds_and_the_markets_own_pause_holds() {
        for (code, kind) in [
            (429, RateLimited),
            (403, Banned),
            (418, Banned),
            (307, Banned),
            (500, Unavailable),
            (503, Unavailable),
            (504, Timeout),
            (404, Refused),
            (204, Refused),
        ] {
            assert_eq!(status(code, None, b"").unwrap_err().kind(), kind, "{code}");
        }
        let pause = Duration::from_secs(77);
        assert_eq!(status(429, Some(pause), b"").unwrap_err().retry(), Retry::After(pause));
        let after =
            |seconds| status(403, Some(Duration::from_secs(seconds)), b"").unwrap_err().retry();
        assert_eq!(after(u64::from(u32::MAX)), Retry::After(WAIT_MAX));
        assert_eq!(after(0), status(403, None, b"").unwrap_err().retry());
        assert!(status(200, None, b"<html>").is_ok(), "it is for the reader to refuse");
    }

    #[test]
    fn what_is_no_json_or_half_of_it_is_told_apart() {
        let kind = |body: &str| read::<Vec<u8>>(body.as_bytes()).unwrap_err().kind();
        for (body, expected) in [
            ("", Truncated),
            ("  \n", Truncated),
            ("[1,2", Truncated),
            ("[1,2]x", Malformed),
            ("[1,]", Malformed),
            ("{\"a\":1}", Malformed),
            ("<html><h1>502 Bad Gateway</h1></html>", NotJson),
            ("<html>FOR SECURITY REASONS, THIS PAGE CAN NOT BE ACCESSED!</html>", Banned),
            ("查詢過於頻繁", RateLimited),
            ("null", NotJson),
        ] {
            assert_eq!(kind(body), expected, "{body}");
        }
        assert_eq!(read::<Vec<u8>>(b"\xef\xbb\xbf[1]").unwrap(), [1]);
        assert!(read::<Vec<u8>>(&[b'<'; 1 << 20]).unwrap_err().message().len() < 300);
    }
}
