use std::time::Duration;

use bytes::BytesMut;
use reqwest::header::ACCEPT;
use reqwest::redirect::Policy;
use rustls::ClientConfig;
use url::Url;

use super::Reply;
use super::reply::retry_after;
use crate::OptionsError;

/// How calls are made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HttpOptions {
    /// A call is given up after so long, with all of its reply.
    pub(crate) timeout: Duration,
    /// A connection is given up after so long.
    pub(crate) connect_timeout: Duration,
    /// A reply with more bytes is given up.
    pub(crate) body_bytes_max: usize,
    /// Whether proxies that the process's environment names are passed by.
    pub(crate) direct: bool,
}

/// Why there is no reply. Texts leave addresses out.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HttpError {
    #[error("it could not be reached")]
    Unreachable(#[source] reqwest::Error),
    #[error("it did not answer in time")]
    Timeout(#[source] reqwest::Error),
    #[error("its reply broke off")]
    Cut(#[source] reqwest::Error),
    #[error("its reply has more than {bytes_max} bytes")]
    TooLarge { bytes_max: usize },
}

/// Calls of one exchange; connections are kept and used again.
#[derive(Clone, Debug)]
pub(crate) struct HttpClient {
    client: reqwest::Client,
    body_bytes_max: usize,
}

impl HttpClient {
    pub(crate) fn new(options: HttpOptions, tls: ClientConfig) -> Result<Self, OptionsError> {
        let builder = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .timeout(options.timeout)
            .connect_timeout(options.connect_timeout)
            // An exchange does not move while it is spoken with.
            .redirect(Policy::none())
            .user_agent(concat!("tiers/", env!("CARGO_PKG_VERSION")));
        let builder = if options.direct { builder.no_proxy() } else { builder };
        let client = builder.build().map_err(|error| OptionsError::Client(error.into()))?;
        Ok(Self { client, body_bytes_max: options.body_bytes_max })
    }

    /// Makes one call. Whatever the status, a reply is a reply.
    pub(crate) async fn get(&self, url: Url) -> Result<Reply, HttpError> {
        self.get_with(url, &[]).await
    }

    /// Makes one call with more in its head.
    pub(crate) async fn get_with(
        &self,
        url: Url,
        headers: &[(&'static str, &'static str)],
    ) -> Result<Reply, HttpError> {
        let request = self.client.get(url).header(ACCEPT, "application/json");
        let request = headers.iter().fold(request, |it, (name, value)| it.header(*name, *value));
        let mut response = request.send().await.map_err(sending)?;
        let status = response.status().as_u16();
        let headers = response.headers();
        let retry_after = retry_after(headers);
        let date = super::reply::date(headers);
        let expected = response.content_length().unwrap_or(0);
        let too_large = HttpError::TooLarge { bytes_max: self.body_bytes_max };
        if usize::try_from(expected).map_or(true, |expected| expected > self.body_bytes_max) {
            return Err(too_large);
        }
        let mut body = BytesMut::new();
        while let Some(part) = response.chunk().await.map_err(receiving)? {
            if body.len() + part.len() > self.body_bytes_max {
                return Err(too_large);
            }
            body.extend_from_slice(&part);
        }
        Ok(Reply { status, retry_after, date, body: body.freeze() })
    }
}

fn sending(error: reqwest::Error) -> HttpError {
    let error = error.without_url();
    if error.is_timeout() { HttpError::Timeout(error) } else { HttpError::Unreachable(error) }
}

fn receiving(error: reqwest::Error) -> HttpError {
    let error = error.without_url();
    if error.is_timeout() { HttpError::Timeout(error) } else { HttpError::Cut(error) }
}
