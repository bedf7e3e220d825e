use cache_series::row::Candle;
use cache_series::time::Time;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::service::Volume;
use crate::parse::{ParseError, candle, columns, json, moment_text};

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

/// Reads a reply of candles: all of its rows in the order in which they stand, or an error.
pub(super) fn klines(body: &[u8], volume: Volume) -> Result<Vec<Row>, ParseError> {
    let Answer { data } = json(body)?;
    data.iter().map(|row| read(row.get(), volume)).collect()
}

/// Reads a row: begin, open, high, low, close; where it is of trades, volume in contracts (in base
/// currency where there are none), in currency (base of contracts, quoted of spot) and in quoted
/// currency, which nobody asks for; and whether it is over.
pub(super) fn read(text: &str, volume: Volume) -> Result<Row, ParseError> {
    if volume == Volume::None {
        let [begin, open, high, low, close, confirm] = columns(text)?;
        let time = moment_text(&begin)?;
        let candle = candle(time, [&open, &high, &low, &close], None)?;
        return Ok(Row { time, candle, closed: closed(&confirm)? });
    }
    let [begin, open, high, low, close, own, currency, _, confirm] = columns(text)?;
    let time = moment_text(&begin)?;
    let volume = if volume == Volume::Currency { currency } else { own };
    let candle = candle(time, [&open, &high, &low, &close], Some(&volume))?;
    Ok(Row { time, candle, closed: closed(&confirm)? })
}

/// Whether a row is over.
fn closed(text: &str) -> Result<bool, ParseError> {
    match text {
        "1" => Ok(true),
        "0" => Ok(false),
        _ => Err(ParseError::Word { name: "confirm", text: text.chars().take(64).collect() }),
    }
}
