//! The connector over real connections, against a server on loopback that says what it is told to.

use std::time::Duration;

use cache_series::admit::Reach;
use cache_series::key::{Environment, Market, SeriesKey};
use cache_series::row::Candle;
use cache_series::time::{Slots, Timeframe};
use cache_series::venue::{Venue, VenueErrorKind};
use futures_util::StreamExt;
use tokio::task::JoinHandle;

use super::{Bybit, BybitOptions};
use crate::loopback::{self, Asked};

fn key() -> SeriesKey {
    let key = SeriesKey::new("bybit", "BTC/USDT", Timeframe::Minute5).unwrap();
    key.with_market(Market::Linear).with_environment(Environment::Replay)
}

fn options() -> BybitOptions {
    BybitOptions::new()
        .with_environment(Environment::Replay)
        .with_timeout(Duration::from_secs(20))
        .with_connect_timeout(Duration::from_secs(20))
}

/// Over a server that answers one call.
async fn answering(status: &str, body: &str) -> (Bybit, Asked) {
    let (address, asked) = loopback::answering([(status, body)]).await;
    (Bybit::new(options().with_address(Market::Linear, address)).unwrap(), asked)
}

#[tokio::test]
async fn a_page_is_asked_for_and_answered() {
    let body = r#"{"retCode":0,"retMsg":"OK","result":{"symbol":"BTCUSDT","category":"linear","list":[["600000","2","3","1","2.5","7","14"],["300000","1","3","1","2","5","10"]]},"time":1}"#;
    let (bybit, asked) = answering("200 OK", body).await;
    // Whatever lies before 1970 is not asked for.
    let answer = bybit.page(&key(), Slots::new(-5, 3)).await.unwrap();
    assert_eq!(
        asked.paths().await,
        ["/v5/market/kline?category=linear&symbol=BTCUSDT&interval=5&start=0&end=899999&limit=3"]
    );
    let times: Vec<i64> = answer.rows.iter().map(|(time, _)| time.unix_ms()).collect();
    assert_eq!((times, answer.reach), (vec![600_000, 300_000], Reach::Whole));
    assert_eq!(answer.rows[1].1.volume, 5.0);
}

#[tokio::test]
async fn a_refusal_is_a_typed_error_and_tells_no_address() {
    use VenueErrorKind::*;
    for (status, body, kind) in [
        ("200 OK", r#"{"retCode":10001,"retMsg":"Symbol Invalid","result":{}}"#, UnknownSymbol),
        ("200 OK", r#"{"retCode":10006,"retMsg":"Too many visits!"}"#, RateLimited),
        ("200 OK", "<html>", Malformed),
        ("403 Forbidden", "", Banned),
    ] {
        let (bybit, _asked) = answering(status, body).await;
        let error = bybit.page(&key(), Slots::new(0, 3)).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{body}");
        assert!(!format!("{error} {error:?}").contains("127.0.0.1"));
    }
}

/// Over a server that hears what is said first, answers, and goes.
async fn telling(messages: &[&str]) -> (Bybit, JoinHandle<Vec<String>>) {
    let (address, heard) = loopback::telling(1, messages.iter().copied()).await;
    (Bybit::new(options().with_feed_address(Market::Linear, address)).unwrap(), heard)
}

const SUBSCRIBED: &str = r#"{"success":true,"ret_msg":"subscribe","conn_id":"1","op":"subscribe"}"#;
const REFUSED: &str =
    r#"{"success":false,"ret_msg":"Invalid symbol :[kline.5.BTCUSDT]","op":"subscribe"}"#;
const GROWING: &str = r#"{"topic":"kline.5.BTCUSDT","data":[{"start":300000,"end":599999,"interval":"5","open":"1","close":"2","high":"3","low":"1","volume":"5","turnover":"10","confirm":false,"timestamp":400000}],"ts":400000,"type":"snapshot"}"#;
const CLOSED: &str = r#"{"topic":"kline.5.BTCUSDT","data":[{"start":300000,"end":599999,"interval":"5","open":"1","close":"2","high":"3","low":"1","volume":"6","turnover":"10","confirm":true,"timestamp":600001}],"ts":600001,"type":"snapshot"}"#;

#[tokio::test]
async fn a_feed_may_be_told_never_to_be_replaced_or_lost() {
    let (address, _said) = loopback::telling(1, [SUBSCRIBED, CLOSED]).await;
    let options = options().with_feed_address(Market::Linear, address);
    let never = Duration::MAX;
    let bybit = options.with_silence_max(never).with_connection_age_max(never);
    let bybit = Bybit::new(bybit).unwrap();
    let mut feed = Venue::<Candle>::feed(&bybit, &key()).await.unwrap();
    assert!(feed.next().await.unwrap().unwrap().closed);
}

#[tokio::test]
async fn a_feed_subscribes_and_tells_once() {
    let (bybit, said) = telling(&[SUBSCRIBED, GROWING, CLOSED, CLOSED]).await;
    let feed = Venue::<Candle>::feed(&bybit, &key()).await.unwrap();
    let heard: Vec<_> = feed.map(|message| message.unwrap()).collect().await;
    assert_eq!(said.await.unwrap(), [r#"{"op":"subscribe","args":["kline.5.BTCUSDT"]}"#]);
    let heard: Vec<_> = heard.iter().map(|it| (it.row.volume, it.closed)).collect();
    assert_eq!(heard, [(5.0, false), (6.0, true)]);
}

#[tokio::test]
async fn a_subscription_that_is_refused_is_an_error() {
    let (bybit, _said) = telling(&[REFUSED]).await;
    let error = Venue::<Candle>::feed(&bybit, &key()).await.err().unwrap();
    assert_eq!(error.kind(), VenueErrorKind::UnknownSymbol);
    // A server that goes without a word.
    let (bybit, _said) = telling(&[]).await;
    let error = Venue::<Candle>::feed(&bybit, &key()).await.err().unwrap();
    assert_eq!(error.kind(), VenueErrorKind::Unavailable);
}
