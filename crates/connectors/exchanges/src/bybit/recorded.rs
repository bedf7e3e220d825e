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
use super::service::Volume;
use crate::feed::{Heard, Update};
use crate::http::Reply;
use crate::mutation::{Parsers, withstands_mutations};
use crate::refusal::malformed;

const INVERSE: &str = r#"{"retCode":0,"retMsg":"OK","result":{"symbol":"BTCUSD","category":"inverse","list":[["1670608860000","17072","17073","17027.5","17055.5","268612","15.74462667"],["1670608800000","17071","17073","17027","17055.5","268611","15.74462666"]]},"retExtInfo":{},"time":1672025956592}"#;
const MARK: &str = r#"{"retCode":0,"retMsg":"OK","result":{"symbol":"BTCUSDT","category":"linear","list":[["1670608800000","17164.16","17164.17","17121.5","17131.64"]]},"retExtInfo":{},"time":1672026361839}"#;
const FEED: &str = r#"{"topic":"kline.5.BTCUSDT","data":[{"start":1672324800000,"end":1672325099999,"interval":"5","open":"16649.5","close":"16677","high":"16678","low":"16608","volume":"2.081","turnover":"34666.4005","confirm":false,"timestamp":1672324988882}],"ts":1672324988882,"type":"snapshot"}"#;
const REFUSAL: &str = r#"{"retCode":10001,"retMsg":"Not supported symbols","result":{},"retExtInfo":{},"time":1672025956592}"#;

fn row(ms: i64, [open, high, low, close, volume]: [f64; 5]) -> (Time, Candle) {
    (Time::from_unix_ms(ms), Candle { open, high, low, close, volume })
}

/// What a call makes of a reply.
fn read(
    status: u16,
    body: &[u8],
    symbol: &str,
    volume: Volume,
) -> Result<Vec<(Time, Candle)>, VenueError> {
    let body = body.to_vec().into();
    let reply = answered(Reply { status, retry_after: None, date: None, body })?;
    klines(&reply.body, symbol, volume).map_err(|error| malformed(NAME, &reply.body, error))
}

fn inverse(status: u16, body: &[u8]) -> Result<Vec<(Time, Candle)>, VenueError> {
    read(status, body, "BTCUSD", Volume::Turnover)
}

fn subject() -> Subject {
    Subject { topic: "kline.5.BTCUSDT".to_owned(), interval: "5", volume: Volume::Own }
}

#[test]
fn documented_replies_are_read() {
    let newer = row(1_670_608_860_000, [17_072.0, 17_073.0, 17_027.5, 17_055.5, 15.744_626_67]);
    let older = row(1_670_608_800_000, [17_071.0, 17_073.0, 17_027.0, 17_055.5, 15.744_626_66]);
    assert_eq!(inverse(200, INVERSE.as_bytes()).unwrap(), [newer, older]);
    let own = read(200, INVERSE.as_bytes(), "BTCUSD", Volume::Own).unwrap();
    assert_eq!(own[0].1.volume, 268_612.0);
    let mark = read(200, MARK.as_bytes(), "BTCUSDT", Volume::None).unwrap();
    assert_eq!((mark.len(), mark[0].0.unix_ms()), (1, 1_670_608_800_000));
    let Candle { open, high, low, close, volume } = mark[0].1;
    assert_eq!([open, high, low, close], [17_164.16, 17_164.17, 17_121.5, 17_131.64]);
    assert!(volume.is_nan());
    // Rows of the one are none of the other, and those of another symbol none at all.
    for (body, symbol, volume) in [
        (MARK, "BTCUSDT", Volume::Own),
        (INVERSE, "BTCUSD", Volume::None),
        (INVERSE, "ETHUSD", Volume::Turnover),
    ] {
        let error = read(200, body.as_bytes(), symbol, volume).unwrap_err();
        assert_eq!(error.kind(), VenueErrorKind::Malformed, "{symbol}");
    }
    let nothing = r#"{"retCode":0,"result":{"symbol":"BTCUSD","list":[]}}"#;
    assert_eq!(inverse(200, nothing.as_bytes()).unwrap(), []);
}

#[test]
fn a_documented_message_is_read() {
    let (time, candle) = row(1_672_324_800_000, [16_649.5, 16_678.0, 16_608.0, 16_677.0, 2.081]);
    let growing = Update { event_ms: 1_672_324_988_882, time, candle, closed: false };
    assert_eq!(message(FEED, &subject()).unwrap(), Heard::Rows(vec![growing]));
    let closed = FEED.replace(r#""confirm":false"#, r#""confirm":true"#);
    let closed = message(&closed, &subject()).unwrap();
    assert_eq!(closed, Heard::Rows(vec![Update { closed: true, ..growing }]));
}

/// Recordings are not part of the project; where a folder with them is named, they are read.
#[test]
fn a_recorded_reply_is_read() {
    let Some(folder) = std::env::var_os("TIERS_RECORDED_REPLIES").map(PathBuf::from) else {
        return;
    };
    let recorded = |name: &str| std::fs::read(folder.join(name)).unwrap();
    let linear = recorded("nautilus_bybit_http_get_klines_linear.json");
    let rows = read(200, &linear, "BTCUSDT", Volume::Own).unwrap();
    let expected = row(1_709_891_679_000, [27_450.0, 27_460.0, 27_440.0, 27_455.0, 123.45]);
    assert_eq!(rows, [expected]);
    let text = String::from_utf8(recorded("nautilus_bybit_ws_kline.json")).unwrap();
    let (time, candle) = row(1_672_324_800_000, [16_649.5, 16_677.0, 16_608.0, 16_677.0, 2.081]);
    let update = Update { event_ms: 1_672_324_988_882, time, candle, closed: false };
    assert_eq!(message(&text, &subject()).unwrap(), Heard::Rows(vec![update]));
}

fn hear(text: &str) -> Vec<(Time, Candle)> {
    let Ok(Heard::Rows(updates)) = message(text, &subject()) else { return Vec::new() };
    updates.iter().map(|update| (update.time, update.candle)).collect()
}

const PARSERS: Parsers = Parsers {
    read: inverse,
    answer: INVERSE,
    no_rows: Some(r#""list":[]"#),
    moment_ms: 1,
    refusal: REFUSAL,
    hear,
    messages: &[FEED],
};

withstands_mutations!(PARSERS);
