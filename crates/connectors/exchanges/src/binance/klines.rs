use std::borrow::Cow;

use cache_series::row::Candle;
use cache_series::time::Time;
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::service::Volume;
use crate::parse::{ParseError, candle, json};

/// A row as the exchange writes it: open time, open, high, low, close, volume, close time, quoted
/// volume, number of trades, two volumes of takers, and one to be passed over.
#[derive(Debug, Deserialize)]
struct Kline<'text>(
    i64,
    #[serde(borrow)] Cow<'text, str>,
    #[serde(borrow)] Cow<'text, str>,
    #[serde(borrow)] Cow<'text, str>,
    #[serde(borrow)] Cow<'text, str>,
    #[serde(borrow)] Cow<'text, str>,
    i64,
    #[serde(borrow)] Cow<'text, str>,
    IgnoredAny,
    IgnoredAny,
    IgnoredAny,
    IgnoredAny,
);

/// The moment of a row, which lasts from `open_ms` to `close_ms`, both included.
pub(super) fn time(open_ms: i64, close_ms: i64) -> Result<Time, ParseError> {
    let time = Time::from_unix_ms(open_ms);
    // A time outside of the years would have become another.
    if time.unix_ms() != open_ms || open_ms < 0 || close_ms < open_ms {
        return Err(ParseError::Span { open_ms, close_ms });
    }
    Ok(time)
}

/// Reads a reply of klines: all of its rows, or an error.
pub(super) fn klines(body: &[u8], volume: Volume) -> Result<Vec<(Time, Candle)>, ParseError> {
    let rows: Vec<Kline<'_>> = json(body)?;
    let read = |row: &Kline<'_>| {
        let time = time(row.0, row.6)?;
        let volume = match volume {
            Volume::Own => Some(&*row.5),
            Volume::Quoted => Some(&*row.7),
            Volume::None => None,
        };
        Ok((time, candle(time, [&row.1, &row.2, &row.3, &row.4], volume)?))
    };
    rows.iter().map(read).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_bytes_are_rows_or_a_typed_error(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = klines(&bytes, Volume::Own);
        }
    }

    #[test]
    fn volumes_are_in_base_currency() {
        let body = br#"[[1591258320000,"9640.7","9642.4","9640.6","9642.0","206",1591258379999,
            "2.13660389",48,"119","1.23424865","0"]]"#;
        let volume = |of| klines(body, of).unwrap()[0].1.volume;
        assert_eq!(volume(Volume::Own), 206.0);
        assert_eq!(volume(Volume::Quoted), 2.13660389);
        assert!(volume(Volume::None).is_nan());
    }

    #[test]
    fn times_that_cannot_be_are_refused() {
        for (open, close) in [(-1, 59_999), (60_000, 59_999), (i64::MAX, i64::MAX)] {
            let body = format!(r#"[[{open},"1","1","1","1","1",{close},"1",1,"1","1","0"]]"#);
            let read = klines(body.as_bytes(), Volume::Own);
            assert!(matches!(read, Err(ParseError::Span { .. })), "{open} {close}");
        }
    }
}
