//! What is accepted now and written later, against all that may happen in between.

use std::time::Duration;

use cache_core::policy::write_behind::WriteBehind;
use cache_core::storage::StorageErrorKind;
use cache_core::testing::Operation;

use crate::check::check;
use crate::world::{ITEM, World, all, task, version_of};

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
