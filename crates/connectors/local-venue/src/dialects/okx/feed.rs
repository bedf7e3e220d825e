use std::sync::Arc;

use axum::extract::State;
use axum::extract::ws::WebSocketUpgrade;
use axum::response::Response;
use serde::Deserialize;
use serde_json::json;

use super::{BARS, amounts, row};
use crate::dialects::feed::open;
use crate::dialects::words::{interval, word};
use crate::dialects::{Feed, Heard, Told, Topic};
use crate::venue::Inner;

/// The feed of candles, of trades alone.
struct Business;

/// What a client says.
#[derive(Debug, Deserialize)]
struct Said {
    op: String,
    #[serde(default)]
    args: Vec<Channel>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Channel {
    channel: String,
    inst_id: String,
}

impl Feed for Business {
    fn hear(&self, inner: &Inner, text: &str) -> Heard {
        if text == "ping" {
            return Heard::Ping { reply: "pong".to_owned() };
        }
        let said = serde_json::from_str::<Said>(text).ok();
        let known = said.filter(|said| ["subscribe", "unsubscribe"].contains(&said.op.as_str()));
        let Some(Said { op, args }) = known else {
            return Heard::Other {
                replies: vec![error("60012", &format!("Invalid request: {text}"))],
            };
        };
        // Each for itself.
        let (mut topics, mut replies) = (Vec::new(), Vec::new());
        for Channel { channel, inst_id } in args {
            let topic = topic(&channel, &inst_id);
            match topic.filter(|topic| inner.book.lock().lists(&topic.symbol)) {
                Some(topic) => {
                    let arg = json!({"channel": channel, "instId": inst_id});
                    replies.push(json!({"event": op, "arg": arg, "connId": "1"}).to_string());
                    topics.push(topic);
                }
                None => {
                    let what =
                        format!("Wrong URL or channel:{channel},instId:{inst_id} doesn't exist.");
                    replies.push(error("60018", &what));
                }
            }
        }
        if op == "subscribe" {
            Heard::Subscribe { topics, replies }
        } else {
            Heard::Unsubscribe { topics, replies }
        }
    }

    fn tell(&self, told: &Told) -> Option<String> {
        let Told { topic: Topic { symbol, interval }, at_ms, candle, closed, .. } = told;
        let channel = format!("candle{}", word(BARS, *interval)?);
        let row = row(*at_ms, *candle, Some(amounts(symbol, *candle)), *closed);
        let arg = json!({"channel": channel, "instId": symbol});
        Some(json!({"arg": arg, "data": [row]}).to_string())
    }
}

fn error(code: &str, message: &str) -> String {
    json!({"event": "error", "code": code, "msg": message, "connId": "1"}).to_string()
}

/// `candle1m` of `BTC-USDT`.
fn topic(channel: &str, symbol: &str) -> Option<Topic> {
    let interval = interval(BARS, channel.strip_prefix("candle")?)?;
    Some(Topic { symbol: symbol.to_owned(), interval })
}

pub(super) async fn business(
    State(inner): State<Arc<Inner>>,
    upgrade: WebSocketUpgrade,
) -> Response {
    open(inner, Business, Vec::new(), upgrade)
}
