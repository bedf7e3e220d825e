use std::borrow::Cow;

use cache_series::row::Candle;
use cache_series::time::Time;
use serde::Deserialize;

use crate::parse::{ParseError, candle, json, seconds_text};

/// An answer of candles. It does not say of which product and granularity it is.
#[derive(Debug, Deserialize)]
struct Answer<'text> {
    #[serde(borrow)]
    candles: Vec<Row<'text>>,
}

/// A row as the exchange writes it: the moment in seconds, the lowest price before the highest.
#[derive(Debug, Deserialize)]
pub(super) struct Row<'text> {
    #[serde(borrow)]
    start: Cow<'text, str>,
    #[serde(borrow)]
    low: Cow<'text, str>,
    #[serde(borrow)]
    high: Cow<'text, str>,
    #[serde(borrow)]
    open: Cow<'text, str>,
    #[serde(borrow)]
    close: Cow<'text, str>,
    #[serde(borrow)]
    volume: Cow<'text, str>,
    /// Of which product it is; a feed alone says so.
    #[serde(borrow, default)]
    pub(super) product_id: Option<Cow<'text, str>>,
}

impl Row<'_> {
    pub(super) fn read(&self) -> Result<(Time, Candle), ParseError> {
        let time = seconds_text(&self.start)?;
        let prices = [&*self.open, &*self.high, &*self.low, &*self.close];
        Ok((time, candle(time, prices, Some(&self.volume))?))
    }
}

/// Reads a reply of candles: all of its rows in the order in which they stand, or an error.
pub(super) fn klines(body: &[u8]) -> Result<Vec<(Time, Candle)>, ParseError> {
    let Answer { candles } = json(body)?;
    candles.iter().map(Row::read).collect()
}
