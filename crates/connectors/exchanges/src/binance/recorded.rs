//! The parsers against what the exchange has really said, with values that were taken down by hand,
//! and against what becomes of that on a bad way.

use std::path::PathBuf;

use cache_series::row::Candle;
use cache_series::time::Time;
use cache_series::venue::{VenueError, VenueErrorKind};
use proptest::prelude::*;
use serde::de::IgnoredAny;

use super::NAME;
use super::klines::klines;
use super::message::{Kline, Message, Subject, message};
use super::refusal::answered;
use super::service::Volume;
use crate::http::Reply;
use crate::mutation::{mutate, mutation};
use crate::refusal::malformed;

/// The samples of the exchange's documentation.
const SPOT: &str = r#"[[1499040000000,"0.01634790","0.80000000","0.01575800","0.01577100","148976.11427815",1499644799999,"2434.19055334",308,"1756.87402397","28.46694368","0"]]"#;
const COIN_MARGINED: &str = r#"[[1591258320000,"9640.7","9642.4","9640.6","9642.0","206",1591258379999,"2.13660389",48,"119","1.23424865","0"]]"#;
const MARK: &str = r#"[[1591256460000,"9653.29201333","9654.56401333","9653.07367333","9653.07367333","0",1591256519999,"0",60,"0","0","0"]]"#;
const FEED: &str = r#"{"e":"kline","E":1638747660000,"s":"BTCUSDT","k":{"t":1638747660000,"T":1638747719999,"s":"BTCUSDT","i":"1m","f":100,"L":200,"o":"0.0010","c":"0.0020","h":"0.0025","l":"0.0015","v":"1000","n":100,"x":false,"q":"1.0000","V":"500","Q":"0.500","B":"123456"}}"#;
const REFUSAL: &str = r#"{"code":-1121,"msg":"Invalid symbol."}"#;

fn row(ms: i64, [open, high, low, close, volume]: [f64; 5]) -> (Time, Candle) {
    (Time::from_unix_ms(ms), Candle { open, high, low, close, volume })
}

#[test]
fn documented_samples_are_read() {
    let spot = row(1_499_040_000_000, [0.0163479, 0.8, 0.015758, 0.015771, 148_976.114_278_15]);
    assert_eq!(klines(SPOT.as_bytes(), Volume::Own).unwrap(), [spot]);
    let coin = row(1_591_258_320_000, [9640.7, 9642.4, 9640.6, 9642.0, 2.136_603_89]);
    assert_eq!(klines(COIN_MARGINED.as_bytes(), Volume::Quoted).unwrap(), [coin]);
    let mark = &klines(MARK.as_bytes(), Volume::None).unwrap()[0];
    assert_eq!(mark.0.unix_ms(), 1_591_256_460_000);
    let prices = [mark.1.open, mark.1.high, mark.1.low, mark.1.close];
    assert_eq!(prices, [9_653.292_013_33, 9_654.564_013_33, 9_653.073_673_33, 9_653.073_673_33]);
    assert!(mark.1.volume.is_nan());
}

fn subject() -> Subject {
    Subject { symbol: "BTCUSDT".to_owned(), interval: "1m", volume: Volume::Own }
}

#[test]
fn a_documented_message_is_read() {
    let (time, candle) = row(1_638_747_660_000, [0.001, 0.0025, 0.0015, 0.002, 1_000.0]);
    let growing = Kline { event_ms: 1_638_747_660_000, time, candle, closed: false };
    assert_eq!(message(FEED, &subject()).unwrap(), Message::Kline(growing));
    let closed = FEED.replace(r#""x":false"#, r#""x":true"#);
    let closed = message(&closed, &subject()).unwrap();
    assert_eq!(closed, Message::Kline(Kline { closed: true, ..growing }));
}

/// Ten minutes of a real reply: open time, open, high, low, close, volume.
const TAKEN_DOWN: [(i64, [f64; 5]); 10] = [
    (1_634_943_780_000, [60685.22, 60729.84, 60670.90, 60719.27, 21.63272]),
    (1_634_943_840_000, [60719.28, 60780.41, 60707.00, 60771.81, 21.91797]),
    (1_634_943_900_000, [60773.18, 60799.13, 60745.24, 60768.71, 15.3866]),
    (1_634_943_960_000, [60768.71, 60807.52, 60756.51, 60786.56, 12.6764]),
    (1_634_944_020_000, [60786.55, 60787.15, 60756.07, 60759.65, 8.13593]),
    (1_634_944_080_000, [60762.99, 60778.81, 60734.58, 60774.88, 10.9012]),
    (1_634_944_140_000, [60774.88, 60787.69, 60758.92, 60776.64, 4.72517]),
    (1_634_944_200_000, [60776.63, 60776.63, 60723.78, 60738.58, 7.94426]),
    (1_634_944_260_000, [60740.00, 60765.48, 60725.00, 60739.85, 5.31675]),
    (1_634_944_320_000, [60739.85, 60739.85, 60739.85, 60739.85, 0.04734]),
];

/// What Binance would have sent of these rows, with all that a row has besides.
fn rows_as_sent() -> String {
    let rows = TAKEN_DOWN.iter().map(|(ms, values)| {
        let [open, high, low, close, volume] = values.map(|value| format!("{value:.8}"));
        let end = ms + 59_999;
        format!(
            r#"[{ms},"{open}","{high}","{low}","{close}","{volume}",{end},"1.5",617,"2.5","3.5","0"]"#
        )
    });
    format!("[{}]", rows.collect::<Vec<_>>().join(","))
}

/// Recordings are not part of the project; where a folder with them is named, they are read too.
#[test]
fn a_recorded_reply_is_read() {
    let expected = TAKEN_DOWN.map(|(ms, values)| row(ms, values));
    assert_eq!(klines(rows_as_sent().as_bytes(), Volume::Own).unwrap(), expected);
    let Some(folder) = std::env::var_os("TIERS_RECORDED_REPLIES").map(PathBuf::from) else {
        return;
    };
    let read = |name: &str| std::fs::read(folder.join(name)).unwrap();
    let spot = read("nautilus_binance_http_spot_market_klines.json");
    assert_eq!(klines(&spot, Volume::Own).unwrap(), expected);
    for (name, closed, low) in [("open", false, 0.0015), ("closed", true, 0.001)] {
        let name = format!("nautilus_binance_futures_market_data_json_kline_stream_{name}.json");
        let text = String::from_utf8(read(&name)).unwrap();
        let (time, candle) = row(1_638_747_660_000, [0.001, 0.0025, low, 0.002, 1_000.0]);
        let kline = Kline { event_ms: 1_638_747_660_000, time, candle, closed };
        assert_eq!(message(&text, &subject()).unwrap(), Message::Kline(kline));
    }
}

/// What a call makes of a reply.
fn read(status: u16, body: &[u8]) -> Result<Vec<(Time, Candle)>, VenueError> {
    let body = body.to_vec().into();
    let reply = answered(Reply { status, retry_after: None, date: None, body })?;
    klines(&reply.body, Volume::Own).map_err(|error| malformed(NAME, &reply.body, error))
}

proptest! {
    /// What was cut off or is no JSON is an error; no mutation makes an answer without rows of one
    /// with rows, and of what is read every number is one that stands there.
    #[test]
    fn a_mutated_reply_is_an_error_or_rows(mutations in prop::collection::vec(mutation(), 1..3)) {
        let whole = rows_as_sent();
        let mut body = whole.clone().into_bytes();
        for mutation in &mutations {
            if !body.is_empty() {
                body = mutate(&body, mutation);
            }
        }
        let text = std::str::from_utf8(&body);
        let is_json = text.is_ok_and(|text| serde_json::from_str::<IgnoredAny>(text).is_ok());
        match read(200, &body) {
            Ok(rows) => {
                prop_assert!(is_json, "{:?}", String::from_utf8_lossy(&body));
                // `[]` itself is what a cut in the middle may leave.
                let text = String::from_utf8_lossy(&body).replace(char::is_whitespace, "");
                prop_assert!(!rows.is_empty() || text == "[]");
                for (_, candle) in rows {
                    let Candle { open, high, low, close, volume } = candle;
                    prop_assert!([open, high, low, close, volume].iter().all(|it| it.is_finite()));
                }
            }
            Err(error) => {
                prop_assert!(matches!(
                    error.kind(),
                    VenueErrorKind::Malformed | VenueErrorKind::Refused
                ), "{error}");
                prop_assert!(error.to_string().len() < 1_000);
            }
        }
    }

    #[test]
    fn a_reply_that_was_cut_off_is_an_error(at in any::<prop::sample::Index>()) {
        let whole = rows_as_sent();
        let error = read(200, &whole.as_bytes()[..at.index(whole.len())]).unwrap_err();
        prop_assert_eq!(error.kind(), VenueErrorKind::Malformed);
        prop_assert!(error.is_transient());
    }

    /// Bug 8 of the model: an error was as good as an empty list.
    #[test]
    fn bug_8_a_refusal_never_becomes_an_empty_list(
        status in prop::sample::select(vec![200u16, 400, 403, 404, 418, 429, 500, 503]),
        mutation in mutation(),
    ) {
        prop_assert!(read(status, REFUSAL.as_bytes()).is_err());
        prop_assert!(read(status, &mutate(REFUSAL.as_bytes(), &mutation)).is_err());
        if status >= 300 {
            prop_assert!(read(status, b"[]").is_err() && read(status, SPOT.as_bytes()).is_err());
        }
    }

    #[test]
    fn a_mutated_message_is_an_error_or_as_it_says(mutation in mutation()) {
        let text = mutate(FEED.as_bytes(), &mutation);
        if let Ok(text) = String::from_utf8(text)
            && let Ok(Message::Kline(kline)) = message(&text, &subject())
        {
            let Candle { open, high, low, close, volume } = kline.candle;
            prop_assert!([open, high, low, close, volume].iter().all(|it| it.is_finite()));
            prop_assert!(kline.time.unix_ms() >= 0);
        }
    }
}
