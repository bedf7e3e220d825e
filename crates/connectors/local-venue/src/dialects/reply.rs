use std::io;
use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use serde_json::Value;

use crate::Fault;
use crate::wire::Scissors;

/// What is sent: an answer or a refusal, as the exchange writes either.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: Value,
}

impl Reply {
    /// An answer.
    pub(crate) fn answer(body: Value) -> Self {
        Self::status(200, body)
    }

    /// A reply with a status.
    pub(crate) fn status(status: u16, body: Value) -> Self {
        Self { status, headers: Vec::new(), body }
    }

    /// The same with a header, whose name is in small letters.
    pub(crate) fn with_header(mut self, name: &'static str, value: impl ToString) -> Self {
        self.headers.push((name, value.to_string()));
        self
    }

    /// The same with the seconds to wait, if they are known.
    pub(crate) fn with_retry_after(self, seconds: Option<u32>) -> Self {
        match seconds {
            Some(seconds) => self.with_header("retry-after", seconds),
            None => self,
        }
    }

    /// What becomes of it by a fault. Those that are refusals are said in it already.
    pub(crate) async fn broken_by(self, fault: &Fault, scissors: &Scissors) -> Response {
        match fault {
            Fault::Html { status } => {
                let status = StatusCode::from_u16(*status).unwrap_or(StatusCode::BAD_GATEWAY);
                let page = "<html><body><h1>Bad Gateway</h1></body></html>";
                (status, [(header::CONTENT_TYPE, "text/html")], page).into_response()
            }
            Fault::HalfText => {
                let text = self.body.to_string();
                let half = first_half(&text).to_owned();
                ([(header::CONTENT_TYPE, "application/json")], half).into_response()
            }
            Fault::HalfReply => {
                let text = self.body.to_string();
                let half = Bytes::copy_from_slice(first_half(&text).as_bytes());
                let rest = async {
                    // What was sent before is on its way by the time that nothing follows at once.
                    tokio::time::sleep(Duration::from_millis(5)).await;
                    Err(io::Error::other("broken on demand"))
                };
                let parts = stream::iter([Ok(half)]).chain(stream::once(rest));
                let length = [(header::CONTENT_LENGTH, text.len().to_string())];
                (length, Body::from_stream(parts)).into_response()
            }
            Fault::Disconnect => {
                scissors.cut();
                StatusCode::OK.into_response()
            }
            Fault::Delay(delay) => {
                tokio::time::sleep(*delay).await;
                self.into_response()
            }
            Fault::Silence => {
                tokio::time::sleep(Duration::from_secs(3_600)).await;
                StatusCode::OK.into_response()
            }
            Fault::EmptyList
            | Fault::RateLimited { .. }
            | Fault::Banned { .. }
            | Fault::Unavailable
            | Fault::Refusal { .. } => self.into_response(),
        }
    }
}

/// The first half of a text, about.
fn first_half(text: &str) -> &str {
    let mut half = text.len() / 2;
    while !text.is_char_boundary(half) {
        half -= 1;
    }
    &text[..half]
}

impl IntoResponse for Reply {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, Json(self.body)).into_response();
        for (name, value) in self.headers {
            if let Ok(value) = HeaderValue::try_from(value) {
                response.headers_mut().insert(HeaderName::from_static(name), value);
            }
        }
        response
    }
}
