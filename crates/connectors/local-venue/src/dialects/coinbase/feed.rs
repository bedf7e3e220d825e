use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use axum::extract::State;
use axum::extract::ws::WebSocketUpgrade;
use axum::response::Response;
use parking_lot::Mutex;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{instant, row};
use crate::book::Query;
use crate::dialects::feed::open;
use crate::dialects::{Feed, Heard, Told, Topic};
use crate::venue::Inner;
use crate::{Candle, Interval};

/// A snapshot has so many candles at most.
const SNAPSHOT_ROWS: usize = 100;

/// Market data, of which candles and heartbeats are spoken.
#[derive(Debug, Default)]
struct MarketData(Mutex<Connection>);

/// What a connection has said, and what it listens for.
#[derive(Debug, Default)]
struct Connection {
    sequence_num: u64,
    channels: BTreeMap<&'static str, BTreeSet<String>>,
}

/// What a client says.
#[derive(Debug, Deserialize)]
struct Said {
    #[serde(rename = "type")]
    kind: String,
    channel: String,
    #[serde(default)]
    product_ids: Vec<String>,
}

impl Connection {
    fn message(&mut self, channel: &str, now_ms: i64, event: &Value) -> String {
        let sequence_num = self.sequence_num;
        self.sequence_num += 1;
        json!({
            "channel": channel, "client_id": "", "timestamp": instant(now_ms),
            "sequence_num": sequence_num, "events": [event],
        })
        .to_string()
    }

    fn subscriptions(&mut self, now_ms: i64) -> String {
        let event = json!({"subscriptions": self.channels});
        self.message("subscriptions", now_ms, &event)
    }
}

impl Feed for MarketData {
    fn hear(&self, inner: &Inner, text: &str) -> Heard {
        let refused = |message: &str, reason: &str| Heard::Other {
            replies: vec![
                json!({"type": "error", "message": message, "reason": reason}).to_string(),
            ],
        };
        let Ok(said) = serde_json::from_str::<Said>(text) else {
            return refused("invalid message", "");
        };
        let subscribes = match said.kind.as_str() {
            "subscribe" => true,
            "unsubscribe" => false,
            other => return refused("Failed to subscribe", &format!("type {other} is invalid")),
        };
        let channel = match said.channel.as_str() {
            "candles" => "candles",
            "heartbeats" => "heartbeats",
            other => return refused("Failed to subscribe", &format!("no channel {other}")),
        };
        let (now_ms, book) = (inner.now_ms(), inner.book.lock());
        if let Some(unknown) = said.product_ids.iter().find(|symbol| !book.lists(symbol)) {
            return refused("Failed to subscribe", &format!("{unknown} is not a valid product"));
        }
        let mut connection = self.0.lock();
        let listened = connection.channels.entry(channel).or_default();
        for symbol in &said.product_ids {
            if subscribes {
                listened.insert(symbol.clone());
            } else {
                listened.remove(symbol);
            }
        }
        let mut replies = vec![connection.subscriptions(now_ms)];
        if channel == "heartbeats" {
            replies.push(heartbeat(&mut connection, now_ms));
            return Heard::Other { replies };
        }
        let topics = said.product_ids.iter().map(|symbol| topic(symbol)).collect::<Vec<_>>();
        if !subscribes {
            return Heard::Unsubscribe { topics, replies };
        }
        for Topic { symbol, interval } in &topics {
            let query = Query { from_ms: None, to_ms: None, limit: SNAPSHOT_ROWS, newest: true };
            let rows = book.candles(symbol, *interval, query, now_ms).unwrap_or_default();
            let rows = rows.into_iter().rev().map(|(at, candle)| told_row(symbol, at, candle));
            let event = json!({"type": "snapshot", "candles": rows.collect::<Vec<_>>()});
            replies.push(connection.message("candles", now_ms, &event));
        }
        Heard::Subscribe { topics, replies }
    }

    /// That a row has closed is not told: its last state is, and then the next row.
    fn tell(&self, told: &Told) -> Option<String> {
        let Told { topic: Topic { symbol, .. }, at_ms, candle, event_ms, .. } = told;
        let event = json!({"type": "update", "candles": [told_row(symbol, *at_ms, *candle)]});
        Some(self.0.lock().message("candles", *event_ms, &event))
    }

    /// A heartbeat, at whose moment nobody looks.
    fn ping(&self) -> Option<String> {
        Some(heartbeat(&mut self.0.lock(), 0))
    }
}

fn heartbeat(connection: &mut Connection, now_ms: i64) -> String {
    let counter = connection.sequence_num.to_string();
    let event = json!({"current_time": instant(now_ms), "heartbeat_counter": counter});
    connection.message("heartbeats", now_ms, &event)
}

/// Five minutes, and nothing else.
fn topic(symbol: &str) -> Topic {
    Topic { symbol: symbol.to_owned(), interval: Interval::named("5m").unwrap_or(Interval::MINUTE) }
}

/// What is quoted in USDC is told of by the name of the same book in dollars.
fn told_row(symbol: &str, at: i64, candle: Candle) -> Value {
    let name = match symbol.strip_suffix("-USDC") {
        Some(base) if !["USDT", "EURC"].contains(&base) => format!("{base}-USD"),
        _ => symbol.to_owned(),
    };
    let mut row = row(at, candle);
    row.insert("product_id".to_owned(), json!(name));
    Value::Object(row)
}

pub(super) async fn market_data(
    State(inner): State<Arc<Inner>>,
    upgrade: WebSocketUpgrade,
) -> Response {
    open(inner, MarketData::default(), Vec::new(), upgrade)
}
