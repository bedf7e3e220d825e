//! What stays in memory, what goes, and what is cleared.

use std::time::Duration;

use cache_core::storage::StorageErrorKind;
use cache_core::testing::Operation;
use cache_series::cache::{MemoryBounds, Source};
use cache_series::key::SeriesKey;
use cache_series::request::Request;
use cache_series::store::Scope;
use cache_series::time::{Slots, Timeframe};
use cache_series::venue::Listing;

use crate::venue::TestVenue;
use crate::world::{NOW, World, at, key, plain_options, range};

fn world(memory: MemoryBounds) -> World {
    let world = World::with(TestVenue::new(NOW - 60_000..NOW), plain_options().with_memory(memory));
    world.venue.change(|said| said.page = 1_024);
    world
}

/// Whole chunks, counted back from the newest.
fn chunk(back: i64) -> Slots {
    let index = NOW.div_euclid(1_024) - back;
    Slots::new(index * 1_024, (index + 1) * 1_024)
}

#[tokio::test]
async fn what_was_not_read_for_longest_goes_first() {
    let world = world(MemoryBounds::rows(10_240));
    let series = world.series();
    for back in (1..=10).rev() {
        series.read(range(chunk(back))).await.unwrap();
        world.advance(1);
    }
    assert_eq!(series.stats().memory_rows, 10_240);
    // The oldest is read again, and so the next to it goes.
    series.read(range(chunk(10))).await.unwrap();
    world.advance(1);
    series.read(range(chunk(11))).await.unwrap();
    let stats = series.stats();
    assert!(stats.memory_rows <= 10_240 && stats.chunks_evicted == 2, "{stats:?}");
    world.venue.calls();
    for (back, source) in [(10, Source::Memory), (11, Source::Memory), (9, Source::Database)] {
        let reading = series.read(range(chunk(back))).await.unwrap();
        assert_eq!(reading.rows_from(source), 1_024, "{back}");
    }
    assert_eq!(world.venue.calls(), []);
}

#[tokio::test]
async fn bytes_are_bounded_and_an_answer_holds_what_it_shows() {
    let world = world(MemoryBounds::bytes(200_000));
    let series = world.series();
    let whole = Slots::new(chunk(40).start, chunk(1).end);
    let reading = series.read(range(whole)).await.unwrap();
    assert_eq!(reading.len(), whole.len());
    let stats = world.cache.stats(&Scope::all());
    assert!(stats.memory_bytes <= 200_000 && stats.memory_chunks >= 1, "{stats:?}");
    assert_eq!(reading.view().iter().count() as u64, whole.len());
    // More than all of the bound, again: from the database, and no call.
    world.venue.calls();
    assert_eq!(series.read(range(whole)).await.unwrap().len(), whole.len());
    assert_eq!(world.venue.calls(), []);
}

#[tokio::test]
async fn what_is_idle_goes() {
    let world = world(MemoryBounds::NONE.with_idle(Duration::from_secs(600)));
    let series = world.series();
    series.read(range(chunk(5))).await.unwrap();
    series.read(range(chunk(3))).await.unwrap();
    world.advance(400);
    series.read(range(chunk(3))).await.unwrap();
    world.advance(400);
    assert_eq!(world.cache.sweep(), 1);
    let reading = series.read(range(chunk(3))).await.unwrap();
    assert_eq!(reading.rows_from(Source::Memory), 1_024);
    // A request looks by itself.
    world.advance(3_600);
    series.read(range(chunk(7))).await.unwrap();
    assert_eq!(series.stats().memory_chunks, 1);
}

#[tokio::test]
async fn memory_alone_is_forgotten_and_history_is_cleared_by_what_it_is() {
    let world = world(MemoryBounds::NONE);
    let hours = key().with_timeframe(Timeframe::Hour1);
    let other = SeriesKey::new("test", "ETH/USDT", Timeframe::Minute1).unwrap();
    for key in [&key(), &hours, &other] {
        // The hours' slots have no rows at the venue, which is as good.
        world.cache.series(key).unwrap().read(Request::last(10)).await.ok();
    }
    world.series().read(range(chunk(2))).await.unwrap();
    assert_eq!(world.cache.keys().len(), 3);
    world.venue.calls();
    world.cache.forget(&Scope::all());
    assert_eq!(world.cache.stats(&Scope::all()).memory_rows, 0);
    assert_eq!(
        world.series().read(range(chunk(2))).await.unwrap().rows_from(Source::Database),
        1_024
    );
    let minutes = Scope::all().of_symbol("BTC/USDT").of_timeframe(Timeframe::Minute1);
    let cleared = world.cache.clear(&minutes);
    assert!(cleared.await.unwrap().records > 0);
    assert_eq!(world.venue.calls(), []);
    assert_eq!(world.series().read(range(chunk(2))).await.unwrap().rows_from(Source::Venue), 1_024);
    assert_eq!(world.venue.calls().len(), 1);
    let kept = world.cache.series(&other).unwrap().read(Request::last(10)).await.unwrap();
    assert_eq!((kept.len(), world.venue.calls().len()), (10, 0));
    let totals = world.cache.stats(&Scope::all());
    let of = |scope: Scope| world.cache.stats(&scope);
    let parts = [of(Scope::series(&key())), of(Scope::series(&hours)), of(Scope::series(&other))];
    assert_eq!(totals.page_calls, parts.iter().map(|part| part.page_calls).sum::<u64>());
    assert_eq!(totals.series, 3);
}

/// A fetch that was on its way when the history was cleared brings nothing of before back.
#[tokio::test]
async fn what_is_on_its_way_is_not_kept_after_a_clear() {
    let world = world(MemoryBounds::NONE);
    world.venue.change(|said| said.holds = true);
    let series = world.series();
    let reading = tokio::spawn(async move { series.read(range(chunk(2))).await });
    while world.venue.look(|said| said.under_way) == 0 {
        tokio::task::yield_now().await;
    }
    world.cache.clear(&Scope::all()).await.unwrap();
    world.venue.release();
    // Its reader wants it still, and so asks once more.
    assert_eq!(reading.await.unwrap().unwrap().len(), 1_024);
    assert_eq!(world.venue.calls().len(), 2);
}

/// A bound of the database takes what was not used for longest: what is read from memory is used.
#[tokio::test]
async fn the_database_hears_of_what_is_read_from_memory() {
    let world = world(MemoryBounds::NONE);
    let series = world.series();
    for back in [9, 5, 3] {
        series.read(range(chunk(back))).await.unwrap();
    }
    let read = async |back: i64| {
        let reading = world.series().read(range(chunk(back))).await.unwrap();
        assert_eq!(reading.rows_from(Source::Memory), 1_024);
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
        let calls = world.storage.calls();
        (calls.get, calls.get_many, calls.get_many_keys)
    };
    world.storage.reset_calls();
    for _ in 0..59 {
        world.advance(10);
        read(5).await;
        assert_eq!(read(3).await, (0, 0, 0), "not on the way of a hit");
    }
    world.advance(10);
    // The head, and two chunks of three.
    assert_eq!(read(3).await, (1, 1, 2));
    world.advance(590);
    assert_eq!(read(3).await, (1, 1, 2), "not yet again");
    world.advance(20);
    assert_eq!(read(3).await, (2, 2, 3), "that which is read still");
    // A database that fails is told the next time.
    world.storage.fail_next(Operation::GetMany, 1, StorageErrorKind::Unavailable);
    world.advance(600);
    assert_eq!(read(3).await, (3, 3, 4));
    world.advance(600);
    assert_eq!(read(9).await, (4, 4, 6), "what was read meanwhile too");
}

/// What is on its way was paid for: memory forgets, and the database keeps it.
#[tokio::test]
async fn what_is_on_its_way_is_stored_when_memory_forgets() {
    let mut world = world(MemoryBounds::NONE);
    world.venue.change(|said| said.holds = true);
    let series = world.series();
    let reading = tokio::spawn(async move { series.read(range(chunk(2))).await });
    while world.venue.look(|said| said.under_way) == 0 {
        tokio::task::yield_now().await;
    }
    world.cache.forget(&Scope::all());
    world.venue.release();
    assert_eq!(reading.await.unwrap().unwrap().len(), 1_024);
    world.restart();
    let again = world.series().read(range(chunk(2))).await.unwrap();
    assert_eq!(again.rows_from(Source::Database), 1_024);
    assert_eq!(world.venue.calls().len(), 1);
}

/// A request during which memory forgets reads the head anew: where nothing was traded yet it asks for
/// nothing.
#[tokio::test]
async fn what_is_known_of_the_series_is_read_again_after_memory_has_forgotten() {
    let world = World::new(TestVenue::new(NOW - 5_000..NOW));
    let listing = at(NOW - 5_000);
    world.venue.change(|said| (said.page, said.listing) = (1_024, Listing::since(listing)));
    world.series().read(Request::until(at(NOW - 4_900), None)).await.unwrap();
    world.venue.calls();
    world.venue.change(|said| said.holds = true);
    let series = world.series();
    let slots = Slots::new(NOW - 9_000, NOW - 3_000);
    let reading = tokio::spawn(async move { series.read(range(slots)).await });
    // All of its calls are sent.
    for _ in 0..200 {
        tokio::task::yield_now().await;
    }
    assert!((2..=3).contains(&world.venue.look(|said| said.under_way)));
    world.cache.forget(&Scope::all());
    world.venue.release();
    let reading = reading.await.unwrap().unwrap();
    assert_eq!((reading.len(), reading.report().before_listing), (2_000, 4_000));
    let calls = world.venue.calls();
    assert!(calls.iter().all(|asked| asked.start >= NOW - 5_000), "{calls:?}");
    assert_eq!(world.venue.look(|said| said.listing_calls), 1);
}

/// Two processes over one database: what one has asked for the other need not, although it had looked
/// there before.
#[tokio::test]
async fn what_another_process_has_asked_for_is_found_in_the_database() {
    let one = world(MemoryBounds::NONE);
    let other = one.beside();
    one.series().read(range(chunk(3))).await.unwrap();
    let all = Slots::new(chunk(4).start, chunk(2).end);
    // It has looked for all of them, and found one.
    assert!(one.series().read(range(all).offline()).await.is_err());
    other.series().read(range(all)).await.unwrap();
    assert_eq!(one.venue.calls().len(), 1 + 2, "one of them was there");
    one.advance(5);
    let reading = one.series().read(range(all)).await.unwrap();
    assert_eq!(one.venue.calls(), []);
    assert_eq!(reading.len(), 3 * 1_024);
    assert_eq!(reading.rows_from(Source::Database), 2 * 1_024);
}

/// A history under a prefix of its own is nobody else's to clear.
#[tokio::test]
async fn a_clear_elsewhere_takes_no_history() {
    let world = world(MemoryBounds::NONE);
    world.series().read(range(chunk(2))).await.unwrap();
    let clock = std::sync::Arc::new(world.clock.clone());
    let storage = std::sync::Arc::new(world.storage.clone());
    let cache = cache_series::store::Store::new(storage, clock, "cache").unwrap();
    assert_eq!(cache.clear(&Scope::all()).await.unwrap().records, 0);
    world.cache.forget(&Scope::all());
    world.venue.calls();
    assert_eq!(world.series().read(range(chunk(2))).await.unwrap().len(), 1_024);
    assert_eq!(world.venue.calls(), []);
}
