use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::klines::Row;
use crate::feed::{Heard, Update};
use crate::parse::{ParseError, instant_text, json};

/// Of which series a feed was asked for.
#[derive(Clone, Debug)]
pub(super) struct Subject {
    /// `BTC-USD`.
    pub(super) symbol: String,
    /// What the exchange may call it instead.
    pub(super) alias: Option<String>,
}

/// What was asked for, rows, or a refusal.
#[derive(Debug, Deserialize)]
struct Message<'text> {
    #[serde(borrow, rename = "type")]
    kind: Option<Cow<'text, str>>,
    #[serde(borrow)]
    message: Option<Cow<'text, str>>,
    #[serde(borrow)]
    reason: Option<Cow<'text, str>>,
    #[serde(borrow)]
    channel: Option<Cow<'text, str>>,
    #[serde(borrow)]
    timestamp: Option<Cow<'text, str>>,
    #[serde(borrow)]
    events: Option<Vec<&'text RawValue>>,
}

/// Channels, and the products of each.
#[derive(Debug, Deserialize)]
struct Subscriptions<'text> {
    #[serde(borrow)]
    subscriptions: BTreeMap<Cow<'text, str>, Option<Vec<Cow<'text, str>>>>,
}

#[derive(Debug, Deserialize)]
struct Candles<'text> {
    #[serde(rename = "type")]
    kind: Kind,
    #[serde(borrow)]
    candles: Vec<Row<'text>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    /// What was before, and the row that grows.
    Snapshot,
    /// What has changed.
    Update,
}

/// Why a message of a feed cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum MessageError {
    #[error(transparent)]
    Parse(#[from] ParseError),
    #[error("the feed refuses: {text:?}")]
    Refused { text: String },
}

impl Subject {
    fn is(&self, symbol: &str) -> bool {
        symbol == self.symbol || self.alias.as_deref() == Some(symbol)
    }
}

/// Reads a message of a feed.
pub(super) fn message(text: &str, subject: &Subject) -> Result<Heard, MessageError> {
    let message: Message<'_> = json(text.as_bytes())?;
    if message.kind.as_deref() == Some("error") {
        let said = [message.message, message.reason].into_iter().flatten().collect::<Vec<_>>();
        let text = said.join(": ").chars().take(200).collect();
        return Err(MessageError::Refused { text });
    }
    let channel = message.channel.ok_or(ParseError::Missing { what: "channel" })?;
    // Heartbeats say nothing but that somebody is there.
    if !["candles", "subscriptions"].contains(&&*channel) {
        return Ok(Heard::Nothing);
    }
    let events = message.events.ok_or(ParseError::Missing { what: "events" })?;
    if channel == "subscriptions" {
        return Ok(if subscribed(&events, subject)? { Heard::Subscribed } else { Heard::Nothing });
    }
    let timestamp = message.timestamp.ok_or(ParseError::Missing { what: "timestamp" })?;
    let event_ms = instant_text(&timestamp)?.unix_ms();
    let mut updates = Vec::new();
    for event in events {
        updates.append(&mut rows(event.get(), subject, event_ms)?);
    }
    updates.sort_by_key(|update| update.time);
    Ok(Heard::Rows(updates))
}

/// Whether candles of the series are among what is told from now on.
fn subscribed(events: &[&RawValue], subject: &Subject) -> Result<bool, ParseError> {
    for event in events {
        let Subscriptions { subscriptions } = json(event.get().as_bytes())?;
        let symbols = subscriptions.get("candles").and_then(Option::as_ref);
        if symbols.is_some_and(|symbols| symbols.iter().any(|symbol| subject.is(symbol))) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The rows of an event. All of them are told as growing: that one has closed is known once a later
/// one begins. Of a snapshot only the newest is told, for whatever lies before is history, which
/// the cache has or asks for.
fn rows(text: &str, subject: &Subject, event_ms: i64) -> Result<Vec<Update>, ParseError> {
    let Candles { kind, candles } = json(text.as_bytes())?;
    let updates = candles.iter().map(|row| {
        let symbol = row.product_id.as_deref().ok_or(ParseError::Missing { what: "product_id" })?;
        if !subject.is(symbol) {
            return Err(ParseError::Subject { text: symbol.chars().take(64).collect() });
        }
        let (time, candle) = row.read()?;
        Ok(Update { event_ms, time, candle, closed: false })
    });
    let updates = updates.collect::<Result<Vec<_>, _>>()?;
    Ok(match kind {
        Kind::Update => updates,
        Kind::Snapshot => {
            updates.into_iter().max_by_key(|update| update.time).into_iter().collect()
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subject() -> Subject {
        Subject { symbol: "BTC-USDC".to_owned(), alias: Some("BTC-USD".to_owned()) }
    }

    fn read(text: &str) -> Result<Heard, MessageError> {
        message(text, &subject())
    }

    fn told(kind: &str, rows: &[(i64, &str)]) -> String {
        let rows = rows.iter().map(|(start, symbol)| {
            format!(
                r#"{{"start":"{start}","high":"3","low":"1","open":"2","close":"2.5","volume":"7","product_id":"{symbol}"}}"#
            )
        });
        let rows = rows.collect::<Vec<_>>().join(",");
        format!(
            r#"{{"channel":"candles","client_id":"","timestamp":"2026-04-07T14:30:05Z","sequence_num":3,"events":[{{"type":"{kind}","candles":[{rows}]}}]}}"#
        )
    }

    fn starts(heard: Heard) -> Vec<i64> {
        let Heard::Rows(updates) = heard else { panic!("no rows: {heard:?}") };
        assert!(updates.iter().all(|it| !it.closed && it.event_ms == 1_775_572_205_000));
        updates.iter().map(|update| update.time.unix_ms() / 1_000).collect()
    }

    #[test]
    fn what_is_no_row_is_told_apart() {
        let subscriptions = |text: &str| {
            let text = format!(
                r#"{{"channel":"subscriptions","client_id":"","timestamp":"2026-04-07T14:30:00Z","sequence_num":0,"events":[{{"subscriptions":{text}}}]}}"#
            );
            read(&text).unwrap()
        };
        assert_eq!(subscriptions(r#"{"candles":["BTC-USDC"]}"#), Heard::Subscribed);
        assert_eq!(
            subscriptions(r#"{"candles":["BTC-USD"],"heartbeats":["x"]}"#),
            Heard::Subscribed
        );
        for text in [r#"{"heartbeats":["BTC-USD"]}"#, r#"{"candles":["ETH-USD"]}"#, "{}"] {
            assert_eq!(subscriptions(text), Heard::Nothing, "{text}");
        }
        let heartbeat = r#"{"channel":"heartbeats","timestamp":"x","sequence_num":1,"events":[{"current_time":"2026-04-07 14:30:10 +0000 UTC","heartbeat_counter":42}]}"#;
        assert_eq!(read(heartbeat).unwrap(), Heard::Nothing);
        let refused = r#"{"type":"error","message":"Failed to subscribe","reason":"NOPE-USD is not a valid product"}"#;
        let Err(MessageError::Refused { text }) = read(refused) else { panic!("it is refused") };
        assert_eq!(text, "Failed to subscribe: NOPE-USD is not a valid product");
        for text in [
            "",
            "{",
            "{}",
            "[]",
            "<html>",
            r#"{"channel":"candles"}"#,
            r#"{"channel":"candles","timestamp":"2026-04-07T14:30:05Z"}"#,
            r#"{"channel":"candles","timestamp":"soon","events":[]}"#,
            r#"{"channel":"candles","timestamp":"2026-04-07T14:30:05Z","events":[{}]}"#,
            r#"{"channel":"subscriptions","events":[{}]}"#,
            &told("else", &[(300, "BTC-USD")]),
            &told("update", &[(300, "ETH-USD")]),
            &told("update", &[(300, "BTC-USD")]).replace("product_id", "id"),
        ] {
            assert!(matches!(read(text), Err(MessageError::Parse(_))), "{text}");
        }
    }

    #[test]
    fn of_a_snapshot_the_newest_row_is_told_and_of_an_update_all() {
        let three = [(600, "BTC-USD"), (300, "BTC-USDC"), (1_200, "BTC-USD")];
        assert_eq!(starts(read(&told("update", &three)).unwrap()), [300, 600, 1_200]);
        assert_eq!(starts(read(&told("snapshot", &three)).unwrap()), [1_200]);
        assert_eq!(starts(read(&told("snapshot", &[])).unwrap()), [] as [i64; 0]);
    }
}
