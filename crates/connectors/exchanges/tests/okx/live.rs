//! What happens after a history: told by a feed, and read where the feed was lost.

use std::time::Duration;

use cache_series::cache::{FeedStatus, Retry, Subscription};
use cache_series::key::Market;
use cache_series::request::Request;
use cache_series::row::Candle;
use cache_series::time::Time;
use cache_series::venue::{Venue, VenueErrorKind};
use futures_util::StreamExt;
use tokio::time::timeout;

use crate::setup::{
    MINUTE_MS, MINUTES, SPOT, START_MS, SWAP, World, expected, history, key, rows, until,
};

/// The next rows that have closed.
async fn closed(
    world: &World,
    live: &mut Subscription<Candle>,
    count: usize,
) -> Vec<(Time, Candle)> {
    let mut rows = Vec::new();
    let reading = async {
        while rows.len() < count {
            // What has just closed unheard is waited for by the clock.
            let Ok(row) = timeout(Duration::from_millis(20), live.next()).await else {
                world.clock.advance(Duration::from_millis(100));
                world.venue.set_now(world.venue.now_ms() + 100);
                continue;
            };
            let row = row.unwrap();
            if row.closed {
                rows.push((row.time, row.row));
            }
        }
    };
    timeout(Duration::from_secs(30), reading).await.expect("rows close");
    rows
}

#[tokio::test]
async fn a_feed_goes_on_after_the_connection_was_lost() {
    let world = World::of(history()).await;
    let cache = world.cache(Retry::NEVER);
    // Both columns of volume are told by a feed as they are answered.
    for (key, symbol) in [(key(), SPOT), (key().with_market(Market::Linear), SWAP)] {
        let series = cache.series(&key).unwrap();
        let mut live = series.subscribe(Request::last(50)).await.unwrap();
        let now = (world.venue.now_ms() - START_MS) / MINUTE_MS;
        let begun = live.history().unwrap();
        let mut told = rows(begun);
        assert_eq!(told.len(), 50);
        let first = (told[0].0.unix_ms() - START_MS) / MINUTE_MS;
        until(&world, || world.venue.feeds() == 1).await;

        let whole = now + 3;
        world.advance(symbol, whole - (world.venue.now_ms() - START_MS) / MINUTE_MS);
        let missing = usize::try_from(whole - first).unwrap() - told.len();
        told.extend(closed(&world, &mut live, missing).await);
        assert_eq!(told, expected(&history(), first, whole));

        let feeds = world.venue.calls().feeds;
        world.venue.drop_feeds();
        until(&world, || matches!(live.status(), FeedStatus::Lost { .. })).await;
        // Four minutes pass unheard.
        let quiet = 4 * MINUTE_MS;
        world.clock.advance(Duration::from_millis(quiet.unsigned_abs()));
        world.venue.set_now(world.venue.now_ms() + quiet);
        until(&world, || world.venue.calls().feeds == feeds + 1).await;
        world.advance(symbol, 2);
        let end = (world.venue.now_ms() - START_MS) / MINUTE_MS;
        let missing = usize::try_from(end - whole).unwrap();
        told.extend(closed(&world, &mut live, missing).await);
        assert_eq!(told, expected(&history(), first, end), "{symbol}");
        drop(live);
        until(&world, || world.venue.feeds() == 0).await;
    }
    assert!(world.venue.now_ms() < START_MS + 2 * MINUTES * MINUTE_MS);
}

/// The venue's notice that it goes down: another connection is made before it does.
#[tokio::test]
async fn a_server_that_goes_down_is_left_before() {
    let world = World::of(history()).await;
    let mut feed = Venue::<Candle>::feed(&world.okx, &key()).await.unwrap();
    let listening = tokio::spawn(async move { feed.next().await });
    let notice = r#"{"event":"notice","code":"64008","msg":"The connection will soon be closed for a service upgrade. Please reconnect.","connId":"1"}"#;
    world.venue.say(notice);
    until(&world, || world.venue.calls().feeds == 2).await;
    world.advance(SPOT, 3);
    let message = timeout(Duration::from_secs(30), listening).await.unwrap().unwrap();
    assert!(matches!(message, Some(Ok(_))));
}

#[tokio::test]
async fn a_feed_of_what_there_is_not_is_refused() {
    let world = World::of(history()).await;
    let key = cache_series::key::SeriesKey::new("okx", "ETH-USDT", key().timeframe()).unwrap();
    let error = Venue::<Candle>::feed(&world.okx, &key).await.err().unwrap();
    assert_eq!(error.kind(), VenueErrorKind::UnknownSymbol);
    world.venue.refuse_feeds(Some(503));
    let error = Venue::<Candle>::feed(&world.okx, &key).await.err().unwrap();
    assert_eq!(error.kind(), VenueErrorKind::Unavailable);
}
