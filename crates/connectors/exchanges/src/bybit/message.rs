use std::borrow::Cow;

use serde::Deserialize;

use super::service::Volume;
use crate::feed::{Heard, Update};
use crate::parse::{ParseError, candle, json, moment};

/// Of which series a feed was asked for.
#[derive(Clone, Debug)]
pub(super) struct Subject {
    /// `kline.5.BTCUSDT`.
    pub(super) topic: String,
    pub(super) interval: &'static str,
    pub(super) volume: Volume,
}

/// The answer to what was said, or rows.
#[derive(Debug, Deserialize)]
struct Message<'text> {
    success: Option<bool>,
    #[serde(borrow)]
    ret_msg: Option<Cow<'text, str>>,
    #[serde(borrow)]
    op: Option<Cow<'text, str>>,
    #[serde(borrow)]
    topic: Option<Cow<'text, str>>,
    #[serde(borrow)]
    data: Option<Vec<Row<'text>>>,
}

#[derive(Debug, Deserialize)]
struct Row<'text> {
    start: i64,
    #[serde(borrow)]
    interval: Cow<'text, str>,
    #[serde(borrow)]
    open: Cow<'text, str>,
    #[serde(borrow)]
    high: Cow<'text, str>,
    #[serde(borrow)]
    low: Cow<'text, str>,
    #[serde(borrow)]
    close: Cow<'text, str>,
    #[serde(borrow)]
    volume: Cow<'text, str>,
    #[serde(borrow)]
    turnover: Cow<'text, str>,
    confirm: bool,
    timestamp: i64,
}

/// Why a message of a feed cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum MessageError {
    #[error(transparent)]
    Parse(#[from] ParseError),
    #[error("the feed refuses: {text:?}")]
    Refused { text: String },
}

/// Reads a message of a feed.
pub(super) fn message(text: &str, subject: &Subject) -> Result<Heard, MessageError> {
    let message: Message<'_> = json(text.as_bytes())?;
    if message.success == Some(false) {
        let text = message.ret_msg.unwrap_or_default().chars().take(200).collect();
        return Err(MessageError::Refused { text });
    }
    let Some(topic) = message.topic else {
        let subscribed =
            message.success == Some(true) && message.op.as_deref() == Some("subscribe");
        return Ok(if subscribed { Heard::Subscribed } else { Heard::Nothing });
    };
    if topic != subject.topic {
        return Err(other(&topic).into());
    }
    // Rows of a topic without its data are none.
    let mut rows = message.data.ok_or(ParseError::Missing { what: "data" })?;
    rows.sort_by_key(|row| row.start);
    let updates = rows.iter().map(|row| {
        if row.interval != subject.interval {
            return Err(other(&row.interval));
        }
        let time = moment(row.start)?;
        let volume = match subject.volume {
            Volume::Own => Some(&*row.volume),
            Volume::Turnover => Some(&*row.turnover),
            Volume::None => None,
        };
        let candle = candle(time, [&row.open, &row.high, &row.low, &row.close], volume)?;
        Ok(Update { event_ms: row.timestamp, time, candle, closed: row.confirm })
    });
    Ok(Heard::Rows(updates.collect::<Result<_, _>>()?))
}

fn other(text: &str) -> ParseError {
    ParseError::Subject { text: text.chars().take(64).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_row_is_told_apart() {
        let topic = "kline.5.BTCUSDT".to_owned();
        let subject = Subject { topic, interval: "5", volume: Volume::Own };
        let read = |text| message(text, &subject);
        let subscribed = r#"{"success":true,"ret_msg":"subscribe","conn_id":"1","op":"subscribe"}"#;
        assert_eq!(read(subscribed).unwrap(), Heard::Subscribed);
        let pong = r#"{"success":true,"ret_msg":"pong","conn_id":"1","op":"ping"}"#;
        assert_eq!(read(pong).unwrap(), Heard::Nothing);
        let refused =
            r#"{"success":false,"ret_msg":"Invalid symbol :[kline.5.X]","op":"subscribe"}"#;
        assert!(matches!(read(refused), Err(MessageError::Refused { .. })));
        for text in [
            "",
            "{",
            "[]",
            "<html>",
            r#"{"topic":"kline.5.BTCUSDT"}"#,
            r#"{"topic":"kline.5.BTCUSDT","data":[{}]}"#,
            r#"{"topic":"kline.5.ETHUSDT","data":[]}"#,
        ] {
            assert!(matches!(read(text), Err(MessageError::Parse(_))), "{text}");
        }
    }
}
