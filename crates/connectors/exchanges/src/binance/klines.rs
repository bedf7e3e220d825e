use std::borrow::Cow;

use cache_series::row::Candle;
use cache_series::time::Time;
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::service::Volume;

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

/// Why a text is not what the exchange's documentation says.
#[derive(Debug, thiserror::Error)]
pub(super) enum ParseError {
    /// The text ends too early.
    #[error("the reply breaks off after {bytes} bytes")]
    Cut {
        bytes: usize,
        #[source]
        source: serde_json::Error,
    },
    /// It is no text.
    #[error("the reply is no text")]
    NoText(#[source] std::str::Utf8Error),
    /// It is no JSON, or JSON of another form.
    #[error("the reply is not what is documented")]
    Form(#[source] serde_json::Error),
    /// A number that is none.
    #[error("{name} of the row of {time} is {text:?} and not a decimal number")]
    Number { name: &'static str, time: Time, text: String },
    /// A row that ends before it begins, or at no time.
    #[error("a row from {open_ms} to {close_ms} cannot be")]
    Span { open_ms: i64, close_ms: i64 },
}

impl ParseError {
    pub(super) fn of_json(text: &str, source: serde_json::Error) -> Self {
        if source.is_eof() { Self::Cut { bytes: text.len(), source } } else { Self::Form(source) }
    }
}

/// Reads JSON. What is passed over in it is text, too.
pub(super) fn json<'body, T: Deserialize<'body>>(body: &'body [u8]) -> Result<T, ParseError> {
    let text = std::str::from_utf8(body).map_err(ParseError::NoText)?;
    serde_json::from_str(text).map_err(|source| ParseError::of_json(text, source))
}

/// The longest text that is read as a number.
const NUMBER_BYTES_MAX: usize = 64;

/// A decimal as the exchange writes them: digits with at most one point between them, and no
/// exponent, sign of plus, or word.
pub(super) fn decimal(text: &str) -> Option<f64> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let all_digits =
        |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let is_decimal = text.len() <= NUMBER_BYTES_MAX && all_digits(whole) && all_digits(fraction);
    is_decimal.then(|| text.parse().ok()).flatten()
}

/// Reads the five numbers of a row.
pub(super) fn candle(
    time: Time,
    [open, high, low, close]: [&str; 4],
    volume: Option<&str>,
) -> Result<Candle, ParseError> {
    let number = |name, text: &str| {
        let refused = || ParseError::Number {
            name,
            time,
            text: text.chars().take(NUMBER_BYTES_MAX).collect(),
        };
        decimal(text).ok_or_else(refused)
    };
    Ok(Candle {
        open: number("open", open)?,
        high: number("high", high)?,
        low: number("low", low)?,
        close: number("close", close)?,
        volume: volume.map_or(Ok(f64::NAN), |volume| number("volume", volume))?,
    })
}

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

    #[test]
    fn a_number_is_a_plain_decimal() {
        for (text, expected) in
            [("0", 0.0), ("-1.5", -1.5), ("0.01634790", 0.0163479), ("93.25", 93.25)]
        {
            assert_eq!(decimal(text), Some(expected), "{text}");
        }
        let long = "1".repeat(65);
        for text in
            ["", "-", ".", "1.", ".5", "+1", "1e5", "inf", "NaN", "1,5", " 1", "0x1", "١", &long]
        {
            assert_eq!(decimal(text), None, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn a_number_that_is_read_is_the_nearest(whole in 0u64..1_000_000_000, fraction in 0u64..100_000_000) {
            let text = format!("{whole}.{fraction:08}");
            prop_assert_eq!(decimal(&text), text.parse().ok());
        }

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
