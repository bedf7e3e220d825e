use std::sync::Arc;

use axum::extract::ws::WebSocketUpgrade;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use crate::dialects::feed::open;
use crate::dialects::{Feed, Parameters, Told, Topic};
use crate::venue::Inner;
use crate::{Candle, Interval};

/// Streams whose names are in the address.
struct Streams {
    /// Whether each message names its stream.
    wrapped: bool,
}

impl Feed for Streams {
    fn tell(&self, told: &Told) -> Option<String> {
        let data = data(told);
        let Topic { symbol, interval } = &told.topic;
        let name = || format!("{}@kline_{}", symbol.to_lowercase(), interval.text());
        let whole = if self.wrapped { json!({"stream": name(), "data": data}) } else { data };
        Some(whole.to_string())
    }
}

fn data(told: &Told) -> Value {
    let Told { topic: Topic { symbol, interval }, at_ms, candle, closed, event_ms } = told;
    let Candle { open, high, low, close, volume } = candle;
    let quoted = (volume * close).to_string();
    json!({"e": "kline", "E": event_ms, "s": symbol, "k": {
        "t": at_ms, "T": interval.next_after(*at_ms) - 1, "s": symbol, "i": interval.text(),
        "f": 1, "L": 1, "o": open.to_string(), "c": close.to_string(), "h": high.to_string(),
        "l": low.to_string(), "v": volume.to_string(), "n": 1, "x": closed, "q": quoted,
        "V": "0", "Q": "0", "B": "0",
    }})
}

/// `btcusdt@kline_1m`.
fn topic(name: &str) -> Option<Topic> {
    let (symbol, interval) = name.split_once("@kline_")?;
    Some(Topic { symbol: symbol.to_uppercase(), interval: Interval::named(interval)? })
}

pub(super) async fn raw(
    State(inner): State<Arc<Inner>>,
    Path(name): Path<String>,
    upgrade: WebSocketUpgrade,
) -> Response {
    streams(inner, &name, false, upgrade)
}

pub(super) async fn combined(
    State(inner): State<Arc<Inner>>,
    parameters: Parameters,
    upgrade: WebSocketUpgrade,
) -> Response {
    streams(inner, parameters.text_or_empty("streams"), true, upgrade)
}

fn streams(inner: Arc<Inner>, names: &str, wrapped: bool, upgrade: WebSocketUpgrade) -> Response {
    let topics: Option<Vec<_>> = names.split('/').map(topic).collect();
    match topics {
        Some(topics) => open(inner, Streams { wrapped }, topics, upgrade),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}
