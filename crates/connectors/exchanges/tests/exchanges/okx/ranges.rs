//! Ranges through the cache: over the border of what is held newest, with holes, before the listing.

use std::sync::Arc;
use std::time::Duration;

use cache_series::cache::Retry;

use super::setup::{MINUTES, SPOT, okx};
use crate::suite::{World, at, range, rows, until};

/// Pages that begin 1,200 minutes ago or later are asked for where only 1,440 are held, and older
/// ones of the history: each once, wherever the border lies in a page.
#[tokio::test]
async fn a_range_over_the_border_is_read_whole_and_once() {
    for minutes_later in [0i64, 37, 299] {
        let mut world = World::start(&SPOT, |history| history).await;
        world.pass(Duration::from_secs(60 * minutes_later.unsigned_abs()));
        world.connector = Arc::new(okx(&world.venue));
        let now = MINUTES + minutes_later;
        let (from, to) = (now - 2_000, now - 10);
        let reading = world.minutes(Retry::NEVER).read(range(from, to)).await.unwrap();
        assert_eq!(rows(&reading), world.expected(from, to), "{minutes_later}");
        assert_eq!(world.venue.calls().klines, world.pages(from, to), "{minutes_later}");
    }
}

/// A time in which the exchange stood still is known as such, wherever it lies, and not asked for
/// again.
#[tokio::test]
async fn holes_of_history_and_newest_are_known() {
    let holes = [(3_000, 3_100), (3_900, 3_950), (4_440, 4_460)];
    let world = World::start(&SPOT, |history| {
        holes.iter().fold(history, |history, (from, to)| {
            history.without(at(*from).unix_ms(), at(*to).unix_ms())
        })
    })
    .await;
    let series = world.minutes(Retry::NEVER);
    // What lies before the last one is known by then: nobody asks whether that was the listing.
    series.read(range(2_940, 4_400)).await.unwrap();
    let reading = series.read(range(2_940, 4_980)).await.unwrap();
    assert_eq!(rows(&reading), world.expected(2_940, 4_980));
    assert_eq!(reading.len(), 2_040 - 100 - 50 - 20);
    // A page of the newest begins with the last hole, which might be held no more: it is asked for by
    // itself.
    let calls = world.pages(2_940, 4_980) + 1;
    assert_eq!(world.venue.calls().klines, calls);
    let again = world.minutes(Retry::NEVER).read(range(2_940, 4_980)).await.unwrap();
    assert_eq!(again.len(), 1_870);
    assert_eq!(world.venue.calls().klines, calls);
}

/// Bug 6 of the model: what lies before the listing was asked for again for ever.
#[tokio::test]
async fn bug_6_what_lies_before_the_first_month_is_not_asked_for() {
    let world = World::start(&SPOT, |history| history).await;
    let series = world.minutes(Retry::NEVER);
    let reader = series.clone();
    let reading = tokio::spawn(async move { reader.read(range(-30_000, 600)).await.unwrap() });
    until("more calls than the exchange allows at once", || {
        world.pass(Duration::from_millis(100));
        reading.is_finished()
    })
    .await;
    assert_eq!(rows(&reading.await.unwrap()), world.expected(0, 600));
    let listing = series.listing().await.unwrap();
    // The first of November.
    assert_eq!(listing.first.map(|first| first.unix_ms()), Some(1_698_796_800_000));
    let calls = world.venue.calls();
    series.read(range(-200_000, 600)).await.unwrap();
    assert_eq!(world.venue.calls(), calls, "it is known that there is nothing");
}
