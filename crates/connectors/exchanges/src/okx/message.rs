use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::klines::{Row, read};
use super::service::Volume;
use crate::feed::{Heard, Update};
use crate::parse::{ParseError, json};

/// Of which series a feed was asked for.
#[derive(Clone, Debug)]
pub(super) struct Subject {
    /// `candle5m`.
    pub(super) channel: String,
    /// `BTC-USDT-SWAP`.
    pub(super) symbol: String,
    pub(super) volume: Volume,
}

/// What is said where a ping was.
const PONG: &str = "pong";
/// The code of a notice that the connection ends soon.
const LEAVING: &str = "64008";

/// The answer to what was said, or rows.
#[derive(Debug, Deserialize)]
struct Message<'text> {
    #[serde(borrow)]
    event: Option<Cow<'text, str>>,
    #[serde(borrow)]
    code: Option<Cow<'text, str>>,
    #[serde(borrow)]
    msg: Option<Cow<'text, str>>,
    #[serde(borrow)]
    arg: Option<Channel<'text>>,
    #[serde(borrow)]
    data: Option<Vec<&'text RawValue>>,
}

/// What is spoken of.
#[derive(Debug, Deserialize)]
struct Channel<'text> {
    #[serde(borrow)]
    channel: Cow<'text, str>,
    #[serde(borrow, rename = "instId")]
    symbol: Option<Cow<'text, str>>,
}

/// Why a message of a feed cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum MessageError {
    #[error(transparent)]
    Parse(#[from] ParseError),
    #[error("the feed refuses: {text:?} (code {code})")]
    Refused { code: String, text: String },
}

/// Reads a message of a feed.
pub(super) fn message(text: &str, subject: &Subject) -> Result<Heard, MessageError> {
    // The one message that is no JSON.
    if text == PONG {
        return Ok(Heard::Nothing);
    }
    let message: Message<'_> = json(text.as_bytes())?;
    match message.event.as_deref() {
        None => {}
        Some("error") => {
            let short = |text: Option<Cow<'_, str>>, characters: usize| {
                text.unwrap_or_default().chars().take(characters).collect()
            };
            let (code, text) = (short(message.code, 16), short(message.msg, 200));
            return Err(MessageError::Refused { code, text });
        }
        Some("subscribe") => {
            subject.check(message.arg.as_ref())?;
            return Ok(Heard::Subscribed);
        }
        Some("notice") if message.code.as_deref() == Some(LEAVING) => return Ok(Heard::Leaving),
        Some(_) => return Ok(Heard::Nothing),
    }
    subject.check(message.arg.as_ref())?;
    // Rows of a channel without its data are none.
    let rows = message.data.ok_or(ParseError::Missing { what: "data" })?;
    let rows: Result<Vec<Row>, _> =
        rows.iter().map(|row| read(row.get(), subject.volume)).collect();
    let mut rows = rows?;
    rows.sort_by_key(|row| row.time);
    let updates = rows.into_iter().map(|Row { time, candle, closed }| {
        // Nothing says when a row was as it is told: those of one time are in the order in which
        // they come.
        Update { event_ms: time.unix_ms(), time, candle, closed }
    });
    Ok(Heard::Rows(updates.collect()))
}

impl Subject {
    /// Whether that is what was asked for.
    fn check(&self, channel: Option<&Channel<'_>>) -> Result<(), ParseError> {
        let Some(Channel { channel, symbol }) = channel else {
            return Err(ParseError::Missing { what: "arg" });
        };
        let symbol = symbol.as_deref().unwrap_or_default();
        if *channel == self.channel && symbol == self.symbol {
            return Ok(());
        }
        let text = format!("{channel} {symbol}").chars().take(64).collect();
        Err(ParseError::Subject { text })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subject() -> Subject {
        let (channel, symbol) = ("candle5m".to_owned(), "BTC-USDT-SWAP".to_owned());
        Subject { channel, symbol, volume: Volume::Currency }
    }

    fn heard(text: &str) -> Result<Heard, MessageError> {
        message(text, &subject())
    }

    #[test]
    fn what_is_no_row_is_told_apart() {
        let subscribed = r#"{"event":"subscribe","arg":{"channel":"candle5m","instId":"BTC-USDT-SWAP"},"connId":"a4d3ae55"}"#;
        assert_eq!(heard(subscribed).unwrap(), Heard::Subscribed);
        assert_eq!(heard("pong").unwrap(), Heard::Nothing);
        let other = r#"{"event":"channel-conn-count","channel":"x","connCount":"1","connId":"1"}"#;
        assert_eq!(heard(other).unwrap(), Heard::Nothing);
        let leaving = r#"{"event":"notice","code":"64008","msg":"The connection will soon be closed for a service upgrade. Please reconnect.","connId":"a4d3ae55"}"#;
        assert_eq!(heard(leaving).unwrap(), Heard::Leaving);
        let notice = r#"{"event":"notice","code":"1","msg":"","connId":"1"}"#;
        assert_eq!(heard(notice).unwrap(), Heard::Nothing);
        let refused = r#"{"event":"error","code":"60018","msg":"Wrong URL or channel:candle5m,instId:X doesn't exist.","connId":"1"}"#;
        let Err(MessageError::Refused { code, text }) = heard(refused) else {
            panic!("it is refused")
        };
        assert!(code == "60018" && text.starts_with("Wrong URL"), "{code} {text}");
    }

    #[test]
    fn what_is_neither_row_nor_answer_is_an_error() {
        for text in [
            "",
            "{",
            "[]",
            "<html>",
            "ping",
            "{}",
            r#"{"event":"subscribe"}"#,
            r#"{"event":"subscribe","arg":{"channel":"candle5m","instId":"ETH-USDT-SWAP"}}"#,
            r#"{"arg":{"channel":"candle5m","instId":"BTC-USDT-SWAP"}}"#,
            r#"{"arg":{"channel":"candle5m","instId":"BTC-USDT-SWAP"},"data":[{}]}"#,
            r#"{"arg":{"channel":"candle5m","instId":"BTC-USDT-SWAP"},"data":[["1"]]}"#,
            r#"{"arg":{"channel":"candle1m","instId":"BTC-USDT-SWAP"},"data":[]}"#,
            r#"{"arg":{"channel":"candle5m","instId":"BTC-USDT"},"data":[]}"#,
            r#"{"arg":{"channel":"candle5m"},"data":[]}"#,
            r#"{"data":[]}"#,
        ] {
            assert!(matches!(heard(text), Err(MessageError::Parse(_))), "{text}");
        }
    }

    #[test]
    fn several_rows_are_told_from_the_oldest_on() {
        let text = r#"{"arg":{"channel":"candle5m","instId":"BTC-USDT-SWAP"},"data":[["600000","1","2","1","2","50","5","9","0"],["300000","1","2","1","2","40","4","8","1"]]}"#;
        let Heard::Rows(rows) = heard(text).unwrap() else { panic!("rows") };
        let rows: Vec<_> =
            rows.iter().map(|row| (row.time.unix_ms(), row.candle.volume, row.closed)).collect();
        assert_eq!(rows, [(300_000, 4.0, true), (600_000, 5.0, false)]);
    }
}
