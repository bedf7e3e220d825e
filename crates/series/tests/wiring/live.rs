//! Histories that go on: what happens after them, without a gap and without a repeat.

use cache_series::cache::{FeedStatus, SeriesError, Source, Subscription};
use cache_series::request::{Completeness, Request};
use cache_series::row::Candle;
use cache_series::venue::VenueErrorKind;

use crate::venue::{TestVenue, candle};
use crate::world::{NOW, World, at, range, rows};
use cache_series::time::Slots;
use futures_util::StreamExt;

async fn closed(live: &mut Subscription<Candle>, count: usize) -> Vec<(i64, Candle)> {
    let mut rows = Vec::new();
    while rows.len() < count {
        let row = live.next().await.unwrap();
        if row.closed {
            rows.push((row.slot, row.row));
        }
    }
    rows
}

fn plain(slots: std::ops::Range<i64>) -> Vec<(i64, Candle)> {
    slots.map(|slot| (slot, candle(slot))).collect()
}

#[tokio::test]
async fn history_and_updates_join_without_gap_or_repeat() {
    let mut world = World::new(TestVenue::new(NOW - 500..NOW + 100));
    let mut live = world.series().subscribe(Request::last(50)).await.unwrap();
    assert_eq!(rows(live.history().unwrap()), plain(NOW - 50..NOW));
    world.venue.connected().await;
    let growing = Candle::flat(5.0, 1.0);
    world.venue.tell(at(NOW), growing, false);
    let row = live.next().await.unwrap();
    assert_eq!((row.slot, row.row, row.closed, row.time), (NOW, growing, false, at(NOW)));
    assert!(live.history().is_none(), "it is let go");
    assert_eq!(world.series().read(Request::last(2)).await.unwrap().open(), Some((NOW, &growing)));
    world.advance(40);
    // What the history had is not told again.
    world.venue.tell(at(NOW - 1), candle(NOW - 1), true);
    for slot in NOW..NOW + 3 {
        world.venue.tell(at(slot), candle(slot), true);
        assert_eq!(closed(&mut live, 1).await, [(slot, candle(slot))]);
        world.advance(60);
    }
    // What closed is kept; that it can be looked at once more takes nothing away.
    drop(live);
    world.restart();
    world.venue.change(|said| said.outage = Slots::new(0, NOW + 100));
    let read = world.series().read(range(Slots::new(NOW, NOW + 2))).await.unwrap();
    assert_eq!(rows(&read), plain(NOW..NOW + 2));
    assert!(read.rows_from(Source::Database) > 0);
}

#[tokio::test]
async fn what_the_feed_did_not_tell_is_read_in_its_place() {
    let world = World::new(TestVenue::new(NOW - 500..NOW + 100));
    let mut live = world.series().subscribe(Request::last(5)).await.unwrap();
    world.venue.connected().await;
    world.advance(60);
    world.venue.tell(at(NOW), candle(NOW), true);
    assert_eq!(closed(&mut live, 1).await, plain(NOW..NOW + 1));
    world.venue.disconnect();
    while !matches!(live.status(), FeedStatus::Lost { .. }) {
        tokio::task::yield_now().await;
    }
    // Three minutes pass unheard.
    world.advance(200);
    world.venue.connected().await;
    world.venue.tell(at(NOW + 4), candle(NOW + 4), false);
    assert_eq!(closed(&mut live, 3).await, plain(NOW + 1..NOW + 4));
    let row = live.next().await.unwrap();
    assert_eq!((row.slot, row.closed), (NOW + 4, false));
    assert_eq!(world.series().stats().feed_connections, 2);
}

/// The first row after a connection was made again comes at once; the one that closed unheard is not
/// final yet, and is waited for.
#[tokio::test]
async fn a_row_that_has_just_closed_unheard_is_waited_for() {
    let world = World::new(TestVenue::new(NOW - 500..NOW + 100));
    let mut live = world.series().subscribe(Request::last(5)).await.unwrap();
    world.venue.connected().await;
    // Forty seconds to the end of the slot.
    world.advance(41);
    world.venue.tell(at(NOW + 1), candle(NOW + 1), false);
    let clock = world.clock.clone();
    let next = tokio::spawn(async move { (live.next().await.unwrap(), live) });
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
    assert!(!next.is_finished());
    clock.advance(std::time::Duration::from_secs(2));
    let (row, mut live) = next.await.unwrap();
    assert_eq!((row.slot, row.row, row.closed), (NOW, candle(NOW), true));
    assert_eq!(live.next().await.unwrap().slot, NOW + 1);
}

#[tokio::test]
async fn a_subscriber_that_is_far_behind_reads_what_it_missed() {
    let options = crate::world::plain_options().with_updates_max(4);
    let world = World::with(TestVenue::new(NOW - 500..NOW + 100), options);
    let mut live = world.series().subscribe(Request::last(5)).await.unwrap();
    world.venue.connected().await;
    for slot in NOW..NOW + 40 {
        world.advance(60);
        world.venue.tell(at(slot), candle(slot), true);
    }
    while world.series().stats().chunks_stored < 41 {
        tokio::task::yield_now().await;
    }
    assert_eq!(closed(&mut live, 40).await, plain(NOW..NOW + 40));
}

#[tokio::test]
async fn a_failure_between_is_told_and_then_gone_over() {
    let world = World::new(TestVenue::new(NOW - 500..NOW + 100));
    let mut live = world.series().subscribe(Request::last(5)).await.unwrap();
    world.venue.connected().await;
    world.advance(300);
    world.venue.fail_next(1, VenueErrorKind::Unavailable);
    world.venue.tell(at(NOW + 3), candle(NOW + 3), true);
    assert!(live.next().await.is_err());
    world.advance(5);
    assert_eq!(closed(&mut live, 4).await, plain(NOW..NOW + 4));
}

/// What was asked of the history says nothing of rows that were missed: all of them come, and the
/// venue is not asked again and again for them.
#[tokio::test]
async fn what_was_missed_is_read_whole_whatever_the_history_was_asked_with() {
    let world = World::new(TestVenue::new(NOW - 500..NOW + 100));
    let request = Request::last(5).with_completeness(Completeness::BestEffort).with_slots_max(5);
    let mut live = world.series().subscribe(request).await.unwrap();
    world.venue.connected().await;
    world.advance(1_300);
    world.venue.calls();
    world.venue.fail_next(1, VenueErrorKind::Unavailable);
    world.venue.tell(at(NOW + 20), candle(NOW + 20), true);
    assert!(live.next().await.is_err());
    assert_eq!(world.venue.calls().len(), 1);
    let next = tokio::spawn(async move {
        let rows = closed(&mut live, 21).await;
        (rows, live)
    });
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
    assert!(!next.is_finished() && world.venue.calls().is_empty(), "it waits");
    world.advance(1);
    assert_eq!(next.await.unwrap().0, plain(NOW..NOW + 21));
}

#[tokio::test]
async fn a_feed_that_ends_is_told_after_all_that_it_told() {
    let world = World::new(TestVenue::new(NOW - 500..NOW + 100));
    let mut live = world.series().subscribe(Request::last(5)).await.unwrap();
    world.venue.connected().await;
    world.advance(60);
    world.venue.tell(at(NOW), candle(NOW), true);
    world.venue.refuse_feed();
    while !matches!(live.status(), FeedStatus::Ended { .. }) {
        tokio::task::yield_now().await;
    }
    assert_eq!(closed(&mut live, 1).await, plain(NOW..NOW + 1));
    let end = tokio::spawn(async move { live.into_stream().collect::<Vec<_>>().await });
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
    assert!(end.is_finished(), "it waits for ever");
    let end = end.await.unwrap();
    let [Err(SeriesError::Venue { source, .. })] = &end[..] else { panic!("{end:?}") };
    assert_eq!(source.kind(), VenueErrorKind::Refused);
    // Whoever comes later begins another.
    let later = world.series().subscribe(Request::last(5)).await.unwrap();
    assert!(matches!(later.status(), FeedStatus::Connected));
}

#[tokio::test]
async fn a_venue_without_a_feed_says_so() {
    let world = World::new(TestVenue::new(NOW - 500..NOW));
    world.venue.change(|said| said.has_feed = false);
    let error = world.series().subscribe(Request::last(5)).await.unwrap_err();
    let SeriesError::Venue { source, .. } = error else { panic!("{error:?}") };
    assert_eq!(source.kind(), VenueErrorKind::Unsupported);
    let alignment = world.series().grid().alignment();
    let stored = world.cache.stored(world.series().key(), alignment).unwrap();
    assert!(stored.subscribe(Request::last(5)).await.is_err());
}

/// Updates come in while the history is read, some of them of rows that it has.
#[tokio::test]
async fn updates_during_the_history_are_neither_lost_nor_repeated() {
    let world = World::new(TestVenue::new(NOW - 5_000..NOW + 100));
    world.venue.change(|said| said.holds = true);
    let series = world.series();
    let subscribing = tokio::spawn(async move { series.subscribe(Request::last(300)).await });
    world.venue.connected().await;
    while world.venue.look(|said| said.under_way) == 0 {
        tokio::task::yield_now().await;
    }
    for slot in NOW..NOW + 3 {
        world.advance(60);
        world.venue.tell(at(slot), candle(slot), true);
    }
    while world.series().stats().feed_messages < 3 {
        tokio::task::yield_now().await;
    }
    world.venue.release();
    let mut live = subscribing.await.unwrap().unwrap();
    world.advance(60);
    world.venue.tell(at(NOW + 3), candle(NOW + 3), true);
    let mut all = rows(live.history().unwrap());
    let first = all[0].0;
    while all.last().is_some_and(|(slot, _)| *slot < NOW + 3) {
        all.extend(closed(&mut live, 1).await);
    }
    assert_eq!(all, plain(first..NOW + 4));
}

#[tokio::test]
async fn one_connection_serves_all_and_ends_with_the_last() {
    let world = World::new(TestVenue::new(NOW - 500..NOW + 100));
    let first = world.series().subscribe(Request::last(5)).await.unwrap();
    let mut second = world.series().subscribe(Request::last(5)).await.unwrap();
    world.venue.connected().await;
    drop(first);
    world.advance(60);
    world.venue.tell(at(NOW), candle(NOW), true);
    assert_eq!(closed(&mut second, 1).await, plain(NOW..NOW + 1));
    assert_eq!(world.series().stats().feed_connections, 1);
    drop(second);
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
    world.venue.tell(at(NOW + 1), candle(NOW + 1), true);
    assert_eq!(world.series().stats().feed_messages, 1);
}
