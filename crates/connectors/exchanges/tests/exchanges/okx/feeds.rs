//! Feeds, without a cache between.

use std::time::Duration;

use cache_series::key::Market;
use cache_series::venue::VenueErrorKind;
use futures_util::StreamExt;
use tiers_local_venue::Interval;
use tokio::time::timeout;

use super::setup::{SPOT, key_of};
use crate::suite::{World, row_of, until};

#[tokio::test]
async fn rows_are_told_of_as_they_are_answered() {
    let world = World::start(&SPOT, |history| history).await;
    let mut feed = world.connector.feed(&key_of(Market::Spot, "btcusdt")).await.unwrap();
    for _ in 0..20 {
        world.go_on(Interval::MINUTE);
    }
    world.venue.close_feeds();
    let (mut closed, mut grown) = (Vec::new(), 0);
    while let Some(message) = timeout(Duration::from_secs(30), feed.next()).await.unwrap() {
        let message = message.unwrap();
        if message.closed {
            closed.push(row_of(message.time, &message.row));
        } else {
            grown += 1;
        }
    }
    let first = SPOT.minutes;
    assert_eq!(closed, world.expected(first, first + 20));
    assert_eq!(grown, 20);
}

/// The venue's notice that it goes down: another connection is made before it does.
#[tokio::test]
async fn a_server_that_goes_down_is_left_before() {
    let world = World::start(&SPOT, |history| history).await;
    let mut feed = world.connector.feed(&key_of(Market::Spot, "BTC-USDT")).await.unwrap();
    let listening = tokio::spawn(async move { feed.next().await });
    let notice = r#"{"event":"notice","code":"64008","msg":"The connection will soon be closed for a service upgrade. Please reconnect.","connId":"1"}"#;
    world.venue.say(notice);
    until("another connection", || world.venue.calls().feeds == 2).await;
    world.go_on(Interval::MINUTE);
    let message = timeout(Duration::from_secs(30), listening).await.unwrap().unwrap();
    assert!(matches!(message, Some(Ok(_))));
}

#[tokio::test]
async fn a_feed_of_what_there_is_not_is_refused() {
    let world = World::start(&SPOT, |history| history).await;
    let unknown = key_of(Market::Spot, "ETH-USDT");
    let error = world.connector.feed(&unknown).await.err().unwrap();
    assert_eq!(error.kind(), VenueErrorKind::UnknownSymbol);
    assert!(error.message().contains("60018"), "{error}");
    world.venue.refuse_feeds(Some(503));
    let error = world.connector.feed(&unknown).await.err().unwrap();
    assert_eq!(error.kind(), VenueErrorKind::Unavailable);
}
