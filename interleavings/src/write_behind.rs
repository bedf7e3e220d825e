//! What is accepted now and written later, against all that may happen in between.

use std::time::Duration;

use cache_core::error::Retry;
use cache_core::policy::write_behind::WriteBehind;
use cache_core::storage::StorageErrorKind;
use cache_core::testing::Operation;
use shuttle::future::yield_now;

use crate::check::check;
use crate::world::{ITEM, World, all, bytes_of, task, version_of};

const STORAGES: WriteBehind = WriteBehind::to_storages().delay(Duration::ZERO);
const SOURCE: WriteBehind = WriteBehind::to_source().delay(Duration::ZERO);

#[test]
fn another_process_invalidates_what_is_queued() {
    check(|| async {
        let world = World::queueing(STORAGES);
        world.a.accept(1).await;
        all([
            task(&world.a, |a| async move { a.flush().await }),
            task(&world.b, |b| async move { b.change().await }),
            task(&world.b, |b| async move { b.read().await }),
        ])
        .await;
        world.a.flush().await;
        // No messages go to the memory of the first; what all share is what counts.
        world.settle_storages();
        world.b.read().await;
    });
}

#[test]
fn its_own_process_invalidates_what_is_queued() {
    check(|| async {
        let world = World::queueing(STORAGES);
        world.a.accept(1).await;
        all([
            task(&world.a, |a| async move { a.flush().await }),
            task(&world.a, |a| async move {
                a.change().await;
                a.read().await;
            }),
            task(&world.a, |a| async move { a.read().await }),
        ])
        .await;
        world.a.flush().await;
        world.settle().await;
    });
}

/// What is being loaded meanwhile is older, whenever it comes to fill the tiers.
#[test]
fn a_load_that_is_older_does_not_stay() {
    check(|| async {
        let world = World::queueing(STORAGES);
        all([
            task(&world.a, |a| async move { a.read().await }),
            task(&world.a, |a| async move {
                let version = a.source.change();
                a.accept(version).await;
                a.source.promise(version);
                a.read().await;
                a.flush().await;
            }),
        ])
        .await;
        world.settle().await;
    });
}

#[test]
fn newer_values_of_a_key_come_later() {
    check(|| async {
        let world = World::queueing(STORAGES);
        world.a.far.fail_next(Operation::Write, 1, StorageErrorKind::Unavailable);
        world.a.accept(1).await;
        all([
            task(&world.a, |a| async move { a.flush().await }),
            task(&world.a, |a| async move {
                a.accept(2).await;
                a.accept(3).await;
                a.flush().await;
            }),
        ])
        .await;
        world.a.flush().await;
        let stored = world.a.far.stored(&world.a.items.key(&ITEM).expect("a key"));
        assert_eq!(version_of(&stored.expect("an entry").payload), 3);
        assert_eq!(world.a.get().await, 3);
    });
}

/// Nothing is accepted while an invalidation of it has still to land, and what is accepted then is not
/// refused for it.
#[test]
fn an_invalidation_lands_while_something_is_to_be_accepted() {
    check(|| async {
        let world = World::queueing(STORAGES);
        let a = &world.a;
        a.far.fail_next(Operation::Invalidate, 1, StorageErrorKind::Unavailable);
        let accept = task(a, |a| async move {
            assert!(!a.items.invalidate(&ITEM).await.expect("an open cache").is_done());
            while let Err(error) = a.items.write_behind(&ITEM, bytes_of(1)).await {
                assert_eq!(error.retry(), Retry::Later);
                yield_now().await;
            }
            a.flush().await;
        });
        all([accept]).await;
        let stats = a.items.stats().write_behind;
        assert_eq!((stats.written, stats.refused, stats.withdrawn), (1, 0, 0));
    });
}

/// A store arrives, and its answer does not: the tiers are told when it was made again.
#[test]
fn the_source_gets_it_twice() {
    check(|| async {
        let world = World::queueing(SOURCE);
        world.a.source.lose_next_answers(1);
        world.a.accept(5).await;
        all([
            task(&world.b, |b| async move { b.read().await }),
            task(&world.a, |a| async move {
                a.accept(6).await;
                a.flush().await;
                a.source.promise(6);
            }),
        ])
        .await;
        assert_eq!(world.source.now(), 6);
        world.settle().await;
    });
}

#[test]
fn the_source_gets_it_and_nobody_reads_older_ones_then() {
    check(|| async {
        let world = World::queueing(SOURCE);
        world.a.accept(5).await;
        all([
            task(&world.b, |b| async move { b.read().await }),
            task(&world.a, |a| async move {
                assert!(a.get().await >= 5, "it reads its own write");
            }),
            task(&world.a, |a| async move {
                a.flush().await;
                a.source.promise(5);
            }),
        ])
        .await;
        assert_eq!(world.source.now(), 5);
        world.settle().await;
    });
}

#[test]
fn an_invalidation_and_what_is_queued_for_the_source() {
    check(|| async {
        let world = World::queueing(SOURCE);
        world.a.accept(5).await;
        all([
            task(&world.b, |b| async move { b.read().await }),
            task(&world.a, |a| async move {
                assert!(a.items.invalidate(&ITEM).await.expect("an open cache").is_done());
                a.flush().await;
                a.source.promise(5);
            }),
            task(&world.a, |a| async move { a.read().await }),
        ])
        .await;
        world.settle().await;
    });
}
