//! Kraken: spot.
//!
//! Everything is status 200 and an envelope: a list of errors, and a result if there is none in it.
//! Symbols are listed in the book by the names that calls use (`XBTUSD`).

mod candles;
mod feed;
mod names;

use std::sync::Arc;

use axum::Router;
use axum::routing::get;
use serde_json::{Map, Value, json};

use super::call::{candles, other};
use super::{Parameters, Refusal, Reply};
use crate::Interval;
use crate::venue::Inner;

use candles::{Ohlc, refused};
use names::Names;

const DAY_MS: i64 = 86_400_000;

/// Minutes; weeks and fifteen days are counted from the beginning of 1970.
const INTERVALS: [(&str, Interval); 9] = [
    ("1", Interval::MINUTE),
    ("5", Interval::ms("5m", 5 * 60_000)),
    ("15", Interval::ms("15m", 15 * 60_000)),
    ("30", Interval::ms("30m", 30 * 60_000)),
    ("60", Interval::ms("1h", 60 * 60_000)),
    ("240", Interval::ms("4h", 240 * 60_000)),
    ("1440", Interval::ms("1d", DAY_MS)),
    ("10080", Interval::ms("7d", 7 * DAY_MS)),
    ("21600", Interval::ms("15d", 15 * DAY_MS)),
];

fn interval(minutes: &str) -> Option<Interval> {
    INTERVALS.iter().find(|(own, _)| *own == minutes).map(|(_, interval)| *interval)
}

/// How long one lasts, in milliseconds.
fn length_ms(interval: Interval) -> i64 {
    interval.next_after(0)
}

pub(super) fn router() -> Router<Arc<Inner>> {
    Router::new()
        .route("/0/public/OHLC", candles(Ohlc))
        .route("/0/public/Time", other(time))
        .route("/0/public/SystemStatus", other(status))
        .route("/0/public/AssetPairs", other(asset_pairs))
        .route("/v2", get(feed::public))
}

fn answer(result: Value) -> Reply {
    Reply::answer(json!({"error": [], "result": result}))
}

/// In seconds.
fn time(inner: &Inner, _: &Parameters) -> Reply {
    answer(json!({"unixtime": inner.now_ms().div_euclid(1_000), "rfc1123": ""}))
}

fn status(_: &Inner, _: &Parameters) -> Reply {
    answer(json!({"status": "online", "timestamp": "2023-11-13T00:00:00Z"}))
}

/// The pairs there are, or the one that is asked for.
fn asset_pairs(inner: &Inner, parameters: &Parameters) -> Reply {
    let asked = parameters.text("pair");
    let book = inner.book.lock();
    let all = book.symbols().map(Names::of);
    let found = all.filter(|names| asked.is_none_or(|asked| names.answers_to(asked)));
    let pairs: Map<String, Value> = found
        .map(|names| {
            let told = json!({"altname": names.call, "wsname": names.old_feed, "status": "online"});
            (names.own, told)
        })
        .collect();
    if asked.is_some() && pairs.is_empty() {
        return refused(&Refusal::UnknownSymbol);
    }
    answer(Value::Object(pairs))
}
