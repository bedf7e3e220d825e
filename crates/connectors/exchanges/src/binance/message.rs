use std::borrow::Cow;

use cache_series::row::Candle;
use cache_series::time::Time;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::klines::time;
use super::service::Volume;
use crate::parse::{ParseError, candle};

/// What a feed says.
#[derive(Debug, PartialEq)]
pub(super) enum Message {
    /// A row.
    Kline(Kline),
    /// The server goes down soon: another connection is needed.
    ServerShutdown,
    /// Something that has nothing to do with rows.
    Other,
}

/// A row as it stands.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Kline {
    /// When the exchange said so, in milliseconds since 1970 by its clock.
    pub(super) event_ms: i64,
    pub(super) time: Time,
    pub(super) candle: Candle,
    pub(super) closed: bool,
}

/// Of which series a feed was asked for.
#[derive(Clone, Debug)]
pub(super) struct Subject {
    pub(super) symbol: String,
    pub(super) interval: &'static str,
    pub(super) volume: Volume,
}

/// A message of the form that combined streams have.
#[derive(Debug, Deserialize)]
struct Combined<'text> {
    #[serde(borrow)]
    data: &'text RawValue,
}

#[derive(Debug, Deserialize)]
struct Event<'text> {
    #[serde(rename = "e", borrow)]
    event: Option<Cow<'text, str>>,
    #[serde(rename = "E")]
    event_ms: Option<i64>,
    #[serde(borrow)]
    k: Option<&'text RawValue>,
    /// An error, which has another form.
    #[serde(borrow)]
    error: Option<&'text RawValue>,
    #[serde(borrow)]
    stream: Option<&'text RawValue>,
}

#[derive(Debug, Deserialize)]
struct Row<'text> {
    t: i64,
    #[serde(rename = "T")]
    close_ms: i64,
    #[serde(borrow)]
    s: Cow<'text, str>,
    #[serde(borrow)]
    i: Cow<'text, str>,
    #[serde(borrow)]
    o: Cow<'text, str>,
    #[serde(borrow)]
    h: Cow<'text, str>,
    #[serde(borrow)]
    l: Cow<'text, str>,
    #[serde(borrow)]
    c: Cow<'text, str>,
    #[serde(borrow)]
    v: Cow<'text, str>,
    #[serde(borrow)]
    q: Cow<'text, str>,
    x: bool,
}

/// Why a message of a feed cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum MessageError {
    #[error(transparent)]
    Parse(#[from] ParseError),
    #[error("the feed says that something is wrong: {text:?}")]
    Error { text: String },
    #[error("the feed tells of {symbol} in {interval}, which was not asked for")]
    Subject { symbol: String, interval: String },
}

/// Reads a message of a feed.
pub(super) fn message(text: &str, subject: &Subject) -> Result<Message, MessageError> {
    let form = |source| ParseError::of_json(text, source);
    let event: Event<'_> = serde_json::from_str(text).map_err(form)?;
    if event.stream.is_some() {
        let combined: Combined<'_> = serde_json::from_str(text).map_err(form)?;
        return plain(combined.data.get(), subject);
    }
    plain(text, subject)
}

/// Reads a message that is not wrapped.
fn plain(text: &str, subject: &Subject) -> Result<Message, MessageError> {
    let form = |source| ParseError::of_json(text, source);
    let event: Event<'_> = serde_json::from_str(text).map_err(form)?;
    if let Some(error) = event.error {
        let text = crate::http::preview(error.get().as_bytes());
        return Err(MessageError::Error { text });
    }
    match event.event.as_deref() {
        Some("kline") => {}
        Some("serverShutdown") => return Ok(Message::ServerShutdown),
        _ => return Ok(Message::Other),
    }
    // A message without its row is read as such, for the error that tells so.
    let row: Row<'_> = serde_json::from_str(event.k.map_or("{}", RawValue::get)).map_err(form)?;
    if row.s != subject.symbol || row.i != subject.interval {
        return Err(MessageError::Subject {
            symbol: row.s.chars().take(64).collect(),
            interval: row.i.chars().take(8).collect(),
        });
    }
    let time = time(row.t, row.close_ms)?;
    let volume = match subject.volume {
        Volume::Own => Some(&*row.v),
        Volume::Quoted => Some(&*row.q),
        Volume::None => None,
    };
    let candle = candle(time, [&row.o, &row.h, &row.l, &row.c], volume)?;
    let event_ms = event.event_ms.unwrap_or(row.t);
    Ok(Message::Kline(Kline { event_ms, time, candle, closed: row.x }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subject() -> Subject {
        Subject { symbol: "BTCUSDT".to_owned(), interval: "1m", volume: Volume::Own }
    }

    #[test]
    fn what_is_no_row_is_told_apart() {
        let read = |text| message(text, &subject());
        let shutdown = r#"{"e":"serverShutdown","E":1770123456789}"#;
        assert_eq!(read(shutdown).unwrap(), Message::ServerShutdown);
        assert_eq!(read(r#"{"result":null,"id":1}"#).unwrap(), Message::Other);
        let error = read(r#"{"error":{"code":2,"msg":"Invalid request"},"id":1}"#);
        assert!(matches!(error, Err(MessageError::Error { .. })));
        for text in ["", "{", "[]", "<html>", r#"{"e":"kline"}"#, r#"{"e":"kline","k":{}}"#] {
            assert!(matches!(read(text), Err(MessageError::Parse(_))), "{text}");
        }
    }

    #[test]
    fn a_row_of_another_series_is_refused() {
        let row = r#"{"t":60000,"T":119999,"s":"ETHUSDT","i":"1m","o":"1","h":"1","l":"1","c":"1","v":"1","q":"1","x":true}"#;
        let whole = format!(r#"{{"e":"kline","E":1,"s":"ETHUSDT","k":{row}}}"#);
        let other = message(&whole, &subject());
        assert!(matches!(other, Err(MessageError::Subject { .. })));
        let month = message(&whole.replace("1m", "1M").replace("ETH", "BTC"), &subject());
        assert!(matches!(month, Err(MessageError::Subject { .. })), "a month is no minute");
        let own = message(&whole.replace("ETH", "BTC"), &subject()).unwrap();
        let combined =
            format!(r#"{{"stream":"btcusdt@kline_1m","data":{}}}"#, whole.replace("ETH", "BTC"));
        assert_eq!(message(&combined, &subject()).unwrap(), own);
        let Message::Kline(kline) = own else { panic!("{own:?}") };
        assert!(kline.closed && kline.time.unix_ms() == 60_000 && kline.event_ms == 1);
    }

    #[test]
    fn what_is_wrapped_twice_is_no_row() {
        let row = r#"{"e":"kline","E":1,"k":{}}"#;
        let once = format!(r#"{{"stream":"a","data":{row}}}"#);
        assert!(message(&once, &subject()).is_err(), "its row is read, and lacks all");
        let twice = format!(r#"{{"stream":"a","data":{once}}}"#);
        assert_eq!(message(&twice, &subject()).unwrap(), Message::Other);
    }
}
