//! The connector over real connections, against a server on loopback that says what it is told to.

use std::sync::Arc;
use std::time::Duration;

use cache_core::clock::ManualClock;
use cache_series::admit::Reach;
use cache_series::key::{Environment, Market, SeriesKey};
use cache_series::row::Candle;
use cache_series::time::{Slots, Time, Timeframe};
use cache_series::venue::{Listing, Venue, VenueErrorKind};
use futures_util::StreamExt;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::symbol::symbol;
use super::{Kraken, KrakenOptions, SystemStatus};
use crate::loopback::{self, Asked};

fn key() -> SeriesKey {
    let key = SeriesKey::new("kraken", "BTC/USD", Timeframe::Minute5).unwrap();
    key.with_environment(Environment::Replay)
}

fn options() -> KrakenOptions {
    KrakenOptions::new()
        .with_environment(Environment::Replay)
        .with_timeout(Duration::from_secs(20))
        .with_connect_timeout(Duration::from_secs(20))
}

/// Over a server that answers one call.
async fn connector(status: &str, body: &str) -> (Kraken, Asked) {
    let (address, asked) = loopback::answering([(status, body)]).await;
    (Kraken::new(options().with_address(Market::Spot, address)).unwrap(), asked)
}

const PAGE: &str = r#"{"error":[],"result":{"XXBTZUSD":[[300,"1","3","1","2","1.5","5",4],[600,"2","3","1","2.5","2","7",9],[900,"2","3","2","3","2","1",1]],"last":600}}"#;

#[tokio::test]
async fn a_page_is_asked_for_and_answered() {
    let (kraken, asked) = connector("200 OK", PAGE).await;
    // Whatever lies before 1970 is not asked for.
    let answer = kraken.page(&key(), Slots::new(-5, 3)).await.unwrap();
    assert_eq!(asked.paths().await, ["/0/public/OHLC?pair=XBTUSD&interval=5&since=0"]);
    let times: Vec<i64> = answer.rows.iter().map(|(time, _)| time.unix_ms()).collect();
    // Without the growing one.
    assert_eq!((times, answer.reach), (vec![300_000, 600_000], Reach::Whole));
    assert_eq!(answer.rows[1].1.volume, 7.0);
    let early = kraken.page(&key(), Slots::new(-5, 0)).await.unwrap();
    assert_eq!((early.rows.len(), early.reach), (0, Reach::Whole), "nobody was asked");
}

#[tokio::test]
async fn what_is_older_than_the_newest_is_an_error_of_its_own() {
    let rows: Vec<String> = (1_000..1_721)
        .map(|slot| format!(r#"[{},"1","1","1","1","0","0",0]"#, slot * 300))
        .collect();
    let body = format!(
        r#"{{"error":[],"result":{{"XXBTZUSD":[{}],"last":{}}}}}"#,
        rows.join(","),
        1_719 * 300
    );
    let (kraken, asked) = connector("200 OK", &body).await;
    let error = kraken.page(&key(), Slots::new(720, 1_000)).await.unwrap_err();
    assert_eq!(asked.paths().await, ["/0/public/OHLC?pair=XBTUSD&interval=5&since=215700"]);
    assert_eq!(error.kind(), VenueErrorKind::Unsupported);
    assert!(!error.is_transient() && error.retry_after().is_none(), "{error}");
    assert_eq!(
        error.message(),
        "it answers its newest rows alone, and none before 1970-01-04T11:20:00Z"
    );
}

#[tokio::test]
async fn a_refusal_is_a_typed_error_and_tells_no_address() {
    use VenueErrorKind::*;
    for (status, body, kind) in [
        ("200 OK", r#"{"error":["EQuery:Unknown asset pair"]}"#, UnknownSymbol),
        ("200 OK", r#"{"error":["EAPI:Rate limit exceeded"]}"#, RateLimited),
        ("200 OK", r#"{"error":["EService:Unavailable"]}"#, Unavailable),
        ("200 OK", r#"{"error":[],"result":{"XXBTZUSD":[],"last":0}}"#, Malformed),
        ("200 OK", "<html>", Malformed),
        ("403 Forbidden", "", Banned),
    ] {
        let (kraken, _asked) = connector(status, body).await;
        let error = kraken.page(&key(), Slots::new(0, 3)).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{body}");
        assert!(!format!("{error} {error:?}").contains("127.0.0.1"));
    }
}

#[tokio::test]
async fn clock_listing_and_status_are_asked_for() {
    let body = r#"{"error":[],"result":{"unixtime":1688669448,"rfc1123":"Thu, 06 Jul 23 18:50:48 +0000"}}"#;
    let (kraken, asked) = connector("200 OK", body).await;
    let time = Venue::<Candle>::server_time(&kraken).await.unwrap().unwrap();
    assert_eq!(
        (time.unix_ms(), asked.paths().await),
        (1_688_669_448_000, vec!["/0/public/Time".to_owned()])
    );

    let (kraken, asked) = connector("200 OK", PAGE).await;
    let listing = Venue::<Candle>::listing(&kraken, &key()).await.unwrap();
    assert_eq!(listing, Listing::since(Time::from_unix_ms(300_000)));
    assert_eq!(asked.paths().await, ["/0/public/OHLC?pair=XBTUSD&interval=21600&since=0"]);

    let body =
        r#"{"error":[],"result":{"status":"maintenance","timestamp":"2023-07-06T18:52:00Z"}}"#;
    let (kraken, asked) = connector("200 OK", body).await;
    assert_eq!(kraken.system_status().await.unwrap(), SystemStatus::Maintenance);
    assert_eq!(asked.paths().await, ["/0/public/SystemStatus"]);
}

/// Over a server that hears what is said first, answers, and goes.
async fn telling(messages: &[&str]) -> (KrakenOptions, JoinHandle<Vec<String>>) {
    let (address, heard) = loopback::telling(1, messages.iter().copied()).await;
    (options().with_feed_address(Market::Spot, format!("{address}/v2")), heard)
}

const SUBSCRIPTION: &str = r#"{"method":"subscribe","params":{"channel":"ohlc","symbol":["BTC/USD"],"interval":5,"snapshot":true}}"#;
const ONLINE: &str = r#"{"channel":"status","type":"update","data":[{"version":"2.0.10","system":"online","api_version":"v2","connection_id":16174536464690282295}]}"#;
const SUBSCRIBED: &str = r#"{"method":"subscribe","result":{"channel":"ohlc","interval":5,"snapshot":true,"symbol":"BTC/USD"},"success":true}"#;
const REFUSED: &str = r#"{"error":"Currency pair not supported BTC/USD","method":"subscribe","success":false,"symbol":"BTC/USD"}"#;
const HEARTBEAT: &str = r#"{"channel":"heartbeat"}"#;
const SNAPSHOT: &str = r#"{"channel":"ohlc","type":"snapshot","timestamp":"1970-01-01T00:11:00.5Z","data":[{"symbol":"BTC/USD","open":1,"high":3,"low":1,"close":2,"trades":1,"volume":4,"vwap":1,"interval_begin":"1970-01-01T00:00:00.000000000Z","interval":5},{"symbol":"BTC/USD","open":1,"high":3,"low":1,"close":2,"trades":1,"volume":5,"vwap":1,"interval_begin":"1970-01-01T00:05:00.000000000Z","interval":5}]}"#;
/// Nothing was traded from ten to fifteen minutes past.
const NEXT: &str = r#"{"channel":"ohlc","type":"update","timestamp":"1970-01-01T00:16:00.5Z","data":[{"symbol":"BTC/USD","open":1,"high":3,"low":1,"close":2,"trades":1,"volume":6,"vwap":1,"interval_begin":"1970-01-01T00:15:00.000000000Z","interval":5}]}"#;

#[tokio::test]
async fn a_row_of_a_feed_is_over_once_the_one_after_it_begins() {
    let (options, said) = telling(&[ONLINE, SUBSCRIBED, SNAPSHOT, HEARTBEAT, NEXT, NEXT]).await;
    let kraken = Kraken::new(options).unwrap();
    let feed = Venue::<Candle>::feed(&kraken, &key()).await.unwrap();
    let heard: Vec<_> = feed.map(|message| message.unwrap()).collect().await;
    assert_eq!(said.await.unwrap(), [SUBSCRIPTION]);
    let heard: Vec<_> =
        heard.iter().map(|it| (it.time.unix_ms() / 300_000, it.row.volume, it.closed)).collect();
    assert_eq!(
        heard,
        [
            (0, 4.0, false),
            (0, 4.0, true),
            // What became of it until the next row is read.
            (1, 5.0, false),
            (3, 6.0, false),
            (3, 6.0, false)
        ]
    );
}

#[tokio::test]
async fn a_subscription_that_is_refused_is_an_error() {
    const MAINTAINED: &str =
        r#"{"channel":"status","type":"update","data":[{"system":"maintenance"}]}"#;
    for (messages, kind) in [
        (&[ONLINE, REFUSED][..], VenueErrorKind::UnknownSymbol),
        (&[MAINTAINED, SUBSCRIBED][..], VenueErrorKind::Unavailable),
        // A server that goes without a word.
        (&[][..], VenueErrorKind::Unavailable),
    ] {
        let (options, _said) = telling(messages).await;
        let kraken = Kraken::new(options).unwrap();
        let error = Venue::<Candle>::feed(&kraken, &key()).await.err().unwrap();
        assert_eq!(error.kind(), kind, "{messages:?}");
    }
}

const PAIRS: &str = r#"{"error":[],"result":{"XXBTZUSD":{"altname":"XBTUSD","wsname":"XBT/USD"}}}"#;

fn joined(symbol: &str) -> SeriesKey {
    SeriesKey::new("kraken", symbol, Timeframe::Minute5).unwrap()
}

#[tokio::test]
async fn a_name_in_one_piece_asks_for_its_assets_first() {
    let (calls, asked) = loopback::answering([("200 OK", PAIRS)]).await;
    let (feeds, said) = telling(&[SUBSCRIBED]).await;
    let kraken = Kraken::new(feeds.with_address(Market::Spot, calls)).unwrap();
    let feed = Venue::<Candle>::feed(&kraken, &joined("btcusd")).await.unwrap();
    drop(feed);
    assert_eq!(asked.paths().await, ["/0/public/AssetPairs?pair=XBTUSD"]);
    assert_eq!(said.await.unwrap(), [SUBSCRIPTION]);
}

/// Every connection that was made again asked anew, and past what the exchange allows.
#[tokio::test]
async fn a_pair_is_asked_about_once_and_in_the_pace_of_calls() {
    let ada = r#"{"error":[],"result":{"ADAUSD":{"altname":"ADAUSD","wsname":"ADA/USD"}}}"#;
    let (calls, asked) = loopback::answering([("200 OK", PAIRS), ("200 OK", ada)]).await;
    let clock = ManualClock::new();
    let mut options = options().with_address(Market::Spot, calls);
    options.connection.clock = Arc::new(clock.clone());
    let kraken = Kraken::new(options).unwrap();
    // There is no server of feeds: what is of interest comes before.
    let pair = |text: &str| symbol(&joined(text)).unwrap();
    let bitcoin = [pair("btcusd"), pair("XBTUSD"), pair("btcusd")];
    let names = futures_util::future::join_all(bitcoin.iter().map(|pair| kraken.names.of(pair)));
    for name in timeout(Duration::from_secs(30), names).await.expect("nobody is held back") {
        assert_eq!(name.unwrap(), "BTC/USD");
    }
    let other = kraken.clone();
    let waiting = tokio::spawn(async move { other.names.of(&pair("ADAUSD")).await });
    while clock.sleepers() == 0 {
        tokio::task::yield_now().await;
    }
    clock.advance(super::limits::NAMES_PAUSE - Duration::from_millis(1));
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
    assert!(!waiting.is_finished() && clock.sleepers() == 1);
    // What is known waits for nobody.
    let known = timeout(Duration::from_secs(30), kraken.names.of(&bitcoin[0])).await;
    assert_eq!(known.expect("it is held back").unwrap(), "BTC/USD");
    clock.advance(Duration::from_millis(1));
    assert_eq!(waiting.await.unwrap().unwrap(), "ADA/USD");
    let paths = ["XBTUSD", "ADAUSD"].map(|pair| format!("/0/public/AssetPairs?pair={pair}"));
    assert_eq!(asked.paths().await, paths);
}
