use std::time::Duration;

use bytes::{Bytes, BytesMut};
use reqwest::header::{ACCEPT, HeaderMap};
use reqwest::redirect::Policy;
use url::Url;

use crate::reply::cookies;
use crate::tls::ClientConfig;
use crate::{Reply, SetupError};

/// How calls are made.
#[derive(Clone, Copy, Debug)]
pub struct HttpOptions {
    /// A call is given up after so long, with all of its reply.
    pub timeout: Duration,
    /// A connection is given up after so long.
    pub connect_timeout: Duration,
    /// A reply with more bytes is given up.
    pub body_bytes_max: usize,
    /// Which kinds of content are asked for (the header `Accept`).
    pub accept: &'static str,
    /// Whether proxies that the process's environment names are passed by.
    pub direct: bool,
}

/// Why there is no reply. Texts leave addresses out.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// Nobody is there, or the connection could not be made, or ended before a reply began.
    #[error("it could not be reached")]
    Unreachable(#[source] reqwest::Error),
    /// It took longer than it may.
    #[error("it did not answer in time")]
    Timeout(#[source] reqwest::Error),
    /// The reply began and did not end.
    #[error("its reply broke off")]
    Cut(#[source] reqwest::Error),
    /// The reply is larger than it may be.
    #[error("its reply has more than {bytes_max} bytes")]
    TooLarge {
        /// So many bytes it may have.
        bytes_max: usize,
    },
}

/// Calls of one service; connections are kept and used again. Cheap to clone.
#[derive(Clone, Debug)]
pub struct HttpClient {
    client: reqwest::Client,
    body_bytes_max: usize,
    accept: &'static str,
}

impl HttpClient {
    /// A client; nothing is connected yet.
    ///
    /// # Errors
    /// [`SetupError::Client`] if it cannot be set up.
    pub fn new(options: HttpOptions, tls: ClientConfig) -> Result<Self, SetupError> {
        let builder = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .timeout(options.timeout)
            .connect_timeout(options.connect_timeout)
            // A service does not move while it is spoken with; whom it has banned it sends
            // elsewhere.
            .redirect(Policy::none())
            .user_agent(concat!("tiers/", env!("CARGO_PKG_VERSION")));
        let builder = if options.direct { builder.no_proxy() } else { builder };
        let client = builder.build().map_err(SetupError::Client)?;
        Ok(Self { client, body_bytes_max: options.body_bytes_max, accept: options.accept })
    }

    /// Makes one call. Whatever the status, a reply is a reply.
    ///
    /// # Errors
    /// [`HttpError`] if there is no whole reply.
    pub async fn get(&self, url: Url) -> Result<Reply, HttpError> {
        self.get_with(url, &[]).await
    }

    /// Makes one call with more in its head: names in small letters, and values.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub async fn get_with(
        &self,
        url: Url,
        headers: &[(&'static str, &str)],
    ) -> Result<Reply, HttpError> {
        self.get_seeing(url, headers, |_| ()).await
    }

    /// The same, with a look at the reply's head as it comes.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub async fn get_seeing(
        &self,
        url: Url,
        headers: &[(&'static str, &str)],
        see: impl FnOnce(&HeaderMap) + Send,
    ) -> Result<Reply, HttpError> {
        Ok(self.call(url, headers, see).await?.0)
    }

    /// Makes one call with the cookies that an earlier reply set (`name=value; name=value`), and
    /// answers those that this one sets besides.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub async fn get_in_session(
        &self,
        url: Url,
        cookies: Option<&str>,
    ) -> Result<(Reply, Option<String>), HttpError> {
        match cookies {
            Some(cookies) => self.call(url, &[("cookie", cookies)], |_| ()).await,
            None => self.call(url, &[], |_| ()).await,
        }
    }

    async fn call(
        &self,
        url: Url,
        headers: &[(&'static str, &str)],
        see: impl FnOnce(&HeaderMap) + Send,
    ) -> Result<(Reply, Option<String>), HttpError> {
        let request = self.client.get(url).header(ACCEPT, self.accept);
        let request = headers.iter().fold(request, |it, (name, value)| it.header(*name, *value));
        let mut response = request.send().await.map_err(sending)?;
        let headers = response.headers();
        see(headers);
        let cookies = cookies(headers);
        let head = Reply::new(response.status().as_u16(), headers, Bytes::new());
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
        Ok((Reply { body: body.freeze(), ..head }, cookies))
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
