use std::borrow::Cow;

use cache_series::row::Candle;
use cache_series::time::Time;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::service::Volume;
use crate::parse::{ParseError, candle, json, moment_text};

/// A row, and whether the exchange says that it is over.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Row {
    pub(super) time: Time,
    pub(super) candle: Candle,
    pub(super) closed: bool,
}

/// An answer of candles. It does not say of which series it is.
#[derive(Debug, Deserialize)]
struct Answer<'text> {
    #[serde(borrow)]
    data: Vec<&'text RawValue>,
}

/// A row as the exchange writes it: begin, open, high, low, close; volume in contracts (in base
/// currency where there are none), in currency (base of contracts, quoted of spot), in quoted
/// currency; whether it is over.
#[derive(Debug, Deserialize)]
struct Traded<'text>(
    #[serde(borrow)] Cow<'text, str>,
    #[serde(borrow)] Cow<'text, str>,
    #[serde(borrow)] Cow<'text, str>,
    #[serde(borrow)] Cow<'text, str>,
    #[serde(borrow)] Cow<'text, str>,
    #[serde(borrow)] Cow<'text, str>,
    #[serde(borrow)] Cow<'text, str>,
    #[expect(dead_code, reason = "the volume in quoted currency is asked for by nobody")]
    #[serde(borrow)]
    Cow<'text, str>,
    #[serde(borrow)] Cow<'text, str>,
);

/// A row of prices that are not traded at: begin, open, high, low, close, whether it is over.
#[derive(Debug, Deserialize)]
struct Priced<'text>(
    #[serde(borrow)] Cow<'text, str>,
    #[serde(borrow)] Cow<'text, str>,
    #[serde(borrow)] Cow<'text, str>,
    #[serde(borrow)] Cow<'text, str>,
    #[serde(borrow)] Cow<'text, str>,
    #[serde(borrow)] Cow<'text, str>,
);

/// Reads a reply of candles: all of its rows in the order in which they stand, or an error.
pub(super) fn klines(body: &[u8], volume: Volume) -> Result<Vec<Row>, ParseError> {
    let Answer { data } = json(body)?;
    data.iter().map(|row| read(row.get(), volume)).collect()
}

/// Reads a row.
pub(super) fn read(text: &str, volume: Volume) -> Result<Row, ParseError> {
    if volume == Volume::None {
        let row: Priced<'_> = json(text.as_bytes())?;
        let time = moment_text(&row.0)?;
        let candle = candle(time, [&row.1, &row.2, &row.3, &row.4], None)?;
        return Ok(Row { time, candle, closed: closed(&row.5)? });
    }
    let row: Traded<'_> = json(text.as_bytes())?;
    let time = moment_text(&row.0)?;
    let volume = if volume == Volume::Currency { &row.6 } else { &row.5 };
    let candle = candle(time, [&row.1, &row.2, &row.3, &row.4], Some(volume))?;
    Ok(Row { time, candle, closed: closed(&row.8)? })
}

/// Whether a row is over.
fn closed(text: &str) -> Result<bool, ParseError> {
    match text {
        "1" => Ok(true),
        "0" => Ok(false),
        _ => Err(ParseError::Word { name: "confirm", text: text.chars().take(64).collect() }),
    }
}
