//! Single flight: one load for all, all_landed, and a refresh that is newer than its caller.

use cache_core::node::Node;
use futures_util::future::FutureExt;

use crate::check::check;
use crate::world::{
    ITEM, Item, Warm, World, all, all_landed, only_memory, task, version_of, versions,
};

#[test]
fn one_load_answers_all_who_come() {
    check(|| async {
        let source = versions();
        let (cache, items) = only_memory(Item::definition(), source.clone());
        let read = || {
            task(&items, |items| async move {
                assert_eq!(version_of(&items.get(&ITEM).await.expect("a value")), 1);
            })
        };
        let read_many = task(&items, |items| async move {
            for value in items.get_many(&[Item(2), ITEM]).await {
                assert_eq!(version_of(&value.expect("a value")), 1);
            }
        });
        all([read(), read(), read_many]).await;
        assert_eq!(source.loads(), 2, "one for each item");
        all_landed(&cache).await;
    });
}

/// What a refresh gives was loaded after it was called, whoever else refreshes.
#[test]
fn a_refresh_is_newer_than_its_caller() {
    check(|| async {
        let world = World::new(Warm::All).await;
        let refresh = || {
            task(&world.a, |a| async move {
                let version = a.source.change();
                let refreshed = a.items.refresh(&ITEM).await.expect("a value");
                let got = version_of(&refreshed);
                assert!(got >= version, "given {got}, asked for after {version}");
            })
        };
        let read = task(&world.a, |a| async move { a.get().map(drop).await });
        all([refresh(), refresh(), read]).await;
        all_landed(&world.a.cache).await;
    });
}

/// A refresh against an invalidation keeps the promise like any other load.
#[test]
fn a_refresh_against_an_invalidation() {
    check(|| async {
        let world = World::new(Warm::All).await;
        all([
            task(&world.a, |a| async move { a.items.refresh(&ITEM).map(drop).await }),
            task(&world.a, |a| async move { a.change().await }),
            task(&world.b, |b| async move { b.read().await }),
        ])
        .await;
        world.settle().await;
    });
}
