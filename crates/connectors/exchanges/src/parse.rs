//! What every exchange's replies have in common: JSON, and decimals written as text.

use std::borrow::Cow;
use std::fmt;

use cache_series::row::Candle;
use cache_series::time::Time;
use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// Why a text is not what the exchange's documentation says.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ParseError {
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
    /// A moment that is none.
    #[error("{text:?} is no moment in milliseconds since 1970")]
    Moment { text: String },
    /// A moment in seconds that is none.
    #[error("{text:?} is no moment in seconds since 1970")]
    Seconds { text: String },
    /// A moment in words that is none.
    #[error("{text:?} is no moment of a date and a time")]
    Instant { text: String },
    /// A word that is none of those that there are.
    #[error("{name} is {text:?}, which is nowhere documented")]
    Word { name: &'static str, text: String },
    /// A part that no such reply is without.
    #[error("the reply has no {what}")]
    Missing { what: &'static str },
    /// Rows of something else.
    #[error("the reply is about {text:?}, which was not asked for")]
    Subject { text: String },
    /// A row that ends before it begins, or at no time.
    #[error("a row from {open_ms} to {close_ms} cannot be")]
    Span { open_ms: i64, close_ms: i64 },
}

impl ParseError {
    pub(crate) fn of_json(text: &str, source: serde_json::Error) -> Self {
        if source.is_eof() { Self::Cut { bytes: text.len(), source } } else { Self::Form(source) }
    }
}

/// Reads JSON. What is passed over in it is text, too.
pub(crate) fn json<'body, T: Deserialize<'body>>(body: &'body [u8]) -> Result<T, ParseError> {
    let text = std::str::from_utf8(body).map_err(ParseError::NoText)?;
    serde_json::from_str(text).map_err(|source| ParseError::of_json(text, source))
}

/// A row of so many columns, all of them text; no fewer, and no more.
pub(crate) fn columns<const N: usize>(text: &str) -> Result<[Cow<'_, str>; N], ParseError> {
    json::<Columns<'_, N>>(text.as_bytes()).map(|columns| columns.0)
}

struct Columns<'text, const N: usize>([Cow<'text, str>; N]);

#[derive(Deserialize)]
struct Column<'text>(#[serde(borrow)] Cow<'text, str>);

impl<'text, const N: usize> Deserialize<'text> for Columns<'text, N> {
    fn deserialize<D: Deserializer<'text>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_tuple(N, ColumnsVisitor)
    }
}

struct ColumnsVisitor<const N: usize>;

impl<'text, const N: usize> Visitor<'text> for ColumnsVisitor<N> {
    type Value = Columns<'text, N>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "a row of {N} columns of text")
    }

    fn visit_seq<A: SeqAccess<'text>>(self, mut row: A) -> Result<Self::Value, A::Error> {
        let mut columns = [const { Cow::Borrowed("") }; N];
        for (index, column) in columns.iter_mut().enumerate() {
            let next = row.next_element::<Column<'_>>()?;
            *column = next.ok_or_else(|| A::Error::invalid_length(index, &self))?.0;
        }
        Ok(Columns(columns))
    }
}

/// The longest text that is read as a number.
const NUMBER_BYTES_MAX: usize = 64;

/// A decimal as the exchange writes them: digits with at most one point between them, and no
/// exponent, sign of plus, or word.
pub(crate) fn decimal(text: &str) -> Option<f64> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let all_digits =
        |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let is_decimal = text.len() <= NUMBER_BYTES_MAX && all_digits(whole) && all_digits(fraction);
    is_decimal.then(|| text.parse().ok()).flatten()
}

/// A number of JSON's own, of the row of a moment: exponents are allowed, and nothing else is.
pub(crate) fn json_number(
    name: &'static str,
    time: Time,
    value: &RawValue,
) -> Result<f64, ParseError> {
    let text = value.get();
    // What JSON has beside numbers begins otherwise.
    let is_number = text.len() <= NUMBER_BYTES_MAX
        && text.starts_with(|first: char| first == '-' || first.is_ascii_digit());
    let number: Option<f64> = is_number.then(|| text.parse().ok()).flatten();
    number.filter(|number| number.is_finite()).ok_or_else(|| ParseError::Number {
        name,
        time,
        text: text.chars().take(NUMBER_BYTES_MAX).collect(),
    })
}

/// Reads the five numbers of a row.
pub(crate) fn candle(
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

/// The moment at which a row begins.
pub(crate) fn moment(ms: i64) -> Result<Time, ParseError> {
    let time = Time::from_unix_ms(ms);
    // A time outside of the years would have become another.
    if time.unix_ms() == ms && ms >= 0 {
        Ok(time)
    } else {
        Err(ParseError::Span { open_ms: ms, close_ms: ms })
    }
}

/// A moment that is written as text: digits alone.
pub(crate) fn moment_text(text: &str) -> Result<Time, ParseError> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let ms = text.parse().ok().filter(|_| digits).ok_or_else(|| ParseError::Moment {
        text: text.chars().take(NUMBER_BYTES_MAX).collect(),
    })?;
    moment(ms)
}

/// A moment in whole seconds that is written as text: digits alone.
pub(crate) fn seconds_text(text: &str) -> Result<Time, ParseError> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let ms =
        text.parse().ok().filter(|_| digits).and_then(|seconds: i64| seconds.checked_mul(1_000));
    let ms = ms.ok_or_else(|| ParseError::Seconds {
        text: text.chars().take(NUMBER_BYTES_MAX).collect(),
    })?;
    moment(ms)
}

/// A moment that is written as a date and a time with its zone (RFC 3339).
pub(crate) fn instant_text(text: &str) -> Result<Time, ParseError> {
    // Digits alone would be read as milliseconds.
    let read = text.parse().ok().filter(|_| text.contains('T'));
    read.ok_or_else(|| ParseError::Instant { text: text.chars().take(NUMBER_BYTES_MAX).collect() })
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

    #[test]
    fn a_moment_is_digits_within_the_years() {
        assert_eq!(moment_text("1670608800000").unwrap().unix_ms(), 1_670_608_800_000);
        for text in ["", "+1", "-1", "1.0", "1e3", " 1", "99999999999999999999", "9999999999999999"]
        {
            assert!(moment_text(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_moment_may_be_seconds_or_a_date() {
        assert_eq!(seconds_text("1712192400").unwrap().unix_ms(), 1_712_192_400_000);
        for text in ["", "-1", "+1", "1.5", "1e9", "9223372036854775807", "999999999999"] {
            assert!(seconds_text(text).is_err(), "{text:?}");
        }
        let read = |text| instant_text(text).map(Time::unix_ms).ok();
        assert_eq!(read("2026-04-07T14:30:05.123456789Z"), Some(1_775_572_205_123));
        assert_eq!(read("2026-04-07T16:30:05+02:00"), Some(1_775_572_205_000));
        for text in ["", "1775572205123", "2026-04-07", "2026-04-07T14:30:05", "T", "yesterday"] {
            assert_eq!(read(text), None, "{text:?}");
        }
    }

    #[test]
    fn a_number_of_json_is_one() {
        let read = |text: &str| {
            let value: &RawValue = serde_json::from_str(text).unwrap();
            json_number("open", Time::EPOCH, value).ok()
        };
        for (text, expected) in
            [("0", 0.0), ("-1.5", -1.5), ("1e-7", 0.0000001), ("106038.2", 106_038.2), ("2E3", 2e3)]
        {
            assert_eq!(read(text), Some(expected), "{text}");
        }
        let long = "1".repeat(65);
        for text in [r#""1""#, "null", "true", "[1]", "{}", "1e999", &long] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn a_row_has_its_columns_and_no_others() {
        let row = columns::<3>(r#"["1", "\u0032","3"]"#).unwrap();
        assert_eq!(row, ["1", "2", "3"]);
        assert!(matches!(row, [Cow::Borrowed(_), Cow::Owned(_), Cow::Borrowed(_)]));
        for text in [
            r#"["1","2"]"#,
            r#"["1","2","3","4"]"#,
            r#"["1","2",3]"#,
            r#"["1","2",null]"#,
            r#"{"0":"1","1":"2","2":"3"}"#,
            r#""123""#,
            "[]",
        ] {
            assert!(matches!(columns::<3>(text), Err(ParseError::Form(_))), "{text}");
        }
        assert!(matches!(columns::<3>(r#"["1","2""#), Err(ParseError::Cut { .. })));
    }

    proptest! {
        #[test]
        fn a_number_that_is_read_is_the_nearest(whole in 0u64..1_000_000_000, fraction in 0u64..100_000_000) {
            let text = format!("{whole}.{fraction:08}");
            prop_assert_eq!(decimal(&text), text.parse().ok());
        }
    }
}
