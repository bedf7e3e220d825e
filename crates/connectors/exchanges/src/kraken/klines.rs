use std::borrow::Cow;
use std::collections::BTreeMap;

use cache_series::row::Candle;
use cache_series::time::Time;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::symbol::Pair;
use crate::parse::{ParseError, candle, json, moment};

/// What stands beside the rows.
const LAST: &str = "last";

/// The rows under the pair's own name, and [`LAST`].
#[derive(Debug, Deserialize)]
struct Answer<'text> {
    #[serde(borrow)]
    result: BTreeMap<Cow<'text, str>, &'text RawValue>,
}

/// A row as the exchange writes it: begin in seconds, open, high, low, close, average weighted by
/// volume, volume, number of trades.
#[derive(Debug, Deserialize)]
struct Row<'text>(
    i64,
    #[serde(borrow)] Cow<'text, str>,
    #[serde(borrow)] Cow<'text, str>,
    #[serde(borrow)] Cow<'text, str>,
    #[serde(borrow)] Cow<'text, str>,
    #[serde(borrow)] Cow<'text, str>,
    #[serde(borrow)] Cow<'text, str>,
    u64,
);

/// What a reply says: rows in the order in which they stand, the growing one among them.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Klines {
    pub(super) rows: Vec<(Time, Candle)>,
    /// The begin of the newest row that is over: those after it are growing.
    pub(super) committed: Time,
}

/// The moment so many seconds after 1970 began.
pub(super) fn moment_of_seconds(seconds: i64) -> Result<Time, ParseError> {
    // Too many of them are outside of the years in any case.
    moment(seconds.saturating_mul(1_000))
}

/// Reads a reply of candles of a pair, or says why it is none.
///
/// The growing row is always there by the exchange's own word, so that a reply without rows says
/// nothing of the pair.
pub(super) fn klines(body: &[u8], pair: &Pair) -> Result<Klines, ParseError> {
    let Answer { mut result } = json(body)?;
    let last = result.remove(LAST).ok_or(ParseError::Missing { what: LAST })?;
    let last: i64 = json(last.get().as_bytes())?;
    let mut pairs = result.into_iter();
    let (name, rows) = pairs.next().ok_or(ParseError::Missing { what: "rows" })?;
    if !pair.is(&name) {
        return Err(other(&name));
    }
    if let Some((name, _)) = pairs.next() {
        return Err(other(&name));
    }
    let rows: Vec<Row<'_>> = json(rows.get().as_bytes())?;
    let rows: Vec<_> = rows.into_iter().map(read).collect::<Result<_, _>>()?;
    if rows.is_empty() {
        return Err(ParseError::Missing { what: "rows" });
    }
    Ok(Klines { rows, committed: moment_of_seconds(last)? })
}

fn other(name: &str) -> ParseError {
    ParseError::Subject { text: name.chars().take(64).collect() }
}

fn read(row: Row<'_>) -> Result<(Time, Candle), ParseError> {
    let Row(seconds, open, high, low, close, _average, volume, _trades) = row;
    let time = moment_of_seconds(seconds)?;
    Ok((time, candle(time, [&open, &high, &low, &close], Some(&volume))?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(result: &str) -> Result<Klines, ParseError> {
        let body = format!(r#"{{"error":[],"result":{result}}}"#);
        klines(body.as_bytes(), &Pair::read("BTC/USD").unwrap())
    }

    #[test]
    fn rows_stand_under_the_pairs_own_name_beside_the_last() {
        let row = r#"[60,"1","4","0.5","2","1.5","7.25",3]"#;
        let candle = Candle { open: 1.0, high: 4.0, low: 0.5, close: 2.0, volume: 7.25 };
        let expected = Klines {
            rows: vec![(Time::from_unix_ms(60_000), candle)],
            committed: Time::from_unix_ms(0),
        };
        for name in ["XXBTZUSD", "XBTUSD", "BTC/USD"] {
            let read = read(&format!(r#"{{"{name}":[{row}],"last":0}}"#));
            if name.contains('/') {
                // No name that the exchange answers by.
                assert!(matches!(read, Err(ParseError::Subject { .. })), "{name}");
            } else {
                assert_eq!(read.unwrap(), expected, "{name}");
            }
        }
        for other in [
            format!(r#"{{"XETHZUSD":[{row}],"last":0}}"#),
            format!(r#"{{"XXBTZUSD":[{row}],"XETHZUSD":[],"last":0}}"#),
            format!(r#"{{"AAA":[{row}],"XXBTZUSD":[{row}],"last":0}}"#),
        ] {
            assert!(matches!(read(&other), Err(ParseError::Subject { .. })), "{other}");
        }
    }

    #[test]
    fn what_is_half_there_is_no_answer() {
        let row = r#"[60,"1","4","0.5","2","1.5","7.25",3]"#;
        for result in [
            format!(r#"{{"XXBTZUSD":[{row}]}}"#),
            r#"{"last":0}"#.to_owned(),
            r#"{"XXBTZUSD":[],"last":0}"#.to_owned(),
            r#"{"XXBTZUSD":null,"last":0}"#.to_owned(),
            r#"{}"#.to_owned(),
            "[]".to_owned(),
            "null".to_owned(),
            format!(r#"{{"XXBTZUSD":[{row}],"last":"0"}}"#),
            format!(r#"{{"XXBTZUSD":[{row}],"last":-1}}"#),
            format!(r#"{{"XXBTZUSD":[{row}],"last":9223372036854775807}}"#),
            r#"{"XXBTZUSD":[[-60,"1","1","1","1","1","1",1]],"last":0}"#.to_owned(),
            r#"{"XXBTZUSD":[[60,"1","1","1","1","1","1"]],"last":0}"#.to_owned(),
            r#"{"XXBTZUSD":[[60,"1","1","1","1","1","x",1]],"last":0}"#.to_owned(),
            r#"{"XXBTZUSD":[[60,1,"1","1","1","1","1",1]],"last":0}"#.to_owned(),
        ] {
            assert!(read(&result).is_err(), "{result}");
        }
    }
}
