//! One bounded GET: what every exchange's calls have in common, and other connectors' too.

pub(crate) use cache_connectors_http::{HeaderMap, HttpClient, HttpError, HttpOptions, Reply};

/// Longest preview of a body in a message.
const PREVIEW_CHARACTERS_MAX: usize = 120;

/// The begin of a body as it may stand in a message.
pub(crate) fn preview(body: &[u8]) -> String {
    cache_connectors_http::preview(body, PREVIEW_CHARACTERS_MAX)
}

/// A reply as a test writes it.
#[cfg(test)]
pub(crate) fn reply(status: u16, body: &str) -> Reply {
    let body = body.to_owned().into_bytes().into();
    Reply { status, retry_after: None, date: None, body }
}
