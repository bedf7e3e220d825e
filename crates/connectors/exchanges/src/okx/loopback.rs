//! The connector over real connections, against a server on loopback that says what it is told to.

use std::sync::Arc;
use std::time::Duration;

use cache_core::clock::{ManualClock, Timestamp};
use cache_series::admit::Reach;
use cache_series::key::{Environment, Market, PriceType, SeriesKey};
use cache_series::row::Candle;
use cache_series::time::{Slots, Time, Timeframe};
use cache_series::venue::{Listing, Venue, VenueErrorKind};
use futures_util::StreamExt;
use tokio::task::JoinHandle;

use super::{Okx, OkxOptions};
use crate::loopback::{self, Asked};

/// The clock shows the begin of this five minutes.
const NOW_SLOT: i64 = 10_000;
const FIVE_MINUTES_MS: i64 = 300_000;

fn key() -> SeriesKey {
    let key = SeriesKey::new("okx", "BTC/USDT", Timeframe::Minute5).unwrap();
    key.with_market(Market::Linear).with_environment(Environment::Replay)
}

fn options() -> OkxOptions {
    let clock = ManualClock::new();
    clock.step_wall(Timestamp::from_unix_ms((NOW_SLOT * FIVE_MINUTES_MS) as u64));
    OkxOptions::new()
        .with_environment(Environment::Replay)
        .with_timeout(Duration::from_secs(20))
        .with_connect_timeout(Duration::from_secs(20))
        .with_clock(Arc::new(clock))
}

/// Over a server that answers one call after the other.
async fn answering_of(options: OkxOptions, replies: Vec<(&str, String)>) -> (Okx, Asked) {
    let (address, asked) = loopback::answering(replies).await;
    (Okx::new(options.with_address(Market::Linear, address)).unwrap(), asked)
}

async fn answering(body: &str) -> (Okx, Asked) {
    answering_of(options(), vec![("200 OK", body.to_owned())]).await
}

/// An answer of candles: slots, and whether they are over.
fn candles(rows: &[(i64, bool)]) -> String {
    let rows: Vec<String> = rows
        .iter()
        .map(|(slot, closed)| {
            let (ms, confirm) = (slot * FIVE_MINUTES_MS, u8::from(*closed));
            format!(r#"["{ms}","1","3","1","2","500","{slot}","1000","{confirm}"]"#)
        })
        .collect();
    format!(r#"{{"code":"0","msg":"","data":[{}]}}"#, rows.join(","))
}

#[tokio::test]
async fn a_page_is_asked_for_and_answered() {
    let (okx, asked) = answering(&candles(&[(2, true), (1, true)])).await;
    // Whatever lies before 1970 is not asked for.
    let answer = okx.page(&key(), Slots::new(-5, 3)).await.unwrap();
    assert_eq!(
        asked.paths().await,
        [
            "/api/v5/market/history-candles?instId=BTC-USDT-SWAP&bar=5m&before=299999&after=900000&limit=2"
        ]
    );
    let rows: Vec<_> = answer.rows.iter().map(|(time, row)| (time.unix_ms(), row.volume)).collect();
    assert_eq!((rows, answer.reach), (vec![(600_000, 2.0), (300_000, 1.0)], Reach::Whole));
    let nothing = okx.page(&key(), Slots::new(-9, 1)).await.unwrap();
    assert_eq!((nothing.rows.len(), nothing.reach), (0, Reach::Whole), "and nobody was asked");
}

#[tokio::test]
async fn what_is_new_is_asked_for_where_more_calls_are_allowed() {
    for (first, path, weight) in
        [(NOW_SLOT - 1_200, "candles", 1), (NOW_SLOT - 1_201, "history-candles", 2)]
    {
        let slots = Slots::new(first, first + 2);
        let (okx, asked) = answering(&candles(&[(first + 1, true), (first, true)])).await;
        assert_eq!(Venue::<Candle>::weight(&okx, &key(), slots), weight);
        let answer = okx.page(&key(), slots).await.unwrap();
        assert_eq!((answer.rows.len(), answer.reach), (2, Reach::Whole));
        let path = format!("/api/v5/market/{path}?");
        assert!(asked.paths().await[0].starts_with(&path), "{first}");
    }
}

/// Bug 5 of the model: a candle that still grew was kept as if it were over.
#[tokio::test]
async fn bug_5_a_row_that_grows_is_none() {
    let slots = Slots::new(NOW_SLOT - 2, NOW_SLOT + 1);
    let rows = candles(&[(NOW_SLOT, false), (NOW_SLOT - 1, true), (NOW_SLOT - 2, true)]);
    let (okx, _asked) = answering(&rows).await;
    let answer = okx.page(&key(), slots).await.unwrap();
    assert_eq!((answer.rows.len(), answer.reach), (2, Reach::UpToLast));
    // One that is not said to be over before one that is would be a hole if it were left out.
    let rows = candles(&[(NOW_SLOT, true), (NOW_SLOT - 1, false), (NOW_SLOT - 2, true)]);
    let (okx, _asked) = answering(&rows).await;
    let answer = okx.page(&key(), slots).await.unwrap();
    assert_eq!((answer.rows.len(), answer.reach), (1, Reach::UpToLast));
    // Where there is nothing else it is asked for again, and not taken for a time without trades.
    let (okx, _asked) = answering(&candles(&[(NOW_SLOT, false)])).await;
    let error = okx.page(&key(), Slots::one(NOW_SLOT)).await.unwrap_err();
    assert_eq!(error.kind(), VenueErrorKind::Unavailable);
}

#[tokio::test]
async fn a_refusal_is_a_typed_error_and_tells_no_address() {
    use VenueErrorKind::*;
    for (status, body, kind) in [
        (
            "200 OK",
            r#"{"code":"51001","msg":"Instrument ID doesn't exist","data":[]}"#,
            UnknownSymbol,
        ),
        ("200 OK", r#"{"code":"50011","msg":"Too Many Requests","data":[]}"#, RateLimited),
        ("200 OK", "<html>", Malformed),
        ("200 OK", r#"{"code":"0","msg":""}"#, Malformed),
        ("429 Too Many Requests", "", RateLimited),
        ("403 Forbidden", "", Banned),
    ] {
        let (okx, _asked) = answering_of(options(), vec![(status, body.to_owned())]).await;
        let error = okx.page(&key(), Slots::new(1, 3)).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{body}");
        assert!(!format!("{error} {error:?}").contains("127.0.0.1"));
    }
}

#[tokio::test]
async fn demo_trading_is_called_by_its_name() {
    for (environment, expected) in [(Environment::Demo, true), (Environment::Replay, false)] {
        let options = options().with_environment(environment);
        let reply = ("200 OK", candles(&[(1, true)]));
        let (okx, asked) = answering_of(options, vec![reply]).await;
        okx.page(&key(), Slots::one(1)).await.unwrap();
        let head = &asked.heads().await[0];
        assert_eq!(head.contains("\r\nx-simulated-trading: 1\r\n"), expected, "{head}");
    }
}

const LISTED: &str = r#"{"code":"0","msg":"","data":[{"instId":"BTC-USDT-SWAP","listTime":"900000","expTime":"","state":"live"}]}"#;
const UNKNOWN: &str = r#"{"code":"51001","msg":"Instrument ID doesn't exist","data":[]}"#;

#[tokio::test]
async fn a_listing_is_made_of_months_and_instrument() {
    let listing = |months: String, instrument: &'static str| async move {
        let replies = vec![("200 OK", months), ("200 OK", instrument.to_owned())];
        let (okx, asked) = answering_of(options(), replies).await;
        (Venue::<Candle>::listing(&okx, &key()).await, asked)
    };
    // Slot 2 begins at 600,000.
    let (told, asked) = listing(candles(&[(8, false), (2, true)]), LISTED).await;
    assert_eq!(told.unwrap(), Listing::since(Time::from_unix_ms(600_000)));
    assert_eq!(
        asked.paths().await,
        [
            "/api/v5/market/candles?instId=BTC-USDT-SWAP&bar=1Mutc&limit=300",
            "/api/v5/public/instruments?instType=SWAP&instId=BTC-USDT-SWAP"
        ]
    );
    let (told, _asked) = listing(candles(&[(8, true)]), LISTED).await;
    assert_eq!(told.unwrap(), Listing::since(Time::from_unix_ms(900_000)));
    // One answer without months does not decide; two do.
    for (months, first) in [(candles(&[(2, true)]), 600_000), (candles(&[]), 900_000)] {
        let replies = [candles(&[]), LISTED.to_owned(), months].map(|body| ("200 OK", body));
        let (okx, asked) = answering_of(options(), replies.into()).await;
        let told = Venue::<Candle>::listing(&okx, &key()).await.unwrap();
        assert_eq!(told, Listing::since(Time::from_unix_ms(first)));
        assert_eq!(asked.paths().await.len(), 3);
    }
    // It is traded no more.
    let (told, _asked) = listing(candles(&[(8, true)]), UNKNOWN).await;
    assert_eq!(told.unwrap(), Listing::since(Time::from_unix_ms(2_400_000)));
    // It never was.
    let (told, _asked) = listing(candles(&[]), UNKNOWN).await;
    assert_eq!(told.unwrap_err().kind(), VenueErrorKind::UnknownSymbol);
    let (okx, _asked) = answering(UNKNOWN).await;
    let told = Venue::<Candle>::listing(&okx, &key()).await;
    assert_eq!(told.unwrap_err().kind(), VenueErrorKind::UnknownSymbol);
    // Of a mark price nobody is asked.
    let mark = key().with_price(PriceType::Mark);
    let told = Venue::<Candle>::listing(&okx, &mark).await;
    assert_eq!(told.unwrap(), Listing::UNTOLD);
}

#[tokio::test]
async fn the_clock_is_looked_at() {
    let body = r#"{"code":"0","msg":"","data":[{"ts":"1597026383085"}]}"#;
    let (okx, asked) = answering(body).await;
    let time = Venue::<Candle>::server_time(&okx).await.unwrap().unwrap();
    assert_eq!(time.unix_ms(), 1_597_026_383_085);
    assert_eq!(asked.paths().await, ["/api/v5/public/time"]);
}

/// Over a server that hears what is said first, answers, and goes.
async fn telling(messages: Vec<String>) -> (Okx, JoinHandle<Vec<String>>) {
    let (address, heard) = loopback::telling(1, messages).await;
    (Okx::new(options().with_feed_address(Market::Linear, address)).unwrap(), heard)
}

fn subscribed(channel: &str, symbol: &str) -> String {
    format!(
        r#"{{"event":"subscribe","arg":{{"channel":"{channel}","instId":"{symbol}"}},"connId":"1"}}"#
    )
}

fn told(channel: &str, symbol: &str, row: &str) -> String {
    format!(r#"{{"arg":{{"channel":"{channel}","instId":"{symbol}"}},"data":[{row}]}}"#)
}

#[tokio::test]
async fn a_feed_subscribes_and_tells_once() {
    let (channel, symbol) = ("candle5m", "BTC-USDT-SWAP");
    let row = |confirm| format!(r#"["300000","1","3","1","2","50","{confirm}5","10","{confirm}"]"#);
    let growing = told(channel, symbol, &row(0));
    let closed = told(channel, symbol, &row(1));
    let messages =
        vec![subscribed(channel, symbol), growing, "pong".to_owned(), closed.clone(), closed];
    let (okx, said) = telling(messages).await;
    let feed = Venue::<Candle>::feed(&okx, &key()).await.unwrap();
    let heard: Vec<_> = feed.map(|message| message.unwrap()).collect().await;
    assert_eq!(
        said.await.unwrap(),
        [r#"{"op":"subscribe","args":[{"channel":"candle5m","instId":"BTC-USDT-SWAP"}]}"#]
    );
    let heard: Vec<_> = heard.iter().map(|it| (it.row.volume, it.closed)).collect();
    assert_eq!(heard, [(5.0, false), (15.0, true)]);
}

#[tokio::test]
async fn prices_that_are_not_traded_at_are_told_as_well() {
    let (channel, symbol) = ("index-candle1Dutc", "BTC-USDT");
    let day = told(channel, symbol, r#"["86400000","1","3","1","2","1"]"#);
    let (okx, said) = telling(vec![subscribed(channel, symbol), day]).await;
    let key = key().with_price(PriceType::Index).with_timeframe(Timeframe::Day1);
    let feed = Venue::<Candle>::feed(&okx, &key).await.unwrap();
    let heard: Vec<_> = feed.map(|message| message.unwrap()).collect().await;
    assert!(
        said.await.unwrap()[0].contains(r#"{"channel":"index-candle1Dutc","instId":"BTC-USDT"}"#)
    );
    assert!(heard.len() == 1 && heard[0].closed && heard[0].row.volume.is_nan());
}

#[tokio::test]
async fn a_subscription_that_is_refused_is_an_error() {
    let refused = r#"{"event":"error","code":"60018","msg":"Wrong URL or channel:candle5m,instId:BTC-USDT-SWAP doesn't exist.","connId":"1"}"#;
    let (okx, _said) = telling(vec![refused.to_owned()]).await;
    let error = Venue::<Candle>::feed(&okx, &key()).await.err().unwrap();
    assert_eq!(error.kind(), VenueErrorKind::UnknownSymbol);
    // A server that goes without a word.
    let (okx, _said) = telling(Vec::new()).await;
    let error = Venue::<Candle>::feed(&okx, &key()).await.err().unwrap();
    assert_eq!(error.kind(), VenueErrorKind::Unavailable);
}
