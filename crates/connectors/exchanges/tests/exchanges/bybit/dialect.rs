//! The local venue's words, where the connector never says what they answer to.

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tiers_local_venue::{Fault, History, Interval, LocalVenue};
use tokio_tungstenite::tungstenite::Message;

use crate::suite::{MINUTE_MS, START_MS, call};

/// Of a span with too many rows the newest, of a begin alone the oldest, and 200 where no limit is
/// named.
#[tokio::test]
async fn of_too_many_rows_the_newest_are_answered() {
    let venue = LocalVenue::start(START_MS + 1_000 * MINUTE_MS).await.unwrap();
    venue.list("BTCUSDT", History::generated(Interval::MINUTE, START_MS, 2_000, 11));
    let (start, end) = (START_MS, START_MS + 900 * MINUTE_MS);
    for (query, newest, rows) in [
        (format!("&start={start}&end={end}&limit=3"), 900, 3),
        (format!("&start={start}&end={end}"), 900, 200),
        (format!("&start={start}&limit=3"), 2, 3),
        (format!("&end={end}&limit=2"), 900, 2),
        ("&limit=5000".to_owned(), 1_000, 1_000),
    ] {
        let path = format!("/v5/market/kline?category=spot&symbol=BTCUSDT&interval=1{query}");
        let (status, reply) = call(&venue, &path).await;
        assert_eq!((status, &reply["retCode"]), (200, &json!(0)), "{query}");
        let list = reply["result"]["list"].as_array().unwrap();
        assert_eq!(list.len(), rows, "{query}");
        let begin: i64 = list[0][0].as_str().unwrap().parse().unwrap();
        assert_eq!(begin, START_MS + newest * MINUTE_MS, "{query}");
    }
}

#[tokio::test]
async fn refusals_are_codes_in_a_reply_of_status_200() {
    let venue = LocalVenue::start(START_MS + 1_000 * MINUTE_MS).await.unwrap();
    venue.list("BTCUSDT", History::generated(Interval::MINUTE, START_MS, 2_000, 11));
    for (query, code) in [
        ("symbol=BTCUSDT&interval=1", 0),
        ("symbol=NOSUCH&interval=1", 10_001),
        ("interval=1", 10_001),
        ("symbol=BTCUSDT&interval=1h", 10_001),
        ("symbol=BTCUSDT&interval=1&start=x", 10_001),
        ("symbol=BTCUSDT&interval=1&category=option", 10_001),
    ] {
        let (status, reply) = call(&venue, &format!("/v5/market/kline?{query}")).await;
        assert_eq!((status, &reply["retCode"]), (200, &json!(code)), "{query}");
    }
    assert_eq!(venue.calls().klines, 6, "all of them are counted");
    let mark = "/v5/market/mark-price-kline?category=spot&symbol=BTCUSDT&interval=1";
    assert_eq!(call(&venue, mark).await.1["retCode"], json!(10_001));
    // What a test writes is said in the same form.
    let message = "Exceeded the IP Rate Limit.".to_owned();
    venue.fail_next(Fault::Refusal { status: 200, code: 10_018, message, retry_after: None });
    let (status, reply) = call(&venue, "/v5/market/kline?symbol=BTCUSDT&interval=1").await;
    assert_eq!((status, &reply["retCode"]), (200, &json!(10_018)));
}

#[tokio::test]
async fn a_connection_subscribes_pings_and_leaves() {
    let venue = LocalVenue::start(START_MS + 100 * MINUTE_MS).await.unwrap();
    for symbol in ["BTCUSDT", "ETHUSDT"] {
        venue.list(symbol, History::generated(Interval::MINUTE, START_MS, 1_000, 11));
    }
    let url = format!("{}/v5/public/linear", venue.feed_url());
    let (mut socket, _) = tokio_tungstenite::connect_async(url).await.unwrap();
    let mut say = async |text: Value| -> Value {
        socket.send(Message::text(text.to_string())).await.unwrap();
        let heard = socket.next().await.unwrap().unwrap();
        serde_json::from_str(heard.to_text().unwrap()).unwrap()
    };
    let pong = say(json!({"op": "ping", "req_id": "7"})).await;
    assert_eq!((&pong["ret_msg"], &pong["req_id"]), (&json!("pong"), &json!("7")));
    // All topics or none.
    for (topics, message) in [
        (json!(["kline.1.BTCUSDT", "kline.1.NOSUCH"]), "Invalid symbol :[kline.1.NOSUCH]"),
        (json!(["kline.2.BTCUSDT"]), "error:handler not found,topic:kline.2.BTCUSDT"),
        (json!(["orderbook.1.BTCUSDT"]), "error:handler not found,topic:orderbook.1.BTCUSDT"),
    ] {
        let refused = say(json!({"op": "subscribe", "args": topics})).await;
        assert_eq!((&refused["success"], &refused["ret_msg"]), (&json!(false), &json!(message)));
    }
    assert_eq!((venue.feeds(), venue.calls().pings), (0, 1));
    let both = json!(["kline.1.BTCUSDT", "kline.5.ETHUSDT"]);
    let subscribed = say(json!({"op": "subscribe", "args": both})).await;
    assert_eq!((&subscribed["success"], &subscribed["op"]), (&json!(true), &json!("subscribe")));
    assert_eq!((venue.feeds(), venue.calls().feeds), (1, 1));
    let left = say(json!({"op": "unsubscribe", "args": ["kline.1.BTCUSDT"]})).await;
    assert_eq!((&left["op"], venue.feeds()), (&json!("unsubscribe"), 1));
    // Only of the other one is told.
    venue.advance("BTCUSDT", Interval::MINUTE, venue.now_ms() + MINUTE_MS);
    let five = Interval::named("5m").unwrap();
    venue.advance("ETHUSDT", five, START_MS + 105 * MINUTE_MS);
    let told = socket.next().await.unwrap().unwrap();
    let told: Value = serde_json::from_str(told.to_text().unwrap()).unwrap();
    assert_eq!(
        (&told["topic"], &told["data"][0]["confirm"]),
        (&json!("kline.5.ETHUSDT"), &json!(true))
    );
    assert_eq!(told["data"][0]["start"], json!(START_MS + 100 * MINUTE_MS));
    drop(socket);
    let gone = async {
        while venue.feeds() > 0 {
            tokio::time::sleep(std::time::Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(30), gone).await.unwrap();
}
