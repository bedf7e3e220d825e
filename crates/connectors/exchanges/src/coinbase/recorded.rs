//! The parsers against replies of the documented form, with values that were taken down by hand,
//! and against what becomes of them on a bad way.

use std::path::PathBuf;

use cache_series::row::Candle;
use cache_series::time::Time;
use cache_series::venue::{VenueError, VenueErrorKind};

use super::NAME;
use super::klines::klines;
use super::message::{Subject, message};
use super::refusal::answered;
use crate::feed::{Heard, Update};
use crate::http::Reply;
use crate::mutation::{Parsers, withstands_mutations};
use crate::refusal::malformed;

const CANDLES: &str = r#"{"candles":[{"start":"1639512000","low":"47400.11","high":"47893.9","open":"47811.02","close":"47500","volume":"312.04500001"},{"start":"1639504800","low":"47702.5","high":"47990","open":"47905.25","close":"47812.34","volume":"0.00000001"}]}"#;
const FEED: &str = r#"{"channel":"candles","client_id":"","timestamp":"2023-06-09T20:19:35.39625135Z","sequence_num":0,"events":[{"type":"snapshot","candles":[{"start":"1686340800","high":"1867.72","low":"1865.63","open":"1867.38","close":"1866.81","volume":"0.20269406","product_id":"ETH-USD"},{"start":"1686341700","high":"1868.5","low":"1866.01","open":"1866.9","close":"1867.25","volume":"12.5","product_id":"ETH-USD"}]}]}"#;
const UPDATE: &str = r#"{"channel":"candles","client_id":"","timestamp":"2023-06-09T20:19:35.39625135Z","sequence_num":0,"events":[{"type":"update","candles":[{"start":"1686340800","high":"1867.72","low":"1865.63","open":"1867.38","close":"1866.81","volume":"0.20269406","product_id":"ETH-USD"},{"start":"1686341700","high":"1868.5","low":"1866.01","open":"1866.9","close":"1867.25","volume":"12.5","product_id":"ETH-USD"}]}]}"#;
const REFUSAL: &str = r#"{"error":"NOT_FOUND","error_details":"valid product_id is required","message":"valid product_id is required"}"#;

fn row(seconds: i64, [open, high, low, close, volume]: [f64; 5]) -> (Time, Candle) {
    (Time::from_unix_ms(seconds * 1_000), Candle { open, high, low, close, volume })
}

/// What a call makes of a reply.
fn read(status: u16, body: &[u8]) -> Result<Vec<(Time, Candle)>, VenueError> {
    let body = body.to_vec().into();
    let reply = answered(Reply { status, retry_after: None, date: None, body })?;
    klines(&reply.body).map_err(|error| malformed(NAME, &reply.body, error))
}

fn subject(symbol: &str) -> Subject {
    Subject { symbol: symbol.to_owned(), alias: None }
}

#[test]
fn documented_replies_are_read() {
    let newer = row(1_639_512_000, [47_811.02, 47_893.9, 47_400.11, 47_500.0, 312.045_000_01]);
    // An hour between them in which nobody traded.
    let older = row(1_639_504_800, [47_905.25, 47_990.0, 47_702.5, 47_812.34, 0.000_000_01]);
    assert_eq!(read(200, CANDLES.as_bytes()).unwrap(), [newer, older]);
    assert_eq!(read(200, br#"{"candles":[]}"#).unwrap(), []);
    for (from, to) in [
        (r#""low":"47400.11","#, ""),
        (r#""47400.11""#, "47400.11"),
        (r#""47400.11""#, r#""47,400.11""#),
        (r#""1639512000""#, "1639512000"),
        (r#""1639512000""#, r#""1639512000000000""#),
        (r#""1639512000""#, r#""2021-12-14T20:00:00Z""#),
        (r#"{"candles":["#, r#"{"candle":["#),
    ] {
        let changed = CANDLES.replacen(from, to, 1);
        assert_ne!(changed, CANDLES);
        let error = read(200, changed.as_bytes()).unwrap_err();
        assert_eq!(error.kind(), VenueErrorKind::Malformed, "{from} {to}");
    }
    for body in [r#"{"candles":null}"#, "{}", "[]"] {
        let error = read(200, body.as_bytes()).unwrap_err();
        assert_eq!(error.kind(), VenueErrorKind::Malformed, "{body}");
    }
}

#[test]
fn a_documented_message_is_read() {
    let (time, candle) = row(1_686_341_700, [1_866.9, 1_868.5, 1_866.01, 1_867.25, 12.5]);
    let newest = Update { event_ms: 1_686_341_975_396, time, candle, closed: false };
    let heard = message(FEED, &subject("ETH-USD")).unwrap();
    assert_eq!(heard, Heard::Rows(vec![newest]));
    let (time, candle) = row(1_686_340_800, [1_867.38, 1_867.72, 1_865.63, 1_866.81, 0.202_694_06]);
    let before = Update { time, candle, ..newest };
    let heard = message(UPDATE, &subject("ETH-USD")).unwrap();
    assert_eq!(heard, Heard::Rows(vec![before, newest]));
    assert!(message(FEED, &subject("BTC-USD")).is_err(), "another's rows are none");
}

/// Recordings are not part of the project; where a folder with them is named, they are read.
#[test]
fn a_recorded_reply_is_read() {
    let Some(folder) = std::env::var_os("TIERS_RECORDED_REPLIES").map(PathBuf::from) else {
        return;
    };
    let recorded = |name: &str| std::fs::read(folder.join(name)).unwrap();
    let rows = read(200, &recorded("nautilus_coinbase_http_candles.json")).unwrap();
    let expected = [
        row(1_712_192_400, [66_312.4, 66_331.99, 66_055.14, 66_181.6, 355.828_962_43]),
        row(1_712_188_800, [65_984.18, 66_387.77, 65_857.35, 66_314.59, 358.748_510_52]),
    ];
    assert_eq!(rows, expected);
    let text = String::from_utf8(recorded("nautilus_coinbase_ws_candles.json")).unwrap();
    let (time, candle) = row(1_775_521_800, [68_900.0, 68_950.0, 68_850.0, 68_920.5, 42.15]);
    let update = Update { event_ms: 1_775_572_205_000, time, candle, closed: false };
    let heard = message(&text, &subject("BTC-USD")).unwrap();
    assert_eq!(heard, Heard::Rows(vec![update]));
}

/// Of an update all rows are told, of a snapshot the newest.
fn hear(text: &str) -> Vec<(Time, Candle)> {
    let Ok(Heard::Rows(updates)) = message(text, &subject("ETH-USD")) else { return Vec::new() };
    let rows_max = if text.contains("update") { 2 } else { 1 };
    assert!(updates.len() <= rows_max && updates.iter().all(|update| !update.closed));
    updates.iter().map(|update| (update.time, update.candle)).collect()
}

const PARSERS: Parsers = Parsers {
    read,
    answer: CANDLES,
    no_rows: Some(r#""candles":[]"#),
    moment_ms: 1_000,
    refusal: REFUSAL,
    hear,
    messages: &[FEED, UPDATE],
};

withstands_mutations!(PARSERS);
