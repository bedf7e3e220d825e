use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::wire::Scissors;

/// What goes wrong with a call of a stock market.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StockFault {
    /// A page with this status, as whoever is banned gets it.
    Status {
        /// The status of HTTP.
        status: u16,
        /// The header of that name, in seconds.
        retry_after: Option<u32>,
    },
    /// A page of HTML with the status of an answer.
    Html,
    /// A sentence in the place of an answer, with the status of one.
    Sentence(String),
    /// Half of the reply, sent as if it were whole.
    HalfText,
    /// Another object than any that is known.
    OtherShape,
    /// The columns of a table in another order.
    OtherColumns,
    /// The connection is closed without a word.
    Disconnect,
}

impl StockFault {
    /// A status alone.
    pub fn status(status: u16) -> Self {
        Self::Status { status, retry_after: None }
    }

    /// What is sent in the place of a reply.
    pub(super) fn answer(&self, reply: String, scissors: &Scissors) -> Response {
        match self {
            Self::Status { status, retry_after } => {
                let status = StatusCode::from_u16(*status).unwrap_or(StatusCode::BAD_GATEWAY);
                let page = "<html><body>No.</body></html>";
                match retry_after {
                    Some(seconds) => {
                        (status, [(header::RETRY_AFTER, seconds.to_string())], page).into_response()
                    }
                    None => (status, page).into_response(),
                }
            }
            Self::Html => "<html><body><h1>Bad Gateway</h1></body></html>".into_response(),
            Self::Sentence(sentence) => {
                let reply = json!({"stat": sentence, "rtcode": "9999", "rtmessage": sentence});
                reply.to_string().into_response()
            }
            Self::HalfText => {
                let half = reply.len() / 2;
                let half = (half..reply.len()).find(|at| reply.is_char_boundary(*at));
                reply[..half.unwrap_or_default()].to_owned().into_response()
            }
            Self::OtherShape => json!({"answer": {"rows": []}}).to_string().into_response(),
            Self::OtherColumns => reply
                .replace("開盤", "\u{1}")
                .replace("收盤", "開盤")
                .replace('\u{1}', "收盤")
                .replace("\"o\":", "\"oo\":1,\"d\":")
                .into_response(),
            Self::Disconnect => {
                scissors.cut();
                StatusCode::OK.into_response()
            }
        }
    }
}
