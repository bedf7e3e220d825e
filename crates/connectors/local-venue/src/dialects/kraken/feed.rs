use std::sync::Arc;

use axum::extract::State;
use axum::extract::ws::WebSocketUpgrade;
use axum::response::Response;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::names::Names;
use super::{interval, length_ms};
use crate::Candle;
use crate::book::Query;
use crate::dialects::feed::open;
use crate::dialects::{Feed, Heard, Told, Topic};
use crate::venue::Inner;

/// So many of the last candles that were traded are told of at first.
const SNAPSHOT_ROWS: usize = 10;

/// The public feed.
struct Public;

/// What a client says.
#[derive(Debug, Deserialize)]
struct Said {
    method: String,
    #[serde(default)]
    params: Params,
}

#[derive(Debug, Default, Deserialize)]
struct Params {
    #[serde(default)]
    channel: String,
    #[serde(default)]
    symbol: Vec<String>,
    interval: Option<u32>,
    snapshot: Option<bool>,
}

impl Feed for Public {
    fn greeting(&self, _: &Inner) -> Vec<String> {
        let system = json!({"system": "online", "api_version": "v2", "version": "2.0.10"});
        vec![json!({"channel": "status", "type": "update", "data": [system]}).to_string()]
    }

    fn hear(&self, inner: &Inner, text: &str) -> Heard {
        let Ok(Said { method, params }) = serde_json::from_str::<Said>(text) else {
            let refused = json!({"error": "Malformed request", "success": false});
            return Heard::Other { replies: vec![refused.to_string()] };
        };
        if method == "ping" {
            return Heard::Ping { reply: json!({"method": "pong"}).to_string() };
        }
        let refused =
            |error: String| json!({"error": error, "method": method, "success": false}).to_string();
        if !["subscribe", "unsubscribe"].contains(&method.as_str()) || params.channel != "ohlc" {
            return Heard::Other { replies: vec![refused("Method(s) not found".to_owned())] };
        }
        let minutes = params.interval.unwrap_or(1);
        let Some(interval) = interval(&minutes.to_string()) else {
            let error = "Subscription ohlc interval not supported".to_owned();
            return Heard::Other { replies: vec![refused(error)] };
        };
        let snapshot = params.snapshot.unwrap_or(true);
        let (mut topics, mut replies, mut snapshots) = (Vec::new(), Vec::new(), Vec::new());
        // Each for itself.
        for symbol in params.symbol {
            let listed = {
                let book = inner.book.lock();
                let mut all = book.symbols();
                all.find(|listed| Names::of(listed).feed == symbol).map(str::to_owned)
            };
            let Some(listed) = listed else {
                replies.push(refused(format!("Currency pair not supported {symbol}")));
                continue;
            };
            let topic = Topic { symbol: listed, interval };
            let result = json!({
                "channel": "ohlc", "interval": minutes, "snapshot": snapshot, "symbol": symbol,
                "warnings": ["timestamp is deprecated, use interval_begin"],
            });
            replies.push(json!({"method": method, "result": result, "success": true}).to_string());
            if method == "subscribe" && snapshot {
                snapshots.extend(first(inner, &topic));
            }
            topics.push(topic);
        }
        replies.extend(snapshots);
        if method == "subscribe" {
            Heard::Subscribe { topics, replies }
        } else {
            Heard::Unsubscribe { topics, replies }
        }
    }

    /// The exchange tells of trades: nothing says that a candle is over.
    fn tell(&self, told: &Told) -> Option<String> {
        let Told { topic, at_ms, candle, closed, event_ms } = told;
        // The last trade of a candle came before its end.
        let event_ms = event_ms - i64::from(*closed);
        Some(message("update", event_ms, vec![row(topic, *at_ms, *candle)]))
    }

    fn ping(&self) -> Option<String> {
        Some(json!({"channel": "heartbeat"}).to_string())
    }
}

/// The last candles in which was traded.
fn first(inner: &Inner, topic: &Topic) -> Option<String> {
    let now_ms = inner.now_ms();
    let query = Query { from_ms: None, to_ms: None, limit: SNAPSHOT_ROWS, newest: true };
    let found = inner.book.lock().candles(&topic.symbol, topic.interval, query, now_ms);
    let rows = found.ok()?.into_iter().map(|(at, candle)| row(topic, at, candle)).collect();
    Some(message("snapshot", now_ms, rows))
}

fn message(kind: &str, event_ms: i64, rows: Vec<Value>) -> String {
    json!({"channel": "ohlc", "type": kind, "timestamp": moment(event_ms), "data": rows})
        .to_string()
}

fn row(topic: &Topic, at_ms: i64, candle: Candle) -> Value {
    let Candle { open, high, low, close, volume } = candle;
    let length_ms = length_ms(topic.interval);
    json!({
        "symbol": Names::of(&topic.symbol).feed,
        "open": open, "high": high, "low": low, "close": close, "volume": volume,
        "trades": 1, "vwap": close, "interval": length_ms / 60_000,
        "interval_begin": moment(at_ms), "timestamp": moment(at_ms + length_ms),
    })
}

fn moment(ms: i64) -> String {
    let moment = Timestamp::from_millisecond(ms).unwrap_or(Timestamp::UNIX_EPOCH);
    format!("{moment:.9}")
}

pub(super) async fn public(State(inner): State<Arc<Inner>>, upgrade: WebSocketUpgrade) -> Response {
    open(inner, Public, Vec::new(), upgrade)
}
