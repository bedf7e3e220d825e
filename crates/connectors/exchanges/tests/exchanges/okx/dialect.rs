//! The local venue's words, where the connector never says what they answer to.

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tiers_local_venue::{History, Interval, LocalVenue};
use tokio_tungstenite::tungstenite::Message;

use crate::suite::{MINUTE_MS, START_MS, call};

/// In the middle of minute 2,000.
async fn venue() -> LocalVenue {
    let now_ms = START_MS + 2_000 * MINUTE_MS + MINUTE_MS / 2;
    let venue = LocalVenue::start(now_ms).await.unwrap();
    venue.list("BTC-USDT", History::generated(Interval::MINUTE, START_MS, 3_000, 11));
    venue
}

/// The minutes that are answered, and whether each is over.
async fn minutes(venue: &LocalVenue, path: &str, query: &str) -> Vec<(i64, bool)> {
    let path = format!("/api/v5/market/{path}?instId=BTC-USDT{query}");
    let (status, reply) = call(venue, &path).await;
    assert_eq!((status, &reply["code"]), (200, &json!("0")), "{path}");
    let rows = reply["data"].as_array().unwrap().iter();
    rows.map(|row| {
        let begin: i64 = row[0].as_str().unwrap().parse().unwrap();
        ((begin - START_MS) / MINUTE_MS, row.as_array().unwrap().last() == Some(&json!("1")))
    })
    .collect()
}

/// Neither bound is included, of too many rows the newest are answered, and 100 where no limit is
/// named.
#[tokio::test]
async fn bounds_are_not_included_and_the_newest_come_first() {
    let venue = venue().await;
    let at = |minute: i64| START_MS + minute * MINUTE_MS;
    for path in ["candles", "history-candles"] {
        let between = format!("&before={}&after={}", at(1_900), at(1_904));
        let found = minutes(&venue, path, &between).await;
        assert_eq!(found, [(1_903, true), (1_902, true), (1_901, true)], "{path}");
        let found = minutes(&venue, path, &format!("{between}&limit=2")).await;
        assert_eq!(found, [(1_903, true), (1_902, true)], "{path}");
        let found = minutes(&venue, path, &format!("&before={}&limit=2", at(1_000))).await;
        assert_eq!(found, [(2_000, false), (1_999, true)], "the newest, one of which grows");
        let found = minutes(&venue, path, &format!("&after={}&limit=1", at(1_000))).await;
        assert_eq!(found, [(999, true)], "{path}");
        assert_eq!(minutes(&venue, path, "").await.len(), 100);
        assert_eq!(minutes(&venue, path, "&limit=5000").await.len(), 300);
    }
}

/// Of the newest 1,440 minutes the 561st is the oldest.
#[tokio::test]
async fn what_is_held_no_more_is_left_out_without_a_word() {
    let venue = venue().await;
    let around =
        format!("&before={}&after={}", START_MS + 557 * MINUTE_MS, START_MS + 563 * MINUTE_MS);
    let all: Vec<i64> = (558..563).rev().collect();
    let found = |rows: Vec<(i64, bool)>| rows.into_iter().map(|row| row.0).collect::<Vec<_>>();
    assert_eq!(found(minutes(&venue, "history-candles", &around).await), all);
    assert_eq!(found(minutes(&venue, "candles", &around).await), [562, 561]);
    let older = format!("&after={}", START_MS + 500 * MINUTE_MS);
    assert_eq!(minutes(&venue, "candles", &older).await, []);
}

#[tokio::test]
async fn refusals_have_a_code_whatever_their_status() {
    let venue = venue().await;
    for (path, status, code) in [
        ("market/candles?instId=NO-SUCH", 200, "51001"),
        ("market/candles?instId=BTC-USDT&bar=1h", 400, "51000"),
        ("market/candles?instId=BTC-USDT&limit=x", 400, "51000"),
        ("market/candles", 400, "50014"),
        ("public/instruments?instId=BTC-USDT", 400, "50014"),
        ("public/instruments?instType=SWAP&instId=BTC-USDT", 200, "51001"),
        ("public/instruments?instType=SPOT&instId=BTC-USDT", 200, "0"),
        ("public/time", 200, "0"),
    ] {
        let (found, reply) = call(&venue, &format!("/api/v5/{path}")).await;
        assert_eq!((found, &reply["code"]), (status, &json!(code)), "{path}");
        let is_empty = reply["data"].as_array().unwrap().is_empty();
        assert_eq!(is_empty, code != "0", "{path}");
    }
}

#[tokio::test]
async fn a_connection_subscribes_and_leaves() {
    let venue = venue().await;
    let address = format!("{}/ws/v5/business", venue.feed_url());
    let (mut socket, _) = tokio_tungstenite::connect_async(address).await.unwrap();
    let mut next = async |say: Option<&str>| -> String {
        if let Some(text) = say {
            socket.send(Message::text(text)).await.unwrap();
        }
        let heard = socket.next().await.unwrap().unwrap();
        heard.to_text().unwrap().to_owned()
    };
    let read = |text: String| -> Value { serde_json::from_str(&text).unwrap() };
    for (text, code) in [
        ("{", "60012"),
        (r#"{"op":"order","args":[]}"#, "60012"),
        (r#"{"op":"subscribe","args":[{"channel":"candle1h","instId":"BTC-USDT"}]}"#, "60018"),
        (r#"{"op":"subscribe","args":[{"channel":"candle1m","instId":"NO-SUCH"}]}"#, "60018"),
    ] {
        let refused = read(next(Some(text)).await);
        assert_eq!((&refused["event"], &refused["code"]), (&json!("error"), &json!(code)));
    }
    assert_eq!(venue.feeds(), 0);
    assert_eq!(next(Some("ping")).await, "pong");
    assert_eq!(venue.calls().pings, 1);
    let args = r#"[{"channel":"candle1m","instId":"BTC-USDT"}]"#;
    let arg = json!({"channel": "candle1m", "instId": "BTC-USDT"});
    let subscribed = read(next(Some(&format!(r#"{{"op":"subscribe","args":{args}}}"#))).await);
    assert_eq!((&subscribed["event"], &subscribed["arg"]), (&json!("subscribe"), &arg));
    assert_eq!((venue.feeds(), venue.calls().feeds), (1, 1));
    venue.advance("BTC-USDT", Interval::MINUTE, venue.now_ms() + MINUTE_MS);
    let closed = read(next(None).await);
    assert_eq!((&closed["arg"], &closed["data"][0][8]), (&arg, &json!("1")));
    assert_eq!(read(next(None).await)["data"][0][8], json!("0"));
    let left = read(next(Some(&format!(r#"{{"op":"unsubscribe","args":{args}}}"#))).await);
    assert_eq!((&left["event"], venue.feeds()), (&json!("unsubscribe"), 0));
}
