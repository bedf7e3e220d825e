//! OKX: spot, and linear and inverse contracts (V5).
//!
//! An envelope with a code in it, which is a text; what is refused may be so with status 200. The
//! newest candles are held by one path, all of them by another.

mod candles;
mod feed;

use std::sync::Arc;

use axum::Router;
use axum::routing::get;
use serde_json::{Value, json};

use super::call::{candles, other};
use super::words::Words;
use super::{Parameters, Refusal, Reply};
use crate::Candle;
use crate::venue::Inner;

use candles::{History, Newest, Price};

/// Minutes in small letters; what is longer than an hour begins by UTC only where it says so.
const BARS: &Words = &[
    ("1m", "1m"),
    ("3m", "3m"),
    ("5m", "5m"),
    ("15m", "15m"),
    ("30m", "30m"),
    ("1H", "1h"),
    ("2H", "2h"),
    ("4H", "4h"),
    ("6Hutc", "6h"),
    ("12Hutc", "12h"),
    ("1Dutc", "1d"),
    ("1Wutc", "1w"),
    ("1Mutc", "1M"),
];

pub(super) fn router() -> Router<Arc<Inner>> {
    let (traded, other_price) = (Price::Traded, Price::Other);
    Router::new()
        .route("/api/v5/market/candles", candles(Newest(traded)))
        .route("/api/v5/market/history-candles", candles(History(traded)))
        .route("/api/v5/market/mark-price-candles", candles(Newest(other_price)))
        .route("/api/v5/market/history-mark-price-candles", candles(History(other_price)))
        .route("/api/v5/market/index-candles", candles(Newest(other_price)))
        .route("/api/v5/market/history-index-candles", candles(History(other_price)))
        .route("/api/v5/public/time", other(time))
        .route("/api/v5/public/instruments", other(instruments))
        .route("/ws/v5/business", get(feed::business))
}

/// What every reply is: a code, what it says, and what is answered.
fn envelope(code: &str, message: &str, data: Vec<Value>) -> Value {
    json!({"code": code, "msg": message, "data": data})
}

fn good(data: Vec<Value>) -> Reply {
    Reply::answer(envelope("0", "", data))
}

/// A row as it is answered and told of, with volume where there is any, and whether it is over.
fn row(at: i64, candle: Candle, amounts: Option<[f64; 3]>, closed: bool) -> Value {
    let Candle { open, high, low, close, .. } = candle;
    let mut row = vec![at.to_string()];
    row.extend([open, high, low, close].map(|price| price.to_string()));
    row.extend(amounts.into_iter().flatten().map(|amount| amount.to_string()));
    row.push(u8::from(closed).to_string());
    json!(row)
}

/// Volumes: of spot in base currency and twice in quoted currency; of contracts, of which a
/// hundred are one of the base currency, in contracts, in base and in quoted currency.
fn amounts(symbol: &str, candle: Candle) -> [f64; 3] {
    let (base, quoted) = (candle.volume, candle.volume * candle.close);
    let is_contract = symbol.matches('-').count() > 1;
    if is_contract { [base * 100.0, base, quoted] } else { [base, quoted, quoted] }
}

fn time(inner: &Inner, _: &Parameters) -> Reply {
    good(vec![json!({"ts": inner.now_ms().to_string()})])
}

/// The instrument that is asked for, or all of a kind. What was delivered is left out.
fn instruments(inner: &Inner, parameters: &Parameters) -> Reply {
    let Some(kind) = parameters.text("instType") else {
        return candles::refused(&Refusal::Missing("instType"));
    };
    let asked = parameters.text("instId");
    let now_ms = inner.now_ms();
    let book = inner.book.lock();
    let kind_of = |symbol: &str| match symbol.split('-').nth(2) {
        None => "SPOT",
        Some("SWAP") => "SWAP",
        Some(_) => "FUTURES",
    };
    let found = book.symbols().filter(|symbol| {
        let is_over = book.delivered(symbol).is_some_and(|at_ms| at_ms <= now_ms);
        kind_of(symbol) == kind && asked.is_none_or(|asked| asked == *symbol) && !is_over
    });
    let data: Vec<Value> = found
        .map(|symbol| {
            let expiry = book.delivered(symbol).map_or_else(String::new, |at_ms| at_ms.to_string());
            json!({
                "instType": kind, "instId": symbol, "state": "live", "expTime": expiry,
                "listTime": book.first(symbol).unwrap_or_default().to_string(),
            })
        })
        .collect();
    if asked.is_some() && data.is_empty() {
        return candles::refused(&Refusal::UnknownSymbol);
    }
    good(data)
}
