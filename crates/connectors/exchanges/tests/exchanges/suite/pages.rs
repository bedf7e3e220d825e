use std::time::Duration;

use cache_series::admit::Reach;
use cache_series::time::{Slots, Timeframe};
use cache_series::venue::VenueErrorKind;
use tiers_local_venue::Asked;

use super::world::{Exchange, MINUTE_MS, START_MS, World, at, row_of};

/// The slots of a span of minutes.
fn slots(from: i64, to: i64) -> Slots {
    Slots::new(START_MS / MINUTE_MS + from, START_MS / MINUTE_MS + to)
}

/// An exchange that is asked for a first and a last moment: by this word for minutes, and with a
/// last moment so many milliseconds before the end.
pub(crate) async fn a_call_asks_for_its_slots_and_is_answered_newest_first(
    exchange: &'static Exchange,
    minutes: &str,
    before_end_ms: i64,
) {
    let world = World::start(exchange, |history| history).await;
    let key = exchange.key(Timeframe::Minute1);
    let answer = world.connector.page(&key, slots(7, 12)).await.unwrap();
    let asked = Asked {
        symbol: exchange.listed.to_owned(),
        interval: minutes.to_owned(),
        from_ms: Some(at(7).unix_ms()),
        to_ms: Some(at(12).unix_ms() - before_end_ms),
        limit: Some(5),
    };
    assert_eq!(world.venue.asked(), [asked]);
    let rows: Vec<_> = answer.rows.iter().map(|(time, row)| row_of(*time, row)).collect();
    let newest_first: Vec<_> = world.expected(7, 12).into_iter().rev().collect();
    assert_eq!((rows, answer.reach), (newest_first, Reach::Whole));
    // The longest page that there is.
    let second = slots(0, 1).start / exchange.page_rows + 1;
    let longest = world.connector.paging(&key).unwrap().slots_of(second);
    let answer = world.connector.page(&key, longest).await.unwrap();
    assert_eq!(answer.rows.len() as i64, exchange.page_rows);
    assert_eq!(answer.reach, Reach::Whole);
}

/// At exchanges that answer the growing row with the others, and do not say which it is.
pub(crate) async fn the_row_that_grows_is_among_them(exchange: &'static Exchange) {
    let world = World::start(exchange, |history| history).await;
    world.pass(Duration::from_secs(30));
    let minutes = exchange.minutes;
    let asked = slots(minutes - 10, minutes + 10);
    let key = exchange.key(Timeframe::Minute1);
    let growing = world.connector.page(&key, asked).await.unwrap();
    assert_eq!(growing.rows.len(), 11);
    let (newest, row) = growing.rows.iter().max_by_key(|(time, _)| *time).unwrap();
    assert_eq!(*newest, at(minutes));
    assert_ne!(row_of(*newest, row), world.expected(minutes, minutes + 1)[0]);
}

/// At exchanges that do not say how long, and shut out whoever goes on.
pub(crate) async fn an_allowance_that_is_used_up_says_how_long(exchange: &'static Exchange) {
    let world = World::start(exchange, |history| history).await;
    world.venue.limit_weight(Some(2));
    let key = exchange.key(Timeframe::Minute1);
    let asked = slots(exchange.minutes - 203, exchange.minutes - 200);
    let page = || world.connector.page(&key, asked);
    assert!(page().await.is_ok() && page().await.is_ok());
    let error = page().await.unwrap_err();
    assert_eq!(error.kind(), VenueErrorKind::RateLimited, "{error}");
    assert_eq!(error.retry_after(), Some(exchange.left_alone));
    for _ in 0..10 {
        assert!(page().await.is_err());
    }
    let error = page().await.unwrap_err();
    assert_eq!(error.kind(), VenueErrorKind::Banned, "{error}");
    assert_eq!(error.retry_after(), Some(exchange.shut_out));
    world.venue.set_now(world.venue.now_ms() + 5_000);
    assert!(page().await.is_ok());
}
