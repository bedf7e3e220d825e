use std::collections::BTreeMap;

use cache_series::time::Time;
use cache_series::venue::Listing;
use serde::Deserialize;

use super::klines::{Klines, moment_of_seconds};
use super::service::ROWS_MAX;
use super::symbol::Pair;
use crate::parse::{ParseError, json};

#[derive(Debug, Deserialize)]
struct Clock {
    result: ServerTime,
}

#[derive(Debug, Deserialize)]
struct ServerTime {
    unixtime: i64,
}

#[derive(Debug, Deserialize)]
struct Pairs {
    result: BTreeMap<String, AssetPair>,
}

#[derive(Debug, Deserialize)]
struct AssetPair {
    wsname: Option<String>,
}

/// Since when a pair is traded, by its longest candles: nothing lies before the begin of the first
/// of them. The exchange itself does not tell.
pub(super) fn listing(longest: &Klines) -> Listing {
    // As many as there may be have others before them.
    let is_cut = longest.rows.len() >= ROWS_MAX as usize;
    let first = longest.rows.iter().map(|(time, _)| *time).min();
    match first.filter(|_| !is_cut) {
        Some(first) => Listing::since(first),
        None => Listing::UNTOLD,
    }
}

/// What the exchange's clock showed while it answered, to the second that has begun.
pub(super) fn server_time(body: &[u8]) -> Result<Time, ParseError> {
    let Clock { result: ServerTime { unixtime } } = json(body)?;
    // A clock at the begin of 1970 is none.
    moment_of_seconds(if unixtime == 0 { -1 } else { unixtime })
}

/// The name of a pair in feeds, as it is written by who tells what pairs there are.
pub(super) fn feed_symbol(body: &[u8], pair: &Pair) -> Result<String, ParseError> {
    let Pairs { result } = json(body)?;
    let found = result.into_iter().find(|(name, _)| pair.is(name));
    let (_, found) = found.ok_or(ParseError::Missing { what: "pair" })?;
    let name = found.wsname.ok_or(ParseError::Missing { what: "name for feeds" })?;
    // By its older names, which newer feeds refuse.
    let symbol = Pair::read(&name).and_then(|pair| pair.for_feeds());
    symbol.ok_or_else(|| ParseError::Subject { text: name.chars().take(64).collect() })
}

#[cfg(test)]
mod tests {
    use cache_series::row::Candle;

    use super::*;

    #[test]
    fn nothing_lies_before_the_first_of_the_longest_candles() {
        let rows = |count: i64| {
            let rows =
                (10..10 + count).map(|row| (Time::from_unix_ms(row), Candle::flat(1.0, 1.0)));
            Klines { rows: rows.rev().collect(), committed: Time::EPOCH }
        };
        assert_eq!(listing(&rows(3)), Listing::since(Time::from_unix_ms(10)));
        assert_eq!(listing(&rows(719)), Listing::since(Time::from_unix_ms(10)));
        for cut in [720, 721] {
            assert_eq!(listing(&rows(cut)), Listing::UNTOLD);
        }
    }

    #[test]
    fn the_clock_is_read() {
        let body = br#"{"error":[],"result":{"unixtime":1688669448,"rfc1123":"Thu, 06 Jul 23 18:50:48 +0000"}}"#;
        assert_eq!(server_time(body).unwrap().unix_ms(), 1_688_669_448_000);
        for body in [
            "{}",
            "",
            r#"{"error":[]}"#,
            r#"{"result":{"unixtime":0}}"#,
            r#"{"result":{"unixtime":-5}}"#,
            r#"{"result":{"unixtime":"1"}}"#,
            r#"{"result":{"unixtime":9223372036854775807}}"#,
            "<html>",
        ] {
            assert!(server_time(body.as_bytes()).is_err(), "{body}");
        }
    }

    #[test]
    fn a_pair_is_named_for_feeds_by_newer_names() {
        let of = |given: &str, body: &str| {
            feed_symbol(body.as_bytes(), &Pair::read(given).unwrap())
                .map_err(|error| error.to_string())
        };
        let bitcoin = r#"{"error":[],"result":{"XXBTZUSD":{"altname":"XBTUSD","wsname":"XBT/USD","status":"online"}}}"#;
        assert_eq!(of("btcusd", bitcoin).as_deref(), Ok("BTC/USD"));
        let ada = r#"{"error":[],"result":{"ADAUSD":{"altname":"ADAUSD","wsname":"ADA/USD"}}}"#;
        assert_eq!(of("ADAUSD", ada).as_deref(), Ok("ADA/USD"));
        for (given, body) in [
            ("ETHUSD", bitcoin),
            ("ADAUSD", r#"{"result":{}}"#),
            ("ADAUSD", r#"{"result":{"ADAUSD":{"altname":"ADAUSD"}}}"#),
            ("ADAUSD", r#"{"result":{"ADAUSD":{"wsname":"ADAUSD"}}}"#),
            ("ADAUSD", r#"{"result":[]}"#),
        ] {
            assert!(of(given, body).is_err(), "{given} {body}");
        }
    }
}
