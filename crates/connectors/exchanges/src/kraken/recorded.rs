//! The parsers against replies of the documented form, with values that were taken down by hand,
//! and against what becomes of them on a bad way.

use std::path::PathBuf;

use cache_series::row::Candle;
use cache_series::time::Time;
use cache_series::venue::{VenueError, VenueErrorKind};

use super::NAME;
use super::klines::{Klines, klines};
use super::message::{Subject, message};
use super::refusal::answered;
use super::symbol::Pair;
use crate::feed::{Heard, Update};
use crate::http::Reply;
use crate::mutation::{Parsers, withstands_mutations};
use crate::refusal::malformed;

/// Three rows, the middle one of which is flat, for nothing was traded; the last is growing.
const MINUTES: &str = r#"{"error":[],"result":{"XXBTZUSD":[[1688671200,"30306.1","30306.2","30305.7","30305.7","30306.1","3.39243896",23],[1688671260,"30305.7","30305.7","30305.7","30305.7","0.0","0.00000000",0],[1688671320,"30304.5","30304.6","30300.0","30300.0","30300.0","4.42996871",18]],"last":1688671260}}"#;
const SNAPSHOT: &str = r#"{"channel":"ohlc","type":"snapshot","timestamp":"2023-10-04T16:26:01.806315597Z","data":[{"symbol":"ALGO/USD","open":0.09875,"high":0.0989,"low":0.0987,"close":0.09881,"trades":7,"volume":201.86015,"vwap":0.0988,"interval_begin":"2023-10-04T15:25:00.000000000Z","interval":5,"timestamp":"2023-10-04T15:30:00.000000Z"},{"symbol":"ALGO/USD","open":0.09872,"high":0.09872,"low":0.09872,"close":0.09872,"trades":1,"volume":12.5,"vwap":0.09872,"interval_begin":"2023-10-04T16:20:00.000000000Z","interval":5,"timestamp":"2023-10-04T16:25:00.000000Z"}]}"#;
const REFUSAL: &str = r#"{"error":["EQuery:Unknown asset pair"]}"#;

fn row(ms: i64, [open, high, low, close, volume]: [f64; 5]) -> (Time, Candle) {
    (Time::from_unix_ms(ms), Candle { open, high, low, close, volume })
}

/// What a call makes of a reply.
fn read(status: u16, body: &[u8], pair: &str) -> Result<Klines, VenueError> {
    let body = body.to_vec().into();
    let reply = answered(Reply { status, retry_after: None, date: None, body })?;
    let pair = Pair::read(pair).unwrap();
    klines(&reply.body, &pair).map_err(|error| malformed(NAME, &reply.body, error))
}

fn minutes(status: u16, body: &[u8]) -> Result<Klines, VenueError> {
    read(status, body, "BTC/USD")
}

fn subject(symbol: &str, interval: u32) -> Subject {
    Subject { symbol: symbol.to_owned(), interval }
}

#[test]
fn documented_replies_are_read() {
    let expected = Klines {
        rows: vec![
            row(1_688_671_200_000, [30_306.1, 30_306.2, 30_305.7, 30_305.7, 3.392_438_96]),
            row(1_688_671_260_000, [30_305.7, 30_305.7, 30_305.7, 30_305.7, 0.0]),
            row(1_688_671_320_000, [30_304.5, 30_304.6, 30_300.0, 30_300.0, 4.429_968_71]),
        ],
        committed: Time::from_unix_ms(1_688_671_260_000),
    };
    for pair in ["BTC/USD", "XBTUSD", "btcusd", "XXBTZUSD"] {
        assert_eq!(read(200, MINUTES.as_bytes(), pair).unwrap(), expected, "{pair}");
    }
    for pair in ["ETH/USD", "BTC/EUR", "BTCUSDT"] {
        let error = read(200, MINUTES.as_bytes(), pair).unwrap_err();
        assert_eq!(error.kind(), VenueErrorKind::Malformed, "{pair}");
    }
}

#[test]
fn a_documented_message_is_read() {
    let (first, second) = (
        row(1_696_433_100_000, [0.098_75, 0.098_9, 0.098_7, 0.098_81, 201.860_15]),
        row(1_696_436_400_000, [0.098_72, 0.098_72, 0.098_72, 0.098_72, 12.5]),
    );
    let event_ms = 1_696_436_761_806;
    let update = |(time, candle)| Update { event_ms, time, candle, closed: false };
    let expected = Heard::Rows(vec![update(first), update(second)]);
    assert_eq!(message(SNAPSHOT, &subject("ALGO/USD", 5)).unwrap(), expected);
    assert!(message(SNAPSHOT, &subject("ALGO/EUR", 5)).is_err());
    assert!(message(SNAPSHOT, &subject("ALGO/USD", 1)).is_err());
}

/// Recordings are not part of the project; where a folder with them is named, they are read.
#[test]
fn a_recorded_reply_is_read() {
    let Some(folder) = std::env::var_os("TIERS_RECORDED_REPLIES").map(PathBuf::from) else {
        return;
    };
    let recorded = |name: &str| std::fs::read(folder.join(name)).unwrap();
    let Klines { rows, committed } =
        read(200, &recorded("nautilus_kraken_http_ohlc.json"), "BTC/USDT").unwrap();
    assert_eq!(committed.unix_ms(), 1_762_820_160_000);
    // The newest 720 and the growing one, without a hole, 216 of them flat.
    assert_eq!(rows.len(), 721);
    let times = rows.iter().map(|(time, _)| time.unix_ms());
    assert!(times.eq((0..721).map(|minute| 1_762_777_020_000 + minute * 60_000)));
    assert_eq!(rows.iter().filter(|(_, candle)| candle.volume == 0.0).count(), 216);
    let greatest =
        row(1_762_815_780_000, [106_060.0, 106_060.0, 106_060.0, 106_060.0, 56.509_779_58]);
    assert_eq!(rows[646], greatest);
    let volume: f64 = rows.iter().map(|(_, candle)| candle.volume).sum();
    assert!((volume - 137.573_683_79).abs() < 1e-9, "{volume}");
    let highest = rows.iter().map(|(_, candle)| candle.high).fold(0.0, f64::max);
    let lowest = rows.iter().map(|(_, candle)| candle.low).fold(f64::MAX, f64::min);
    assert_eq!((highest, lowest), (106_536.0, 104_711.0));

    let text = String::from_utf8(recorded("nautilus_kraken_ws_ohlc_update.json")).unwrap();
    let values = [106_038.2, 106_044.3, 106_038.1, 106_040.1, 30_927.680_662_26];
    let (time, candle) = row(1_696_436_700_000, values);
    let update = Update { event_ms: 1_696_436_700_000, time, candle, closed: false };
    let heard = message(&text, &subject("BTC/USD", 1)).unwrap();
    assert_eq!(heard, Heard::Rows(vec![update]));
}

fn rows(status: u16, body: &[u8]) -> Result<Vec<(Time, Candle)>, VenueError> {
    minutes(status, body).map(|klines| klines.rows)
}

fn hear(text: &str) -> Vec<(Time, Candle)> {
    let heard = message(text, &subject("ALGO/USD", 5));
    let Ok(Heard::Rows(updates)) = heard else { return Vec::new() };
    updates.iter().map(|update| (update.time, update.candle)).collect()
}

const PARSERS: Parsers = Parsers {
    read: rows,
    answer: MINUTES,
    no_rows: None,
    moment_ms: 1_000,
    refusal: REFUSAL,
    hear,
    messages: &[SNAPSHOT],
};

withstands_mutations!(PARSERS);
