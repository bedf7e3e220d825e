//! Bybit: spot, linear and inverse contracts (V5).
//!
//! Everything is status 200 and an envelope: `retCode` says whether `result` is an answer. Only
//! whoever is shut out gets a status of his own.

mod candles;
mod feed;

use std::sync::Arc;

use axum::Router;
use axum::routing::get;
use serde_json::{Value, json};

use super::call::{candles, other};
use super::words::Words;
use super::{Parameters, Refusal, Reply};
use crate::venue::Inner;

use candles::Price;

/// Minutes are numbers, `M` is a month.
const INTERVALS: &Words = &[
    ("1", "1m"),
    ("3", "3m"),
    ("5", "5m"),
    ("15", "15m"),
    ("30", "30m"),
    ("60", "1h"),
    ("120", "2h"),
    ("240", "4h"),
    ("360", "6h"),
    ("720", "12h"),
    ("D", "1d"),
    ("W", "1w"),
    ("M", "1M"),
];

pub(super) fn router() -> Router<Arc<Inner>> {
    Router::new()
        .route("/v5/market/kline", candles(Price::Traded))
        .route("/v5/market/mark-price-kline", candles(Price::Other))
        .route("/v5/market/index-price-kline", candles(Price::Other))
        .route("/v5/market/premium-index-price-kline", candles(Price::Other))
        .route("/v5/market/time", other(time))
        .route("/v5/market/instruments-info", other(instruments))
        .route("/v5/public/{category}", get(feed::public))
}

/// What every reply is: a code, what it says, and what is answered.
fn envelope(code: i64, message: &str, result: Value, now_ms: i64) -> Value {
    json!({"retCode": code, "retMsg": message, "result": result, "retExtInfo": {}, "time": now_ms})
}

/// What kind of contract is asked about; the exchange takes `linear` where nothing is said.
fn category(text: Option<&str>) -> Option<&'static str> {
    match text {
        None | Some("linear") => Some("linear"),
        Some("spot") => Some("spot"),
        Some("inverse") => Some("inverse"),
        Some(_) => None,
    }
}

fn unknown_category() -> Refusal {
    let message = "Illegal category".to_owned();
    Refusal::Own { status: 200, code: 10_001, message, retry_after: None }
}

fn time(inner: &Inner, _: &Parameters) -> Reply {
    let now_ms = inner.now_ms();
    let result = json!({
        "timeSecond": now_ms.div_euclid(1_000).to_string(),
        "timeNano": format!("{now_ms}000000"),
    });
    Reply::answer(envelope(0, "OK", result, now_ms))
}

/// The symbols there are, or the one that is asked for; of spot nobody is told since when.
fn instruments(inner: &Inner, parameters: &Parameters) -> Reply {
    let now_ms = inner.now_ms();
    let Some(category) = category(parameters.text("category")) else {
        return candles::refused(&unknown_category(), now_ms);
    };
    let asked = parameters.text("symbol");
    let book = inner.book.lock();
    let symbols = book.symbols().filter(|symbol| asked.is_none_or(|asked| asked == *symbol));
    let list = symbols.map(|symbol| {
        if category == "spot" {
            return json!({"symbol": symbol, "status": "Trading"});
        }
        let delivered = book.delivered(symbol);
        let status = if delivered.is_some() { "Closed" } else { "Trading" };
        json!({
            "symbol": symbol, "status": status,
            "launchTime": book.first(symbol).unwrap_or_default().to_string(),
            "deliveryTime": delivered.unwrap_or_default().to_string(),
        })
    });
    let list: Vec<Value> = list.collect();
    let result = json!({"category": category, "list": list, "nextPageCursor": ""});
    Reply::answer(envelope(0, "OK", result, now_ms))
}
