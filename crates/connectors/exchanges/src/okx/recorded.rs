//! The parsers against replies of the documented form, with values that were taken down by hand,
//! and against what becomes of them on a bad way.

use std::path::PathBuf;

use cache_series::row::Candle;
use cache_series::time::Time;
use cache_series::venue::{VenueError, VenueErrorKind};

use super::NAME;
use super::klines::{Row, klines};
use super::message::{Subject, message};
use super::refusal::answered;
use super::service::Volume;
use crate::feed::{Heard, Update};
use crate::http::Reply;
use crate::mutation::{Parsers, withstands_mutations};
use crate::refusal::malformed;

const SWAP: &str = r#"{"code":"0","msg":"","data":[["1747094040000","102806.1","102820.4","102806.1","102819.9","1040.37","10.4037","1069603.34883","0"],["1747093980000","102806","102820.5","102783.1","102806.1","7164.04","71.6404","7364701.57952","1"]]}"#;
const MARK: &str = r#"{"code":"0","msg":"","data":[["1597026360000","3.721","3.743","3.677","3.708","0"],["1597026300000","3.731","3.799","3.494","3.72","1"]]}"#;
const FEED: &str = r#"{"arg":{"channel":"candle1m","instId":"BTC-USDT-SWAP"},"data":[["1747093980000","102806","102820.5","102783.1","102806.1","7164.04","71.6404","7364701.57952","1"]]}"#;
const REFUSAL: &str = r#"{"code":"51001","msg":"Instrument ID doesn't exist","data":[]}"#;

fn row(ms: i64, [open, high, low, close, volume]: [f64; 5], closed: bool) -> Row {
    let time = Time::from_unix_ms(ms);
    Row { time, candle: Candle { open, high, low, close, volume }, closed }
}

/// What a call makes of a reply.
fn read(status: u16, body: &[u8], volume: Volume) -> Result<Vec<Row>, VenueError> {
    let body = body.to_vec().into();
    let reply = answered(Reply { status, retry_after: None, date: None, body })?;
    klines(&reply.body, volume).map_err(|error| malformed(NAME, &reply.body, error))
}

fn swap(status: u16, body: &[u8]) -> Result<Vec<Row>, VenueError> {
    read(status, body, Volume::Currency)
}

fn subject(channel: &str, symbol: &str, volume: Volume) -> Subject {
    Subject { channel: channel.to_owned(), symbol: symbol.to_owned(), volume }
}

fn minutes() -> Subject {
    subject("candle1m", "BTC-USDT-SWAP", Volume::Currency)
}

#[test]
fn documented_replies_are_read() {
    let growing = [102_806.1, 102_820.4, 102_806.1, 102_819.9, 10.4037];
    let closed = [102_806.0, 102_820.5, 102_783.1, 102_806.1, 71.6404];
    let rows = [row(1_747_094_040_000, growing, false), row(1_747_093_980_000, closed, true)];
    assert_eq!(swap(200, SWAP.as_bytes()).unwrap(), rows);
    // The same columns are others where there are no contracts.
    let spot = read(200, SWAP.as_bytes(), Volume::Own).unwrap();
    assert_eq!(spot[1].candle.volume, 7_164.04);

    let mark = read(200, MARK.as_bytes(), Volume::None).unwrap();
    let times: Vec<_> = mark.iter().map(|row| (row.time.unix_ms(), row.closed)).collect();
    assert_eq!(times, [(1_597_026_360_000, false), (1_597_026_300_000, true)]);
    let Candle { open, high, low, close, volume } = mark[1].candle;
    assert_eq!([open, high, low, close], [3.731, 3.799, 3.494, 3.72]);
    assert!(volume.is_nan());
    // Rows of the one are none of the other.
    for (body, volume) in [(MARK, Volume::Own), (MARK, Volume::Currency), (SWAP, Volume::None)] {
        let error = read(200, body.as_bytes(), volume).unwrap_err();
        assert_eq!(error.kind(), VenueErrorKind::Malformed, "{body}");
    }
    assert_eq!(swap(200, br#"{"code":"0","msg":"","data":[]}"#).unwrap(), []);
    // Neither over nor growing.
    let strange = SWAP.replace(r#""0"],"#, r#""2"],"#);
    assert_eq!(swap(200, strange.as_bytes()).unwrap_err().kind(), VenueErrorKind::Malformed);
}

#[test]
fn a_documented_message_is_read() {
    let closed = [102_806.0, 102_820.5, 102_783.1, 102_806.1, 71.6404];
    let Row { time, candle, .. } = row(1_747_093_980_000, closed, true);
    let update = Update { event_ms: 1_747_093_980_000, time, candle, closed: true };
    assert_eq!(message(FEED, &minutes()).unwrap(), Heard::Rows(vec![update]));
    let growing = FEED.replace(r#""1"]"#, r#""0"]"#);
    let growing = message(&growing, &minutes()).unwrap();
    assert_eq!(growing, Heard::Rows(vec![Update { closed: false, ..update }]));
}

/// Recordings are not part of the project; where a folder with them is named, they are read.
#[test]
fn a_recorded_reply_is_read() {
    let Some(folder) = std::env::var_os("TIERS_RECORDED_REPLIES").map(PathBuf::from) else {
        return;
    };
    let recorded = |name: &str| std::fs::read(folder.join(name)).unwrap();
    let full = swap(200, &recorded("nautilus_okx_http_get_candlesticks_full.json")).unwrap();
    let expected = [
        row(1_747_094_040_000, [102_806.1, 102_820.4, 102_806.1, 102_820.4, 10.4037], true),
        row(1_747_093_980_000, [102_806.0, 102_820.5, 102_783.1, 102_806.1, 71.6404], true),
    ];
    assert_eq!(full, expected);
    // Of an earlier time, with the one column of volume, and neither row over.
    let early = recorded("nautilus_okx_http_get_candlesticks.json");
    let expected = [
        row(1_625_097_600_000, [33_528.6, 33_870.0, 33_528.6, 33_783.9, 778.838], false),
        row(1_625_097_660_000, [33_783.9, 33_783.9, 33_782.1, 33_782.1, 0.123], false),
    ];
    assert_eq!(read(200, &early, Volume::Own).unwrap(), expected);
    let text = String::from_utf8(recorded("nautilus_okx_ws_candle.json")).unwrap();
    let days = subject("candle1D", "BTC-USDT", Volume::Own);
    let Row { time, candle, .. } =
        row(1_597_026_383_085, [8_533.02, 8_553.74, 8_527.17, 8_548.26, 45_247.0], true);
    let update = Update { event_ms: 1_597_026_383_085, time, candle, closed: true };
    assert_eq!(message(&text, &days).unwrap(), Heard::Rows(vec![update]));
}

fn rows(status: u16, body: &[u8]) -> Result<Vec<(Time, Candle)>, VenueError> {
    let rows = swap(status, body)?;
    Ok(rows.iter().map(|row| (row.time, row.candle)).collect())
}

fn hear(text: &str) -> Vec<(Time, Candle)> {
    let Ok(Heard::Rows(updates)) = message(text, &minutes()) else { return Vec::new() };
    updates.iter().map(|update| (update.time, update.candle)).collect()
}

const PARSERS: Parsers = Parsers {
    read: rows,
    answer: SWAP,
    no_rows: Some(r#""data":[]"#),
    moment_ms: 1,
    // It has an empty list in it.
    refusal: REFUSAL,
    hear,
    messages: &[FEED],
};

withstands_mutations!(PARSERS);
