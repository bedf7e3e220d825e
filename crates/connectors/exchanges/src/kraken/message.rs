use std::borrow::Cow;

use cache_series::row::Candle;
use cache_series::time::Time;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::status::SystemStatus;
use crate::feed::{Heard, Update};
use crate::parse::{ParseError, instant_text, json, json_number, moment};

/// Of which series a feed was asked for.
#[derive(Clone, Debug)]
pub(super) struct Subject {
    /// `BTC/USD`.
    pub(super) symbol: String,
    /// In minutes.
    pub(super) interval: u32,
}

/// The answer to what was said, rows, or how the exchange stands.
#[derive(Debug, Deserialize)]
struct Message<'text> {
    #[serde(borrow)]
    method: Option<Cow<'text, str>>,
    success: Option<bool>,
    #[serde(borrow)]
    error: Option<Cow<'text, str>>,
    #[serde(borrow)]
    result: Option<&'text RawValue>,
    #[serde(borrow)]
    channel: Option<Cow<'text, str>>,
    #[serde(borrow)]
    timestamp: Option<Cow<'text, str>>,
    #[serde(borrow)]
    data: Option<&'text RawValue>,
}

/// What was subscribed to.
#[derive(Debug, Deserialize)]
struct Subscribed<'text> {
    #[serde(borrow)]
    channel: Cow<'text, str>,
    #[serde(borrow)]
    symbol: Cow<'text, str>,
    interval: u32,
}

#[derive(Debug, Deserialize)]
struct Row<'text> {
    #[serde(borrow)]
    symbol: Cow<'text, str>,
    #[serde(borrow)]
    open: &'text RawValue,
    #[serde(borrow)]
    high: &'text RawValue,
    #[serde(borrow)]
    low: &'text RawValue,
    #[serde(borrow)]
    close: &'text RawValue,
    #[serde(borrow)]
    volume: &'text RawValue,
    #[serde(borrow)]
    interval_begin: Cow<'text, str>,
    interval: u32,
}

#[derive(Debug, Deserialize)]
struct Stands {
    system: String,
}

/// Why a message of a feed cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum MessageError {
    #[error(transparent)]
    Parse(#[from] ParseError),
    #[error("the feed refuses: {text:?}")]
    Refused { text: String },
    #[error("the exchange is in maintenance")]
    Maintenance,
}

/// The channel of candles.
const CHANNEL: &str = "ohlc";

/// Reads a message of a feed.
pub(super) fn message(text: &str, subject: &Subject) -> Result<Heard, MessageError> {
    let message: Message<'_> = json(text.as_bytes())?;
    if message.success == Some(false) {
        let text = message.error.unwrap_or_default().chars().take(200).collect();
        return Err(MessageError::Refused { text });
    }
    if let Some(method) = &message.method {
        if method != "subscribe" {
            return Ok(Heard::Nothing);
        }
        let result = message.result.ok_or(ParseError::Missing { what: "result" })?;
        let Subscribed { channel, symbol, interval } = json(result.get().as_bytes())?;
        let is_ours =
            channel == CHANNEL && symbol == subject.symbol && interval == subject.interval;
        return if is_ours { Ok(Heard::Subscribed) } else { Err(other(&symbol).into()) };
    }
    let channel = message.channel.as_deref().ok_or(ParseError::Missing { what: "channel" })?;
    // Neither has data in every message of theirs.
    let data = || message.data.ok_or(ParseError::Missing { what: "data" });
    match channel {
        CHANNEL => Ok(Heard::Rows(rows(data()?, message.timestamp.as_deref(), subject)?)),
        "status" => {
            let stands: Vec<Stands> = json(data()?.get().as_bytes())?;
            let is_maintained =
                |it: &Stands| SystemStatus::named(&it.system) == SystemStatus::Maintenance;
            if stands.iter().any(is_maintained) {
                return Err(MessageError::Maintenance);
            }
            Ok(Heard::Nothing)
        }
        // That it lives.
        _ => Ok(Heard::Nothing),
    }
}

/// Reads rows, the oldest first; all of them as if they were growing.
fn rows(
    data: &RawValue,
    timestamp: Option<&str>,
    subject: &Subject,
) -> Result<Vec<Update>, ParseError> {
    let rows: Vec<Row<'_>> = json(data.get().as_bytes())?;
    let event = timestamp.map(instant_text).transpose()?;
    let read = |row: &Row<'_>| {
        if row.symbol != subject.symbol || row.interval != subject.interval {
            return Err(other(&row.symbol));
        }
        let time = moment(instant_text(&row.interval_begin)?.unix_ms())?;
        let number = |name, value: &RawValue| json_number(name, time, value);
        let candle = Candle {
            open: number("open", row.open)?,
            high: number("high", row.high)?,
            low: number("low", row.low)?,
            close: number("close", row.close)?,
            volume: number("volume", row.volume)?,
        };
        // Without a word of when it was said, rows are in the order of their begins.
        let event_ms = event.map_or(time.unix_ms(), Time::unix_ms);
        Ok(Update { event_ms, time, candle, closed: false })
    };
    let mut updates: Vec<Update> = rows.iter().map(read).collect::<Result<_, _>>()?;
    updates.sort_by_key(|update| update.time);
    Ok(updates)
}

fn other(text: &str) -> ParseError {
    ParseError::Subject { text: text.chars().take(64).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_row_is_told_apart() {
        let subject = Subject { symbol: "BTC/USD".to_owned(), interval: 5 };
        let read = |text| message(text, &subject);
        let subscribed = r#"{"method":"subscribe","result":{"channel":"ohlc","interval":5,"snapshot":true,"symbol":"BTC/USD","warnings":["timestamp is deprecated, use interval_begin"]},"success":true,"time_in":"2023-10-04T16:26:01.802708Z","time_out":"2023-10-04T16:26:01.802791Z"}"#;
        assert_eq!(read(subscribed).unwrap(), Heard::Subscribed);
        for nothing in [
            r#"{"channel":"heartbeat"}"#,
            r#"{"method":"pong","time_in":"2023-09-24T14:10:23.799685Z","time_out":"2023-09-24T14:10:23.799703Z"}"#,
            r#"{"channel":"status","type":"update","data":[{"api_version":"v2","connection_id":13834774380200032777,"system":"online","version":"2.0.0"}]}"#,
            r#"{"channel":"status","data":[{"system":"post_only"}]}"#,
            r#"{"channel":"trade","data":[]}"#,
        ] {
            assert_eq!(read(nothing).unwrap(), Heard::Nothing, "{nothing}");
        }
        let refused = r#"{"error":"Currency pair not supported BTC/USB","method":"subscribe","success":false,"symbol":"BTC/USB"}"#;
        assert!(matches!(read(refused), Err(MessageError::Refused { .. })));
        let maintained =
            r#"{"channel":"status","type":"update","data":[{"system":"maintenance"}]}"#;
        assert!(matches!(read(maintained), Err(MessageError::Maintenance)));
        for text in [
            "",
            "{",
            "{}",
            "[]",
            "<html>",
            r#"{"method":"subscribe","success":true}"#,
            r#"{"method":"subscribe","success":true,"result":{"channel":"ohlc","interval":5,"symbol":"ETH/USD"}}"#,
            r#"{"method":"subscribe","success":true,"result":{"channel":"ohlc","interval":1,"symbol":"BTC/USD"}}"#,
            r#"{"channel":"ohlc"}"#,
            r#"{"channel":"ohlc","data":{}}"#,
            r#"{"channel":"ohlc","data":[{}]}"#,
            r#"{"channel":"status","data":[{}]}"#,
        ] {
            assert!(matches!(read(text), Err(MessageError::Parse(_))), "{text}");
        }
    }

    #[test]
    fn rows_are_of_what_was_asked_for() {
        let subject = Subject { symbol: "BTC/USD".to_owned(), interval: 5 };
        let row = |symbol: &str, interval: u32, close: &str, begin: &str| {
            let text = format!(
                r#"{{"channel":"ohlc","type":"update","data":[{{"symbol":"{symbol}","open":1,"high":2.5,"low":1e-7,"close":{close},"volume":0,"trades":0,"vwap":0,"interval_begin":"{begin}","interval":{interval}}}]}}"#
            );
            message(&text, &subject).map_err(|error| error.to_string())
        };
        let begin = "2023-10-04T16:25:00.000000000Z";
        let candle = Candle { open: 1.0, high: 2.5, low: 1e-7, close: 2.0, volume: 0.0 };
        let time = Time::from_unix_ms(1_696_436_700_000);
        let update = Update { event_ms: time.unix_ms(), time, candle, closed: false };
        assert_eq!(row("BTC/USD", 5, "2", begin), Ok(Heard::Rows(vec![update])));
        assert!(row("ETH/USD", 5, "2", begin).is_err());
        assert!(row("BTC/USD", 1, "2", begin).is_err());
        for close in [r#""2""#, "null", "1e999", "[2]", "true"] {
            assert!(row("BTC/USD", 5, close, begin).is_err(), "{close}");
        }
        for begin in ["", "0", "1696436700000", "2023-10-04", "2023-13-04T16:25:00Z", "soon"] {
            assert!(row("BTC/USD", 5, "2", begin).is_err(), "{begin}");
        }
    }
}
