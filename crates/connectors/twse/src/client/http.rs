use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::{Bytes, BytesMut};
use reqwest::header::{ACCEPT, COOKIE, DATE, HeaderMap, RETRY_AFTER, SET_COOKIE};
use reqwest::redirect::Policy;
use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::BuilderVerifierExt;
use url::Url;

use super::options::{TwseOptions, TwseOptionsError, is_loopback};
use crate::error::{TwseError, TwseErrorKind};
use crate::reply;

/// All stocks of a day have some hundred kilobytes.
const BODY_BYTES_MAX: usize = 16 << 20;

/// Calls of the markets; connections are kept and used again.
#[derive(Clone, Debug)]
pub(super) struct Http {
    client: reqwest::Client,
}

/// A reply with the status of an answer.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) body: Bytes,
    /// What is to be sent along from now on: `name=value; name=value`.
    pub(super) cookies: Option<String>,
}

impl Http {
    pub(super) fn new(options: &TwseOptions, urls: [&Url; 3]) -> Result<Self, TwseOptionsError> {
        let builder = reqwest::Client::builder()
            .tls_backend_preconfigured(tls(urls.iter().any(|url| url.scheme() == "https"))?)
            .timeout(options.timeout)
            .connect_timeout(options.connect_timeout)
            // Whom a market has banned it sends elsewhere.
            .redirect(Policy::none())
            .user_agent(concat!("tiers/", env!("CARGO_PKG_VERSION")));
        let direct = urls.into_iter().all(is_loopback);
        let builder = if direct { builder.no_proxy() } else { builder };
        let client = builder.build().map_err(|error| TwseOptionsError::Client(error.into()))?;
        Ok(Self { client })
    }

    /// Makes one call.
    pub(super) async fn get(&self, url: Url, cookies: Option<&str>) -> Result<Reply, TwseError> {
        let mut request = self.client.get(url).header(ACCEPT, "application/json, text/html");
        if let Some(cookies) = cookies {
            request = request.header(COOKIE, cookies);
        }
        let mut response =
            request.send().await.map_err(|error| failed(error, TwseErrorKind::Unavailable))?;
        let status = response.status().as_u16();
        let pause = retry_after(response.headers());
        let cookies = cookies_of(response.headers());
        let mut body = BytesMut::new();
        loop {
            let part = response.chunk().await;
            let part = part.map_err(|error| failed(error, TwseErrorKind::Truncated))?;
            let Some(part) = part else { break };
            if body.len() + part.len() > BODY_BYTES_MAX {
                return Err(TwseError::malformed(format!("more than {BODY_BYTES_MAX} bytes")));
            }
            body.extend_from_slice(&part);
        }
        reply::status(status, pause, &body)?;
        Ok(Reply { body: body.freeze(), cookies })
    }
}

fn failed(error: reqwest::Error, otherwise: TwseErrorKind) -> TwseError {
    // Addresses stay out of messages.
    let error = error.without_url();
    let kind = if error.is_timeout() { TwseErrorKind::Timeout } else { otherwise };
    TwseError::new(kind, error.to_string()).with_source(error)
}

/// How servers are trusted: by the machine's roots, checked by ring; by none where no address is of
/// a service with TLS.
fn tls(needed: bool) -> Result<ClientConfig, TwseOptionsError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| TwseOptionsError::Tls(error.into()))?;
    if !needed {
        return Ok(builder.with_root_certificates(RootCertStore::empty()).with_no_client_auth());
    }
    let builder =
        builder.with_platform_verifier().map_err(|error| TwseOptionsError::Tls(error.into()))?;
    Ok(builder.with_no_client_auth())
}

/// `Retry-After`: seconds, or a date from which on (RFC 9110, 10.2.3).
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let after = text(RETRY_AFTER)?.trim();
    if let Ok(seconds) = after.parse::<u32>() {
        return Some(Duration::from_secs(u64::from(seconds)));
    }
    let until = httpdate::parse_http_date(after).ok()?;
    let now = text(DATE).and_then(|date| httpdate::parse_http_date(date).ok());
    Some(until.duration_since(now.unwrap_or_else(SystemTime::now)).unwrap_or_default())
}

/// The cookies that a reply sets, without their attributes.
fn cookies_of(headers: &HeaderMap) -> Option<String> {
    let set = headers.get_all(SET_COOKIE).iter().filter_map(|value| value.to_str().ok());
    let pairs = set.filter_map(|text| text.split(';').next());
    let pairs: Vec<&str> = pairs.map(str::trim).filter(|pair| pair.contains('=')).collect();
    (!pairs.is_empty()).then(|| pairs.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_read() {
        let mut headers = HeaderMap::new();
        assert_eq!((retry_after(&headers), cookies_of(&headers)), (None, None));
        headers.append(SET_COOKIE, "JSESSIONID=A1; Path=/; HttpOnly".parse().unwrap());
        headers.append(SET_COOKIE, "route=7".parse().unwrap());
        assert_eq!(cookies_of(&headers).as_deref(), Some("JSESSIONID=A1; route=7"));
        headers.insert(RETRY_AFTER, "17".parse().unwrap());
        assert_eq!(retry_after(&headers), Some(Duration::from_secs(17)));
        headers.insert(DATE, "Wed, 21 Oct 2015 07:28:00 GMT".parse().unwrap());
        headers.insert(RETRY_AFTER, "Wed, 21 Oct 2015 07:29:30 GMT".parse().unwrap());
        assert_eq!(retry_after(&headers), Some(Duration::from_secs(90)));
    }
}
