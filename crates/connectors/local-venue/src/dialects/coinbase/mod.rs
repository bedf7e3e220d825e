//! Coinbase: the spot market, by the public part of Advanced Trade.
//!
//! Moments are seconds and, as all numbers, text. A refusal has a status and a word of its own.

mod candles;
mod feed;

use std::sync::Arc;

use axum::Router;
use axum::routing::get;
use jiff::Timestamp;
use serde_json::json;

use super::call::{candles, other};
use super::words::Words;
use super::{Parameters, Refusal, Reply};
use crate::Candle;
use crate::venue::Inner;

use candles::Spot;

const INTERVALS: &Words = &[
    ("ONE_MINUTE", "1m"),
    ("FIVE_MINUTE", "5m"),
    ("FIFTEEN_MINUTE", "15m"),
    ("THIRTY_MINUTE", "30m"),
    ("ONE_HOUR", "1h"),
    ("TWO_HOUR", "2h"),
    ("FOUR_HOUR", "4h"),
    ("SIX_HOUR", "6h"),
    ("ONE_DAY", "1d"),
];

pub(super) fn router() -> Router<Arc<Inner>> {
    Router::new()
        .route("/api/v3/brokerage/market/products/{product_id}/candles", candles(Spot))
        .route("/api/v3/brokerage/market/products/{product_id}", other(product))
        .route("/api/v3/brokerage/time", other(time))
        // The address of its feeds has no path.
        .route("/", get(feed::market_data))
}

fn time(inner: &Inner, _: &Parameters) -> Reply {
    let now_ms = inner.now_ms();
    Reply::answer(json!({
        "iso": instant(now_ms),
        "epochSeconds": now_ms.div_euclid(1_000).to_string(),
        "epochMillis": now_ms.to_string(),
    }))
}

/// A product; whatever was there before 2023 is told to be new since then.
fn product(inner: &Inner, parameters: &Parameters) -> Reply {
    let symbol = parameters.text_or_empty("product_id");
    if !inner.book.lock().lists(symbol) {
        return candles::refused(&Refusal::UnknownSymbol);
    }
    Reply::answer(json!({
        "product_id": symbol, "product_type": "SPOT", "status": "online", "new": false,
        "is_disabled": false, "trading_disabled": false, "view_only": false,
        "new_at": "2023-01-01T00:00:00Z",
    }))
}

/// A moment as a date and a time.
fn instant(ms: i64) -> String {
    Timestamp::from_millisecond(ms).map_or_else(|_| ms.to_string(), |moment| moment.to_string())
}

/// A row; a feed says of which product it is.
fn row(at: i64, candle: Candle) -> serde_json::Map<String, serde_json::Value> {
    let Candle { open, high, low, close, volume } = candle;
    let mut row = serde_json::Map::new();
    row.insert("start".to_owned(), json!(at.div_euclid(1_000).to_string()));
    for (name, number) in
        [("low", low), ("high", high), ("open", open), ("close", close), ("volume", volume)]
    {
        row.insert(name.to_owned(), json!(number.to_string()));
    }
    row
}
