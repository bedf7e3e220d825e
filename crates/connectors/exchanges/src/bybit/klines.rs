use std::borrow::Cow;

use cache_series::row::Candle;
use cache_series::time::Time;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::service::Volume;
use crate::parse::{ParseError, candle, json, moment_text};

/// An answer of klines, and of which series it is.
#[derive(Debug, Deserialize)]
struct Answer<'text> {
    #[serde(borrow)]
    result: Klines<'text>,
}

#[derive(Debug, Deserialize)]
struct Klines<'text> {
    #[serde(borrow)]
    symbol: Cow<'text, str>,
    #[serde(borrow)]
    list: Vec<&'text RawValue>,
}

/// A row as the exchange writes it: begin, open, high, low, close, volume, turnover.
#[derive(Debug, Deserialize)]
struct Traded<'text>(
    #[serde(borrow)] Cow<'text, str>,
    #[serde(borrow)] Cow<'text, str>,
    #[serde(borrow)] Cow<'text, str>,
    #[serde(borrow)] Cow<'text, str>,
    #[serde(borrow)] Cow<'text, str>,
    #[serde(borrow)] Cow<'text, str>,
    #[serde(borrow)] Cow<'text, str>,
);

/// A row of prices that are not traded at: begin, open, high, low, close.
#[derive(Debug, Deserialize)]
struct Priced<'text>(
    #[serde(borrow)] Cow<'text, str>,
    #[serde(borrow)] Cow<'text, str>,
    #[serde(borrow)] Cow<'text, str>,
    #[serde(borrow)] Cow<'text, str>,
    #[serde(borrow)] Cow<'text, str>,
);

/// Reads a reply of klines of a symbol: all of its rows in the order in which they stand, or an
/// error.
pub(super) fn klines(
    body: &[u8],
    symbol: &str,
    volume: Volume,
) -> Result<Vec<(Time, Candle)>, ParseError> {
    let Answer { result } = json(body)?;
    if result.symbol != symbol {
        return Err(ParseError::Subject { text: result.symbol.chars().take(64).collect() });
    }
    result.list.iter().map(|row| read(row.get(), volume)).collect()
}

fn read(text: &str, volume: Volume) -> Result<(Time, Candle), ParseError> {
    if volume == Volume::None {
        let row: Priced<'_> = json(text.as_bytes())?;
        let time = moment_text(&row.0)?;
        return Ok((time, candle(time, [&row.1, &row.2, &row.3, &row.4], None)?));
    }
    let row: Traded<'_> = json(text.as_bytes())?;
    let time = moment_text(&row.0)?;
    let volume = if volume == Volume::Turnover { &row.6 } else { &row.5 };
    Ok((time, candle(time, [&row.1, &row.2, &row.3, &row.4], Some(volume))?))
}
