use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use cache_series::cache::{FeedStatus, LiveRow, Retry, Subscription};
use cache_series::request::Request;
use cache_series::row::Candle;
use cache_series::venue::VenueErrorKind;
use tiers_local_venue::Interval;

use super::world::{Exchange, START_MS, World, row_of, until};

/// How many candles are heard, unheard while the connection is lost, and heard again.
const HEARD: i64 = 6;
const UNHEARD: i64 = 4;
const HEARD_AGAIN: i64 = 5;

/// Bug 11 of the model: after a lost connection nobody listened any more, and what had happened
/// meanwhile was never asked for.
pub(crate) async fn bug_11_a_feed_goes_on_after_a_lost_connection(exchange: &'static Exchange) {
    let world = World::start(exchange, |history| history).await;
    let (timeframe, word) = exchange.feed;
    let interval = Interval::named(word).unwrap();
    let length_ms = interval.next_after(START_MS) - START_MS;
    let series = world.cache(Retry::NEVER).series(&exchange.key(timeframe)).unwrap();
    // The middle of a candle, so that the one before is final.
    let begin_ms = interval.start_of(world.venue.now_ms());
    world.pass(Duration::from_millis((length_ms / 2).unsigned_abs()));
    let subscription = series.subscribe(Request::last(20)).await.unwrap();
    assert_eq!(subscription.history().unwrap().len(), 20);
    until("the feed to be there", || world.venue.feeds() == 1).await;

    let newest = Arc::new(AtomicI64::new(i64::MIN));
    let end_ms = begin_ms + (HEARD + UNHEARD + HEARD_AGAIN) * length_ms;
    let last_ms = end_ms - length_ms;
    let listening = tokio::spawn(listen(subscription, last_ms, Arc::clone(&newest)));
    for _ in 0..HEARD {
        world.go_on(interval);
    }
    let heard_ms = begin_ms + (HEARD - 1) * length_ms;
    until("the feed to be heard", || newest.load(Ordering::Acquire) >= heard_ms).await;

    world.venue.drop_feeds();
    until("the feed to be lost", || world.venue.feeds() == 0).await;
    // Time goes on in steps, in which the cache connects again; nothing is told in them.
    let target_ms = begin_ms + (HEARD + UNHEARD) * length_ms;
    let step = Duration::from_millis((length_ms / 12).unsigned_abs());
    while world.venue.now_ms() + length_ms / 12 < target_ms {
        world.pass(step);
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    // Until its pause is over, however late that began.
    until("the feed to be found again", || {
        world.pass(Duration::from_millis(5));
        world.venue.feeds() == 1
    })
    .await;
    while world.venue.now_ms() < end_ms {
        world.go_on(interval);
    }
    // What the feed did not tell is final after a while, and is read.
    until("what was not heard to be read", || {
        world.pass(Duration::from_millis(200));
        listening.is_finished()
    })
    .await;
    let told = listening.await.unwrap();
    // More than one where a connection took longer than the cache's clock lets it, which runs fast here.
    assert!(world.venue.calls().feeds >= 2);
    let told: Vec<_> = told.iter().map(|live| row_of(live.time, &live.row)).collect();
    let answer = series.read(Request::range(
        cache_series::time::Time::from_unix_ms(begin_ms),
        cache_series::time::Time::from_unix_ms(end_ms),
    ));
    let answer = super::world::rows(&answer.await.unwrap());
    assert_eq!(told, answer, "every row once and in order");
    assert_eq!(told.len() as i64, HEARD + UNHEARD + HEARD_AGAIN);
    let minutes = (begin_ms - START_MS) / 60_000..(end_ms - START_MS) / 60_000;
    if length_ms == 60_000 {
        assert_eq!(told, world.expected(minutes.start, minutes.end));
    }
}

/// Whoever was shut out connected again at once, and was shut out for longer.
pub(crate) async fn a_feed_that_is_shut_out_waits(exchange: &'static Exchange) {
    let world = World::start(exchange, |history| history).await;
    world.venue.refuse_feeds(Some(403));
    let series = world.cache(Retry::NEVER).series(&exchange.key(exchange.feed.0)).unwrap();
    let subscription = series.subscribe(Request::last(1)).await.unwrap();
    let FeedStatus::Lost { error: Some(error) } = subscription.status() else {
        panic!("it is not lost: {:?}", subscription.status())
    };
    assert_eq!(error.kind(), VenueErrorKind::Banned, "{error}");
    assert_eq!(error.retry_after(), Some(exchange.shut_out));
    world.venue.refuse_feeds(None);
    world.pass(exchange.shut_out - Duration::from_secs(1));
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(world.venue.calls().feeds, 0, "it waits");
    until("the feed to be there", || {
        world.pass(Duration::from_secs(1));
        world.venue.feeds() == 1
    })
    .await;
}

/// Rows that close, up to the one that begins at `last_ms`.
async fn listen(
    mut subscription: Subscription<Candle>,
    last_ms: i64,
    newest: Arc<AtomicI64>,
) -> Vec<LiveRow<Candle>> {
    let mut rows = Vec::new();
    loop {
        let row = subscription.next().await.unwrap();
        if row.closed {
            let at_ms = row.time.unix_ms();
            newest.store(at_ms, Ordering::Release);
            rows.push(row);
            if at_ms >= last_ms {
                return rows;
            }
        }
    }
}
