use std::sync::Arc;

use axum::extract::ws::WebSocketUpgrade;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use super::candles::amounts;
use super::{INTERVALS, category};
use crate::dialects::feed::open;
use crate::dialects::words::{interval, word};
use crate::dialects::{Feed, Heard, Told, Topic};
use crate::venue::Inner;

/// The public feed of a kind of contract.
struct Public {
    category: &'static str,
}

/// What a client says.
#[derive(Debug, Deserialize)]
struct Said {
    op: String,
    #[serde(default)]
    args: Vec<String>,
    /// Given back in the reply.
    #[serde(default)]
    req_id: String,
}

impl Feed for Public {
    fn hear(&self, inner: &Inner, text: &str) -> Heard {
        let Ok(said) = serde_json::from_str::<Said>(text) else {
            return Heard::Other { replies: vec![reply(false, "", "error:request", "")] };
        };
        let reply = |success, message: &str| reply(success, &said.op, message, &said.req_id);
        let refused = |message: String| Heard::Other { replies: vec![reply(false, &message)] };
        match said.op.as_str() {
            "ping" => return Heard::Ping { reply: reply(true, "pong") },
            "subscribe" | "unsubscribe" => {}
            other => return refused(format!("unknown op:{other}")),
        }
        let mut topics = Vec::new();
        for name in &said.args {
            let Some(topic) = topic(name) else {
                return refused(format!("error:handler not found,topic:{name}"));
            };
            // All or none of what is said at once.
            if !inner.book.lock().lists(&topic.symbol) {
                return refused(format!("Invalid symbol :[{name}]"));
            }
            topics.push(topic);
        }
        let replies = vec![reply(true, &said.op)];
        if said.op == "subscribe" {
            Heard::Subscribe { topics, replies }
        } else {
            Heard::Unsubscribe { topics, replies }
        }
    }

    fn tell(&self, told: &Told) -> Option<String> {
        let Told { topic: Topic { symbol, interval }, at_ms, candle, closed, event_ms } = told;
        let word = word(INTERVALS, *interval)?;
        let [volume, turnover] = amounts(*candle, self.category);
        let row = json!({
            "start": at_ms, "end": interval.next_after(*at_ms) - 1, "interval": word,
            "open": candle.open.to_string(), "close": candle.close.to_string(),
            "high": candle.high.to_string(), "low": candle.low.to_string(),
            "volume": volume.to_string(), "turnover": turnover.to_string(),
            "confirm": closed, "timestamp": event_ms,
        });
        let topic = format!("kline.{word}.{symbol}");
        let message: Value =
            json!({"topic": topic, "data": [row], "ts": event_ms, "type": "snapshot"});
        Some(message.to_string())
    }
}

fn reply(success: bool, op: &str, message: &str, req_id: &str) -> String {
    json!({"success": success, "ret_msg": message, "conn_id": "1", "req_id": req_id, "op": op})
        .to_string()
}

/// `kline.1.BTCUSDT`.
fn topic(name: &str) -> Option<Topic> {
    let (word, symbol) = name.strip_prefix("kline.")?.split_once('.')?;
    Some(Topic { symbol: symbol.to_owned(), interval: interval(INTERVALS, word)? })
}

pub(super) async fn public(
    State(inner): State<Arc<Inner>>,
    Path(name): Path<String>,
    upgrade: WebSocketUpgrade,
) -> Response {
    match category(Some(&name)) {
        Some(category) => open(inner, Public { category }, Vec::new(), upgrade),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}
