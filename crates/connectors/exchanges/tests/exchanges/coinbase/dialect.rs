//! The local venue's words, where the connector never says what they answer to.

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tiers_local_venue::{Fault, History, Interval, LocalVenue};
use tokio_tungstenite::tungstenite::Message;

use crate::suite::{MINUTE_MS, START_MS, call};

async fn venue() -> LocalVenue {
    let venue = LocalVenue::start(START_MS + 1_000 * MINUTE_MS).await.unwrap();
    venue.list("BTC-USD", History::generated(Interval::MINUTE, START_MS, 2_000, 11));
    venue
}

#[tokio::test]
async fn a_call_for_too_much_is_refused_and_not_cut_off() {
    let venue = venue().await;
    let start = START_MS / 1_000;
    for (minutes, granularity, limit, expected) in [
        (349, "ONE_MINUTE", "", (200, 350)),
        (350, "ONE_MINUTE", "", (400, 0)),
        (350, "ONE_MINUTE", "&limit=10", (400, 0)),
        (349, "ONE_MINUTE", "&limit=10", (200, 10)),
        (900, "FIVE_MINUTE", "", (200, 181)),
    ] {
        let end = start + minutes * 60;
        let path = format!(
            "/api/v3/brokerage/market/products/BTC-USD/candles?start={start}&end={end}\
             &granularity={granularity}{limit}"
        );
        let (status, reply) = call(&venue, &path).await;
        let rows = reply["candles"].as_array().map_or(0, Vec::len);
        assert_eq!((status, rows), expected, "{path}");
        if status == 200 {
            let length = if granularity == "ONE_MINUTE" { 60 } else { 300 };
            let newest = end.div_euclid(length) * length;
            assert_eq!(reply["candles"][0]["start"], json!(newest.to_string()), "{path}");
        } else {
            assert_eq!(reply["error"], json!("INVALID_ARGUMENT"));
        }
    }
}

#[tokio::test]
async fn refusals_have_a_status_and_a_word() {
    let venue = venue().await;
    let span = format!("start={}&end={}", START_MS / 1_000, START_MS / 1_000 + 60);
    for (path, status, word) in [
        (format!("BTC-USD/candles?{span}&granularity=ONE_MINUTE"), 200, Value::Null),
        (format!("NOSUCH-USD/candles?{span}&granularity=ONE_MINUTE"), 404, json!("NOT_FOUND")),
        (format!("BTC-USD/candles?{span}&granularity=60"), 400, json!("INVALID_ARGUMENT")),
        (format!("BTC-USD/candles?{span}"), 400, json!("INVALID_ARGUMENT")),
        (
            "BTC-USD/candles?start=2023&granularity=ONE_MINUTE".to_owned(),
            400,
            json!("INVALID_ARGUMENT"),
        ),
        ("NOSUCH-USD".to_owned(), 404, json!("NOT_FOUND")),
    ] {
        let path = format!("/api/v3/brokerage/market/products/{path}");
        let (found, reply) = call(&venue, &path).await;
        assert_eq!((found, &reply["error"]), (status, &word), "{path}");
    }
    // What a test writes is said in the same form.
    let message = "PERMISSION_DENIED: not from this place".to_owned();
    venue.fail_next(Fault::Refusal { status: 403, code: 0, message, retry_after: None });
    let path = format!("BTC-USD/candles?{span}&granularity=ONE_MINUTE");
    let (status, reply) = call(&venue, &format!("/api/v3/brokerage/market/products/{path}")).await;
    assert_eq!((status, &reply["error"]), (403, &json!("PERMISSION_DENIED")));
}

#[tokio::test]
async fn a_connection_subscribes_and_leaves() {
    let venue = venue().await;
    venue.list("ETH-USD", History::generated(Interval::MINUTE, START_MS, 2_000, 3));
    let (mut socket, _) = tokio_tungstenite::connect_async(venue.feed_url()).await.unwrap();
    let mut next = async |say: Option<Value>| -> Value {
        if let Some(text) = say {
            socket.send(Message::text(text.to_string())).await.unwrap();
        }
        let heard = socket.next().await.unwrap().unwrap();
        serde_json::from_str(heard.to_text().unwrap()).unwrap()
    };
    for (text, reason) in [
        (json!({"type": "else", "channel": "candles"}), "type else is invalid"),
        (json!({"type": "subscribe", "channel": "user"}), "no channel user"),
        (
            json!({"type": "subscribe", "channel": "candles", "product_ids": ["ETH-USD", "X-USD"]}),
            "X-USD is not a valid product",
        ),
    ] {
        let refused = next(Some(text)).await;
        assert_eq!((&refused["type"], &refused["reason"]), (&json!("error"), &json!(reason)));
    }
    assert_eq!(venue.feeds(), 0);
    let both = json!(["BTC-USD", "ETH-USD"]);
    let subscribe = json!({"type": "subscribe", "channel": "candles", "product_ids": both});
    let subscribed = next(Some(subscribe)).await;
    assert_eq!(subscribed["events"][0]["subscriptions"]["candles"], both);
    for symbol in ["BTC-USD", "ETH-USD"] {
        let snapshot = next(None).await;
        let event = &snapshot["events"][0];
        assert_eq!(event["type"], json!("snapshot"));
        let rows = event["candles"].as_array().unwrap();
        assert_eq!((rows.len(), &rows[0]["product_id"]), (100, &json!(symbol)));
        let newest = (START_MS + 1_000 * MINUTE_MS) / 1_000;
        assert_eq!(rows[0]["start"], json!(newest.to_string()));
    }
    assert_eq!((venue.feeds(), venue.calls().feeds), (1, 1));
    let beats = next(Some(json!({"type": "subscribe", "channel": "heartbeats"}))).await;
    assert_eq!(beats["events"][0]["subscriptions"]["candles"], both);
    let beat = next(None).await;
    assert_eq!((&beat["channel"], &beat["sequence_num"]), (&json!("heartbeats"), &json!(4)));
    let leave = json!({"type": "unsubscribe", "channel": "candles", "product_ids": ["BTC-USD"]});
    let left = next(Some(leave)).await;
    assert_eq!(left["events"][0]["subscriptions"]["candles"], json!(["ETH-USD"]));
    // Only of the other one is told.
    let five = Interval::named("5m").unwrap();
    venue.advance("BTC-USD", five, venue.now_ms() + MINUTE_MS);
    venue.advance("ETH-USD", five, venue.now_ms() + MINUTE_MS);
    let told = next(None).await;
    let event = &told["events"][0];
    assert_eq!(
        (&event["type"], &event["candles"][0]["product_id"]),
        (&json!("update"), &json!("ETH-USD"))
    );
}
