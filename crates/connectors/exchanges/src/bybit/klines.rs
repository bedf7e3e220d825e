use std::borrow::Cow;

use cache_series::row::Candle;
use cache_series::time::Time;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::service::Volume;
use crate::parse::{ParseError, candle, columns, json, moment_text};

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

/// Reads a row: begin, open, high, low, close, and volume and turnover where it is of trades.
fn read(text: &str, volume: Volume) -> Result<(Time, Candle), ParseError> {
    if volume == Volume::None {
        let [begin, open, high, low, close] = columns(text)?;
        let time = moment_text(&begin)?;
        return Ok((time, candle(time, [&open, &high, &low, &close], None)?));
    }
    let [begin, open, high, low, close, own, turnover] = columns(text)?;
    let time = moment_text(&begin)?;
    let volume = if volume == Volume::Turnover { turnover } else { own };
    Ok((time, candle(time, [&open, &high, &low, &close], Some(&volume))?))
}
