//! What is told by WebSocket.

use std::sync::Arc;

use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::broadcast::error::RecvError;

use crate::venue::{Inner, Order};
use crate::{Candle, Interval};

/// A row that is told of.
#[derive(Clone, Debug)]
pub(crate) struct Told {
    pub(crate) symbol: String,
    pub(crate) at_ms: i64,
    pub(crate) candle: Candle,
    pub(crate) interval: Interval,
    pub(crate) closed: bool,
    pub(crate) event_ms: i64,
}

impl Told {
    fn json(&self) -> Value {
        let Self { symbol, at_ms, candle, interval, closed, event_ms } = self;
        let Candle { open, high, low, close, volume } = candle;
        let quoted = (volume * close).to_string();
        json!({"e": "kline", "E": event_ms, "s": symbol, "k": {
            "t": at_ms, "T": interval.next_after(*at_ms) - 1, "s": symbol, "i": interval.text(),
            "f": 1, "L": 1, "o": open.to_string(), "c": close.to_string(), "h": high.to_string(),
            "l": low.to_string(), "v": volume.to_string(), "n": 1, "x": closed, "q": quoted,
            "V": "0", "Q": "0", "B": "0",
        }})
    }
}

#[derive(Debug, Deserialize)]
pub(crate) struct Streams {
    streams: String,
}

/// `btcusdt@kline_1m`.
fn stream(name: &str) -> Option<(String, Interval)> {
    let (symbol, interval) = name.split_once("@kline_")?;
    Some((symbol.to_uppercase(), Interval::named(interval)?))
}

pub(crate) async fn raw(
    State(inner): State<Arc<Inner>>,
    Path(name): Path<String>,
    upgrade: WebSocketUpgrade,
) -> Response {
    open(inner, &name, false, upgrade)
}

pub(crate) async fn combined(
    State(inner): State<Arc<Inner>>,
    Query(Streams { streams }): Query<Streams>,
    upgrade: WebSocketUpgrade,
) -> Response {
    open(inner, &streams, true, upgrade)
}

fn open(inner: Arc<Inner>, names: &str, wrapped: bool, upgrade: WebSocketUpgrade) -> Response {
    let wanted: Option<Vec<_>> = names.split('/').map(stream).collect();
    let Some(wanted) = wanted else { return StatusCode::NOT_FOUND.into_response() };
    if let Some(status) = inner.feed_refusal() {
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
        return status.into_response();
    }
    // Before the client is answered, so that what happens from then on reaches it.
    let orders = inner.orders.subscribe();
    inner.log.lock().counts.feeds += 1;
    upgrade.on_upgrade(move |socket| serve(inner, socket, orders, wanted, wrapped))
}

async fn serve(
    inner: Arc<Inner>,
    mut socket: WebSocket,
    mut orders: tokio::sync::broadcast::Receiver<Order>,
    wanted: Vec<(String, Interval)>,
    wrapped: bool,
) {
    loop {
        let message = tokio::select! {
            order = orders.recv() => match order {
                Ok(Order::Tell(told)) => {
                    if !wanted.contains(&(told.symbol.clone(), told.interval)) {
                        continue;
                    }
                    let name = format!("{}@kline_{}", told.symbol.to_lowercase(), told.interval.text());
                    let data = told.json();
                    let whole = if wrapped { json!({"stream": name, "data": data}) } else { data };
                    Message::Text(whole.to_string().into())
                }
                Ok(Order::Say(text)) => Message::Text(text.into()),
                Ok(Order::Ping) => Message::Ping("1".into()),
                // Without a word: the connection is lost.
                Ok(Order::Drop) | Err(RecvError::Closed) => return,
                Ok(Order::Close) => Message::Close(None),
                Err(RecvError::Lagged(_)) => return,
            },
            received = socket.recv() => match received {
                Some(Ok(Message::Pong(_))) => {
                    inner.log.lock().counts.pongs += 1;
                    continue;
                }
                Some(Ok(_)) => continue,
                Some(Err(_)) | None => return,
            },
        };
        let ends = matches!(message, Message::Close(_));
        if socket.send(message).await.is_err() || ends {
            return;
        }
    }
}
