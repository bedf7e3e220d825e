use std::time::Duration;

use cache_exchanges::binance::Binance;
use cache_series::row::Candle;
use cache_series::time::Timeframe;
use cache_series::venue::{FeedMessage, FeedStream, Venue, VenueErrorKind};
use futures_util::StreamExt;
use tiers_local_venue::{Interval, LocalVenue};
use tokio::time::timeout;

use super::setup::{MINUTE_MS, key, options, venue};

/// The next message; a test that waits for what does not come ends.
async fn next(
    feed: &mut FeedStream<Candle>,
) -> Option<Result<FeedMessage<Candle>, VenueErrorKind>> {
    let message = timeout(Duration::from_secs(30), feed.next()).await.expect("a message");
    message.map(|message| message.map_err(|error| error.kind()))
}

/// Waits until something of the venue's is so.
async fn until(mut so: impl FnMut() -> bool) {
    let waiting = async {
        while !so() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(Duration::from_secs(30), waiting).await.expect("it becomes so");
}

fn advance(venue: &LocalVenue, minutes: i64) {
    venue.advance("BTCUSDT", Interval::MINUTE, venue.now_ms() + minutes * MINUTE_MS);
}

#[tokio::test]
async fn rows_are_told_of_as_they_grow_and_close() {
    let (venue, binance) = venue().await;
    let mut feed = binance.feed(&key(Timeframe::Minute1)).await.unwrap();
    let start = venue.now_ms();
    // Far enough for every row to be known afterwards, with those without a trade left out.
    advance(&venue, 30);
    venue.close_feeds();
    let (mut closed, mut grown) = (Vec::new(), 0);
    while let Some(message) = next(&mut feed).await {
        let message = message.unwrap();
        if message.closed { closed.push((message.time, message.row)) } else { grown += 1 }
    }
    let first = start / MINUTE_MS;
    let asked = cache_series::time::Slots::new(first, first + 30);
    let answer = binance.page(&key(Timeframe::Minute1), asked).await.unwrap();
    assert!(closed.len() >= 20, "{}", closed.len());
    assert_eq!(closed, answer.rows, "what is told is what is answered");
    assert!(grown <= 1);
}

#[tokio::test]
async fn pings_are_answered() {
    let (venue, binance) = venue().await;
    let mut feed = binance.feed(&key(Timeframe::Minute1)).await.unwrap();
    let listening = tokio::spawn(async move { next(&mut feed).await.is_none() });
    for pongs in 1..=3 {
        venue.ping_feeds();
        until(|| venue.calls().pongs == pongs).await;
    }
    venue.close_feeds();
    assert!(listening.await.unwrap());
}

#[tokio::test]
async fn a_lost_connection_ends_the_feed() {
    let (venue, binance) = venue().await;
    let key = key(Timeframe::Minute1);
    let mut feed = binance.feed(&key).await.unwrap();
    venue.drop_feeds();
    assert_eq!(next(&mut feed).await, Some(Err(VenueErrorKind::Unavailable)));
    assert_eq!(next(&mut feed).await, None, "an error is the last there is");

    let mut feed = binance.feed(&key).await.unwrap();
    venue.say("{\"e\":\"kline\",\"k\":{\"t\":");
    assert_eq!(next(&mut feed).await, Some(Err(VenueErrorKind::Malformed)));
    assert_eq!(next(&mut feed).await, None);

    let options = options(&venue).with_silence_max(Duration::from_millis(50));
    let impatient = Binance::new(options).unwrap();
    let mut feed = impatient.feed(&key).await.unwrap();
    assert_eq!(next(&mut feed).await, Some(Err(VenueErrorKind::Timeout)));
}

#[tokio::test]
async fn a_feed_that_is_refused_says_why() {
    let (venue, binance) = venue().await;
    let key = key(Timeframe::Minute1);
    for (status, kind) in [
        (429, VenueErrorKind::RateLimited),
        (503, VenueErrorKind::Unavailable),
        (403, VenueErrorKind::Banned),
    ] {
        venue.refuse_feeds(Some(status));
        let Err(error) = binance.feed(&key).await else { panic!("{status} is no feed") };
        assert_eq!(error.kind(), kind);
    }
    venue.refuse_feeds(None);
    assert!(binance.feed(&key).await.is_ok());
}

/// A connection is replaced before the venue ends it, and nothing is lost or told twice.
#[tokio::test]
async fn a_connection_that_is_too_old_is_replaced_without_a_gap() {
    let (venue, _) = venue().await;
    let options = options(&venue).with_connection_age_max(Duration::from_millis(20));
    let binance = Binance::new(options).unwrap();
    let key = key(Timeframe::Minute1);
    let start = venue.now_ms();
    let mut feed = binance.feed(&key).await.unwrap();
    let listening = tokio::spawn(async move {
        let mut closed = Vec::new();
        while let Some(Ok(message)) = feed.next().await {
            if message.closed {
                closed.push((message.time, message.row));
            }
        }
        closed
    });
    let mut told = 0;
    for feeds in 1..=5 {
        until(|| venue.calls().feeds >= feeds).await;
        advance(&venue, 5);
        told += 5;
    }
    // All of them at once, so that none is replaced by another.
    venue.refuse_feeds(Some(503));
    tokio::time::sleep(Duration::from_millis(100)).await;
    venue.close_feeds();
    let closed = timeout(Duration::from_secs(30), listening).await.unwrap().unwrap();
    let first = start / MINUTE_MS;
    let asked = cache_series::time::Slots::new(first, first + told);
    let answer = binance.page(&key, asked).await.unwrap();
    assert_eq!(closed, answer.rows);
}

#[tokio::test]
async fn a_server_that_goes_down_is_left_before() {
    let (venue, binance) = venue().await;
    let mut feed = binance.feed(&key(Timeframe::Minute1)).await.unwrap();
    let listening = tokio::spawn(async move { next(&mut feed).await });
    venue.say(r#"{"e":"serverShutdown","E":1770123456789}"#);
    until(|| venue.calls().feeds == 2).await;
    advance(&venue, 3);
    assert!(matches!(listening.await.unwrap(), Some(Ok(_))));
}
