//! Readers against invalidations: what is promised is kept in every tier and to every caller.

use crate::check::check;
use crate::world::{ITEM, LABEL, Warm, World, all, task};

async fn two_readers(warm: Warm) {
    let world = World::new(warm).await;
    all([
        task(&world.a, |a| async move { a.read().await }),
        task(&world.b, |b| async move { b.read().await }),
        task(&world.a, |a| async move { a.change().await }),
    ])
    .await;
    world.settle().await;
}

#[test]
fn two_readers_cold() {
    check(|| two_readers(Warm::Nothing));
}

#[test]
fn two_readers_far_tier_warm() {
    check(|| two_readers(Warm::Far));
}

#[test]
fn two_readers_all_tiers_warm() {
    check(|| two_readers(Warm::All));
}

#[test]
fn two_invalidations_of_two_processes() {
    check(|| async {
        let world = World::new(Warm::Far).await;
        all([
            task(&world.b, |b| async move { b.read().await }),
            task(&world.a, |a| async move { a.change().await }),
            task(&world.a, |a| async move { a.change().await }),
        ])
        .await;
        world.settle().await;
    });
}

#[test]
fn by_tag_and_by_pattern() {
    check(|| async {
        let world = World::new(Warm::All).await;
        all([
            task(&world.a, |a| async move { a.read().await }),
            task(&world.a, |a| async move {
                let by_tag = a.change_and(|a| async move { a.cache.invalidate_tag(LABEL).await });
                assert!(by_tag.await.is_done());
            }),
            task(&world.a, |a| async move {
                let all = a.change_and(|a| async move { a.items.clear().await });
                assert!(all.await.is_done());
            }),
        ])
        .await;
        world.settle().await;
    });
}

/// A caller that joins a flight takes its value only if nothing was invalidated between the
/// flight's begin and its own arrival.
#[test]
fn a_caller_that_joins_a_flight() {
    check(|| async {
        let world = World::new(Warm::Nothing).await;
        all([
            task(&world.a, |a| async move { a.read().await }),
            task(&world.a, |a| async move { a.read().await }),
            task(&world.a, |a| async move {
                a.change().await;
                a.read().await;
            }),
        ])
        .await;
        world.settle().await;
    });
}

/// A set beats every load that began before it.
#[test]
fn a_set_against_readers() {
    check(|| async {
        let world = World::new(Warm::Far).await;
        all([
            task(&world.a, |a| async move { a.read().await }),
            task(&world.b, |b| async move { b.read().await }),
            task(&world.a, |a| async move {
                let version = a.source.change();
                a.items.set(&ITEM, crate::world::bytes_of(version)).await.expect("stored");
                a.source.promise(version);
                a.read().await;
            }),
        ])
        .await;
        world.settle().await;
    });
}
