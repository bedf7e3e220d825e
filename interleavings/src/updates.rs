//! Updates against updates, invalidations and readers.

use cache_core::source::LoadError;

use crate::check::check;
use crate::world::{
    ITEM, Item, Warm, World, all, bytes_of, only_memory, task, version_of, versions,
};
use cache_core::node::Node;

#[test]
fn two_updates_and_a_reader() {
    check(|| async {
        let world = World::new(Warm::Far).await;
        all([
            task(&world.b, |b| async move { b.read().await }),
            task(&world.a, |a| async move { a.update().await }),
            task(&world.b, |b| async move { b.update().await }),
        ])
        .await;
        // The second process sends no messages to the first one's memory yet.
        world.a.change().await;
        world.settle().await;
    });
}

#[test]
fn two_updates_seen_by_the_storages() {
    check(|| async {
        let world = World::new(Warm::Far).await;
        all([
            task(&world.b, |b| async move { b.read().await }),
            task(&world.b, |b| async move { b.update().await }),
            task(&world.b, |b| async move { b.update().await }),
        ])
        .await;
        world.settle().await;
    });
}

#[test]
fn an_update_and_an_invalidation() {
    check(|| async {
        let world = World::new(Warm::Far).await;
        all([
            task(&world.b, |b| async move { b.read().await }),
            task(&world.a, |a| async move { a.update().await }),
            task(&world.a, |a| async move { a.change().await }),
        ])
        .await;
        world.settle().await;
    });
}

/// Where memory is the only tier, the process fence is what decides.
#[test]
fn two_updates_and_an_invalidation_in_memory_alone() {
    check(|| async {
        let source = versions();
        let (_cache, items) = only_memory(Item::definition(), source.clone());
        let update = task(&(items.clone(), source.clone()), |(items, source)| async move {
            let of = source.clone();
            let change = || async move { Ok::<_, LoadError>(bytes_of(of.change())) };
            let updated = items.update(&ITEM, change).await.expect("an open cache");
            source.promise(version_of(&updated.expect("a value")));
        });
        let second = task(&(items.clone(), source.clone()), |(items, source)| async move {
            let of = source.clone();
            let change = || async move { Ok::<_, LoadError>(bytes_of(of.change())) };
            let updated = items.update(&ITEM, change).await.expect("an open cache");
            source.promise(version_of(&updated.expect("a value")));
        });
        let invalidate = task(&(items.clone(), source.clone()), |(items, source)| async move {
            let version = source.change();
            assert!(items.invalidate(&ITEM).await.expect("an open cache").is_done());
            source.promise(version);
        });
        all([update, second, invalidate]).await;
        let promised = source.promised();
        let got = version_of(&items.get(&ITEM).await.expect("a value"));
        assert!(got >= promised, "given {got} after {promised} was promised");
    });
}

/// Of two sets at the same time one stays; what they cost is not both.
#[test]
fn two_sets_in_memory_alone() {
    check(|| async {
        let source = versions();
        let (_cache, items) = only_memory(Item::definition(), source);
        let set = |version| {
            task(&items, move |items| async move {
                items.set(&ITEM, bytes_of(version)).await.expect("an open cache");
            })
        };
        all([set(8), set(9)]).await;
        let stands = items.peek(&ITEM).await.expect("an open cache").expect("one of them");
        assert!([8, 9].contains(&version_of(&stands)));
    });
}
