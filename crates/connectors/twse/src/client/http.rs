use bytes::Bytes;
use cache_connectors_http::{HttpClient, HttpError, HttpOptions, is_loopback, tls};
use url::Url;

use super::options::{TwseOptions, TwseOptionsError};
use crate::error::{TwseError, TwseErrorKind};
use crate::reply;

/// All stocks of a day have some hundred kilobytes.
const BODY_BYTES_MAX: usize = 16 << 20;

/// Calls of the markets; connections are kept and used again.
#[derive(Clone, Debug)]
pub(super) struct Http(HttpClient);

/// A reply with the status of an answer.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) body: Bytes,
    /// What is to be sent along from now on: `name=value; name=value`.
    pub(super) cookies: Option<String>,
}

impl Http {
    pub(super) fn new(options: &TwseOptions, urls: [&Url; 3]) -> Result<Self, TwseOptionsError> {
        let http = HttpOptions {
            timeout: options.timeout,
            connect_timeout: options.connect_timeout,
            body_bytes_max: BODY_BYTES_MAX,
            accept: "application/json, text/html",
            direct: urls.into_iter().all(is_loopback),
        };
        let tls = tls::config(urls.iter().any(|url| url.scheme() == "https"))?;
        Ok(Self(HttpClient::new(http, tls)?))
    }

    /// Makes one call.
    pub(super) async fn get(&self, url: Url, cookies: Option<&str>) -> Result<Reply, TwseError> {
        let (reply, cookies) = self.0.get_in_session(url, cookies).await.map_err(failed)?;
        reply::status(reply.status, reply.retry_after, &reply.body)?;
        Ok(Reply { body: reply.body, cookies })
    }
}

fn failed(error: HttpError) -> TwseError {
    let kind = match &error {
        HttpError::Unreachable(_) => TwseErrorKind::Unavailable,
        HttpError::Timeout(_) => TwseErrorKind::Timeout,
        HttpError::Cut(_) => TwseErrorKind::Truncated,
        HttpError::TooLarge { .. } => TwseErrorKind::Malformed,
    };
    TwseError::new(kind, error.to_string()).with_source(error)
}
