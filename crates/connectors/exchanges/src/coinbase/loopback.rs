//! The connector over real connections, against a server on loopback that says what it is told to.

use std::sync::Arc;
use std::time::Duration;

use cache_core::clock::{Clock, ManualClock};
use cache_series::admit::Reach;
use cache_series::key::{Environment, Market, SeriesKey};
use cache_series::row::Candle;
use cache_series::time::{Slots, Timeframe};
use cache_series::venue::{Limits, Listing, Venue, VenueErrorKind};
use futures_util::StreamExt;
use futures_util::future::poll_immediate;
use tokio::task::JoinHandle;

use super::limits::SEARCH_PAUSE;
use super::{Coinbase, CoinbaseOptions};
use crate::loopback::{self, Asked};

fn key() -> SeriesKey {
    let key = SeriesKey::new("coinbase", "btc/usd", Timeframe::Minute5).unwrap();
    key.with_environment(Environment::Replay)
}

fn options() -> CoinbaseOptions {
    CoinbaseOptions::new()
        .with_environment(Environment::Replay)
        .with_timeout(Duration::from_secs(20))
        .with_connect_timeout(Duration::from_secs(20))
}

/// Over a server that answers one call after the other.
async fn answering(replies: &[(&str, &str)]) -> (Coinbase, Asked) {
    let (address, asked) = loopback::answering(replies.iter().copied()).await;
    // Without an allowance no call is held back.
    let options = options().with_address(Market::Spot, address).with_limits(Limits::calls(4));
    (Coinbase::new(options).unwrap(), asked)
}

const PRODUCTS: &str = "/api/v3/brokerage/market/products";

#[tokio::test]
async fn a_page_is_asked_for_and_answered() {
    let body = r#"{"candles":[{"start":"600","low":"1","high":"3","open":"2","close":"2.5","volume":"7"},{"start":"0","low":"1","high":"3","open":"1","close":"2","volume":"5"}]}"#;
    let (coinbase, asked) = answering(&[("200 OK", body)]).await;
    // Whatever lies before 1970 is not asked for.
    let answer = coinbase.page(&key(), Slots::new(-5, 3)).await.unwrap();
    let asked = asked.paths().await;
    let expected = "/BTC-USD/candles?start=0&end=899&granularity=FIVE_MINUTE&limit=3";
    assert_eq!(asked, [format!("{PRODUCTS}{expected}")]);
    let times: Vec<i64> = answer.rows.iter().map(|(time, _)| time.unix_ms()).collect();
    assert_eq!((times, answer.reach), (vec![600_000, 0], Reach::Whole));
    let Candle { open, high, low, close, volume } = answer.rows[0].1;
    assert_eq!([open, high, low, close, volume], [2.0, 3.0, 1.0, 2.5, 7.0]);
    // Nothing is asked for of what lies before 1970 altogether.
    let before = coinbase.page(&key(), Slots::new(-5, 0)).await.unwrap();
    assert!(before.rows.is_empty() && before.reach == Reach::Whole);
}

#[tokio::test]
async fn a_refusal_is_a_typed_error_and_tells_no_address() {
    use VenueErrorKind::*;
    let unknown = r#"{"error":"NOT_FOUND","error_details":"valid product_id is required","message":"valid product_id is required"}"#;
    for (status, body, kind) in [
        ("404 Not Found", unknown, UnknownSymbol),
        ("200 OK", unknown, UnknownSymbol),
        ("429 Too Many Requests", "", RateLimited),
        ("200 OK", "<html>", Malformed),
        ("403 Forbidden", "<html>", Banned),
        ("502 Bad Gateway", "<html>", Unavailable),
    ] {
        let (coinbase, _asked) = answering(&[(status, body)]).await;
        let error = coinbase.page(&key(), Slots::new(0, 3)).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{body}");
        assert!(!format!("{error} {error:?}").contains("127.0.0.1"));
    }
}

#[tokio::test]
async fn what_cannot_be_asked_is_not() {
    let (coinbase, asked) = answering(&[]).await;
    for key in [
        key().with_timeframe(Timeframe::Hour12),
        key().with_market(Market::Linear),
        SeriesKey::new("coinbase", "BTC USD", Timeframe::Minute5).unwrap(),
    ] {
        assert!(coinbase.paging(&key).is_err() && coinbase.feed(&key).await.is_err(), "{key}");
        assert!(coinbase.page(&key, Slots::new(0, 3)).await.is_err(), "{key}");
        assert!(coinbase.listing(&key).await.is_err(), "{key}");
    }
    let minutes = key().with_timeframe(Timeframe::Minute1);
    assert_eq!(coinbase.paging(&minutes).unwrap().slots(), 300);
    let error = coinbase.feed(&minutes).await.err().unwrap();
    assert_eq!(error.kind(), VenueErrorKind::Unsupported);
    assert_eq!(asked.paths().await, [] as [String; 0]);
    // A world without addresses.
    let error = Coinbase::new(options()).unwrap().paging(&key()).unwrap_err();
    assert_eq!(error.kind(), VenueErrorKind::Unsupported);
}

const PRODUCT: &str =
    r#"{"product_id":"BTC-USD","status":"online","new_at":"2023-01-01T00:00:00Z"}"#;
/// 1 July 2017: three spans of 300 days, and a part of the fourth.
const CLOCK: &str =
    r#"{"iso":"2017-07-01T00:00:00Z","epochSeconds":"1498867200","epochMillis":"1498867200000"}"#;
/// 1 September 2015.
const EARLIER_DAY: &str = r#"{"candles":[{"start":"1441065600","low":"1","high":"1","open":"1","close":"1","volume":"1"}]}"#;
const NONE: &str = r#"{"candles":[]}"#;
/// 20 and 18 May 2016.
const DAYS: &str = r#"{"candles":[{"start":"1463702400","low":"1","high":"1","open":"1","close":"1","volume":"1"},{"start":"1463529600","low":"1","high":"1","open":"1","close":"1","volume":"1"}]}"#;

#[tokio::test]
async fn the_listing_is_that_of_the_first_day() {
    let replies = [PRODUCT, CLOCK, NONE, DAYS, NONE].map(|body| ("200 OK", body));
    let (coinbase, asked) = answering(&replies).await;
    let first = coinbase.listing(&key()).await.unwrap().first.unwrap();
    assert_eq!(first.to_string(), "2016-05-18T00:00:00Z");
    let asked = asked.paths().await;
    assert_eq!(asked[0], format!("{PRODUCTS}/BTC-USD"));
    assert_eq!(asked[1], "/api/v3/brokerage/time");
    let days = "granularity=ONE_DAY&limit=300";
    let [first, second] = ["start=1420070400&end=1445990399", "start=1445990400&end=1471910399"];
    let spans = [first, second, first];
    assert_eq!(asked[2..], spans.map(|span| format!("{PRODUCTS}/BTC-USD/candles?{span}&{days}")));

    // Nothing in any span, twice: there is no more to say.
    let mut replies = vec![("200 OK", PRODUCT), ("200 OK", CLOCK)];
    replies.extend([("200 OK", NONE); 8]);
    let (coinbase, asked) = answering(&replies).await;
    assert_eq!(coinbase.listing(&key()).await.unwrap(), Listing::UNTOLD);
    assert_eq!(asked.paths().await.len(), 10);

    // The newest days, whatever was asked for, do not become the first.
    let replies = [PRODUCT, CLOCK, DAYS].map(|body| ("200 OK", body));
    let (coinbase, _asked) = answering(&replies).await;
    let error = coinbase.listing(&key()).await.unwrap_err();
    assert_eq!(error.kind(), VenueErrorKind::Malformed);

    let unknown = r#"{"error":"NOT_FOUND","message":"Product BTC-USD not supported"}"#;
    let (coinbase, _asked) = answering(&[("404 Not Found", unknown)]).await;
    let error = coinbase.listing(&key()).await.unwrap_err();
    assert_eq!(error.kind(), VenueErrorKind::UnknownSymbol);
}

/// Whatever lies before a listing is taken for never traded.
#[tokio::test]
async fn one_empty_answer_moves_no_listing() {
    let replies = [PRODUCT, CLOCK, NONE, DAYS, EARLIER_DAY].map(|body| ("200 OK", body));
    let (coinbase, asked) = answering(&replies).await;
    let first = coinbase.listing(&key()).await.unwrap().first.unwrap();
    assert_eq!(first.to_string(), "2015-09-01T00:00:00Z");
    assert_eq!(asked.paths().await.len(), 5);
    // Nor does one hide that there is any.
    let mut replies = vec![("200 OK", PRODUCT), ("200 OK", CLOCK)];
    replies.extend([("200 OK", NONE); 5]);
    replies.push(("200 OK", DAYS));
    let (coinbase, asked) = answering(&replies).await;
    let first = coinbase.listing(&key()).await.unwrap().first.unwrap();
    assert_eq!(first.to_string(), "2016-05-18T00:00:00Z");
    assert_eq!(asked.paths().await.len(), 8);
}

/// Listings that were looked for at once went beyond what the exchange allows.
#[tokio::test]
async fn listings_are_looked_for_in_one_pace_and_each_once() {
    let other = PRODUCT.replace("BTC-USD", "ETH-USD");
    let replies = [PRODUCT, CLOCK, EARLIER_DAY, &*other, CLOCK, EARLIER_DAY];
    let (address, asked) = loopback::answering(replies.map(|body| ("200 OK", body))).await;
    let clock = ManualClock::new();
    let mut options = options().with_address(Market::Spot, address);
    options.connection.clock = Arc::new(clock.clone());
    let coinbase = Coinbase::new(options).unwrap();
    let began = clock.monotonic();
    let hours = key().with_timeframe(Timeframe::Hour1);
    let ether = SeriesKey::new("coinbase", "ETH/USD", Timeframe::Minute5).unwrap();
    let looking: Vec<_> = [key(), hours, ether.clone(), key(), ether]
        .map(|key| {
            let coinbase = coinbase.clone();
            tokio::spawn(async move { coinbase.listing(&key).await })
        })
        .into();
    while !looking.iter().all(JoinHandle::is_finished) {
        if clock.sleepers() > 0 {
            clock.advance(SEARCH_PAUSE);
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    for found in looking {
        let found = found.await.unwrap().unwrap();
        assert_eq!(found, Listing::since("2015-09-01T00:00:00Z".parse().unwrap()));
    }
    assert_eq!(asked.paths().await.len(), 6);
    assert_eq!(clock.monotonic().since(began), SEARCH_PAUSE * 5);
}

/// Whoever asks gives up after a while, of which others may have taken most: what was begun anew each
/// time never ended where many were looked for.
#[tokio::test]
async fn a_search_that_is_given_up_is_gone_on_with() {
    let replies = [PRODUCT, CLOCK, NONE, PRODUCT, CLOCK, DAYS, NONE];
    let (address, asked) = loopback::answering(replies.map(|body| ("200 OK", body))).await;
    let clock = ManualClock::new();
    let mut options = options().with_address(Market::Spot, address);
    options.connection.clock = Arc::new(clock.clone());
    let coinbase = Coinbase::new(options).unwrap();
    let [leader, waiter] = [coinbase.clone(), coinbase]
        .map(|coinbase| tokio::spawn(async move { coinbase.listing(&key()).await }));
    let is_held = async || {
        while clock.sleepers() == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    // Until the first days are read, and the next call waits for its turn.
    for _ in 0..2 {
        is_held().await;
        clock.advance(SEARCH_PAUSE);
    }
    is_held().await;
    leader.abort();
    while !waiter.is_finished() {
        clock.advance(SEARCH_PAUSE);
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let first = waiter.await.unwrap().unwrap().first.unwrap();
    assert_eq!(first.to_string(), "2016-05-18T00:00:00Z");
    let asked = asked.paths().await;
    assert!(asked[5].contains("start=1445990400&") && asked[6].contains("start=1420070400&"));
}

/// A result is for those who waited for it, however late they look at it.
#[tokio::test]
async fn who_asks_after_a_search_begins_another() {
    let unknown = r#"{"error":"NOT_FOUND","message":"Product BTC-USD not supported"}"#;
    let (coinbase, asked) =
        answering(&[("404 Not Found", unknown), ("404 Not Found", unknown)]).await;
    let key = key();
    let (mut leader, mut waiter) = (coinbase.listing(&key), coinbase.listing(&key));
    assert!(poll_immediate(&mut leader).await.is_none());
    assert!(poll_immediate(&mut waiter).await.is_none());
    assert!(leader.await.is_err());
    assert!(coinbase.listing(&key).await.is_err());
    assert!(waiter.await.is_err());
    assert_eq!(asked.paths().await.len(), 2);
}

#[tokio::test]
async fn the_clock_is_told() {
    let (coinbase, asked) = answering(&[("200 OK", CLOCK)]).await;
    let time = Venue::<Candle>::server_time(&coinbase).await.unwrap().unwrap();
    assert_eq!(time.to_string(), "2017-07-01T00:00:00Z");
    assert_eq!(asked.paths().await, ["/api/v3/brokerage/time"]);
}

/// Over a server that hears what is said first, answers, and goes.
async fn telling(messages: &[String]) -> (Coinbase, JoinHandle<Vec<String>>) {
    let (address, heard) = loopback::telling(2, messages.iter().cloned()).await;
    (Coinbase::new(options().with_feed_address(Market::Spot, address)).unwrap(), heard)
}

const SUBSCRIBED: &str = r#"{"channel":"subscriptions","client_id":"","timestamp":"2026-04-07T14:30:00Z","sequence_num":0,"events":[{"subscriptions":{"candles":["BTC-USD"]}}]}"#;
const HEARTBEAT: &str = r#"{"channel":"heartbeats","client_id":"","timestamp":"2026-04-07T14:30:01Z","sequence_num":1,"events":[{"current_time":"2026-04-07 14:30:01 +0000 UTC","heartbeat_counter":"42"}]}"#;

/// A message so many seconds into the minute, with rows of these starts and volumes.
fn told(kind: &str, second: u32, rows: &[(i64, u32)]) -> String {
    let rows = rows.iter().map(|(start, volume)| {
        format!(
            r#"{{"start":"{start}","high":"3","low":"1","open":"1","close":"2","volume":"{volume}","product_id":"BTC-USD"}}"#
        )
    });
    let rows = rows.collect::<Vec<_>>().join(",");
    format!(
        r#"{{"channel":"candles","client_id":"","timestamp":"2026-04-07T14:30:{second:02}Z","sequence_num":2,"events":[{{"type":"{kind}","candles":[{rows}]}}]}}"#
    )
}

/// The exchange never says that a row has closed.
#[tokio::test]
async fn a_feed_subscribes_and_a_row_closes_when_the_next_begins() {
    let messages = [
        HEARTBEAT.to_owned(),
        SUBSCRIBED.to_owned(),
        told("snapshot", 1, &[(300, 1), (0, 9), (600, 2)]),
        HEARTBEAT.to_owned(),
        told("update", 2, &[(600, 3)]),
        // What comes late, and what is of before.
        told("update", 1, &[(600, 2)]),
        // The last of the one and the first of another, after a time of which nothing was heard.
        told("update", 4, &[(1_500, 1), (600, 4)]),
        told("update", 5, &[(600, 5)]),
        told("update", 6, &[(1_500, 2)]),
        told("update", 7, &[(1_800, 1)]),
    ];
    let (coinbase, said) = telling(&messages).await;
    let feed = Venue::<Candle>::feed(&coinbase, &key()).await.unwrap();
    let heard: Vec<_> = feed.map(|message| message.unwrap()).collect().await;
    assert_eq!(
        said.await.unwrap(),
        [
            r#"{"type":"subscribe","product_ids":["BTC-USD"],"channel":"candles"}"#,
            r#"{"type":"subscribe","channel":"heartbeats"}"#
        ]
    );
    let heard = heard.iter().map(|it| (it.time.unix_ms() / 1_000, it.row.volume, it.closed));
    let expected = [
        (600, 2.0, false),
        (600, 3.0, false),
        (600, 4.0, false),
        (1_500, 1.0, false),
        (1_500, 2.0, false),
        (1_500, 2.0, true),
        (1_800, 1.0, false),
    ];
    assert_eq!(heard.collect::<Vec<_>>(), expected);
}

#[tokio::test]
async fn a_subscription_that_is_refused_is_an_error() {
    let refused = r#"{"type":"error","message":"Failed to subscribe","reason":"BTC-USD is not a valid product"}"#;
    let (coinbase, _said) = telling(&[refused.to_owned()]).await;
    let error = Venue::<Candle>::feed(&coinbase, &key()).await.err().unwrap();
    assert_eq!(error.kind(), VenueErrorKind::UnknownSymbol);
    // A server that goes with no more than a heartbeat.
    let (coinbase, _said) = telling(&[HEARTBEAT.to_owned()]).await;
    let error = Venue::<Candle>::feed(&coinbase, &key()).await.err().unwrap();
    assert_eq!(error.kind(), VenueErrorKind::Unavailable);
    // A row that cannot be read ends the feed.
    let other = told("update", 1, &[(600, 2)]).replace("BTC-USD", "ETH-USD");
    let (coinbase, _said) = telling(&[SUBSCRIBED.to_owned(), other]).await;
    let mut feed = Venue::<Candle>::feed(&coinbase, &key()).await.unwrap();
    let error = feed.next().await.unwrap().unwrap_err();
    assert_eq!(error.kind(), VenueErrorKind::Malformed);
    assert!(feed.next().await.is_none());
}
