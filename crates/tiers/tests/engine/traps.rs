//! Faults that other caches had, where no other test shows that they are absent here; the rest bear
//! the same numbers (`docs/consistency.md`) and stand beside what they belong to.

use std::sync::Arc;
use std::time::Duration;

use tiers::backplane::InProcessLog;
use tiers::clock::ManualClock;
use tiers::prelude::*;
use tiers::sqlite::SqliteOptions;
use tiers::storage::Storage as _;

use crate::support::{User, UserNode, Versions, World, memory, on_sqlite, user, within};

/// A tag lives as long as the longest of its bearers, whoever of them came last.
#[tokio::test]
async fn trap_03_a_tag_outlives_its_last_short_bearer() {
    let world = World::new();
    let cache = world.cache_without_memory().await;
    let users = cache.bind_as::<UserNode>(on_sqlite(), Versions::new()).expect("binds");
    let set = async |id, ttl| {
        let options = SetOptions::new().ttl(Duration::from_secs(ttl));
        users.set_with(&user(id), User { id, version: 1 }, options).await.expect("sets");
    };
    set(1, 500).await;
    set(2, 1).await;
    world.pass(Duration::from_secs(2));
    // The short one goes, and with it what was kept for it alone.
    world.sqlite().await.maintain(tiers::storage::Budget::UNLIMITED).await.expect("cleans up");
    assert!(!users.contains(&user(2)).await.expect("looks"));
    assert!(users.contains(&user(1)).await.expect("looks"));
    let done = cache.invalidate_tag("users").await.expect("invalidates");
    assert!(done.is_done());
    assert!(!users.contains(&user(1)).await.expect("looks"), "no tag has found it");
}

/// What is older is told by the storage's counter, however far the clocks of processes are apart.
#[tokio::test]
async fn trap_07_clocks_that_differ_let_nothing_old_back() {
    for (here_ahead, there_ahead) in [(0, 300), (300, 0)] {
        let world = World::new();
        let at = async |ahead: u64| {
            let clock = ManualClock::new();
            clock.advance(Duration::from_secs(ahead));
            let options = SqliteOptions::new(world.path()).clock(Arc::new(clock.clone()));
            let storage = options.open().await.expect("the file opens");
            let cache = Cache::builder().clock(Arc::new(clock)).storage("sqlite", storage);
            cache.build().expect("a valid cache")
        };
        let source = Versions::new();
        let (here, there) = (at(here_ahead).await, at(there_ahead).await);
        let users = here.bind_as::<UserNode>(on_sqlite(), source.clone()).expect("binds");
        let others = there.bind_as::<UserNode>(on_sqlite(), source.clone()).expect("binds");
        source.hold();
        let load = tokio::spawn({
            let users = users.clone();
            async move { users.get(&user(1)).await }
        });
        source.until_loads(1).await;
        let version = source.change();
        assert!(there.invalidate_tag("users").await.expect("invalidates").is_done());
        source.release();
        within(load).await.expect("no panic").expect("loads");
        for (name, handle) in [("there", &others), ("here", &users), ("there again", &others)] {
            let found = handle.get(&user(1)).await.expect("loads");
            assert_eq!(found.version, version, "{name}, {here_ahead} s and {there_ahead} s ahead");
        }
    }
}

/// Without a shared storage, loads of one process leave the copies of others alone.
#[tokio::test]
async fn trap_10_loads_are_not_told() {
    let log = InProcessLog::new();
    let source = Versions::new();
    let process = async || {
        let builder = Cache::builder().storage("memory", memory()).backplane(log.clone());
        let cache = builder.build().expect("a valid cache");
        within(cache.backplane_joined()).await;
        let definition = UserNode::definition().tiers([TierDefinition::new("memory")]);
        (cache.bind_as::<UserNode>(definition, source.clone()).expect("binds"), cache)
    };
    let ((a, here), (b, there)) = (process().await, process().await);
    for users in [&a, &b] {
        users.get(&user(1)).await.expect("loads");
    }
    // A change of something else shows that all that was told has been heard.
    for (users, other, cache) in [(&a, &b, &there), (&b, &a, &here)] {
        other.get(&user(2)).await.expect("loads");
        let _ = users.invalidate(&user(2)).await.expect("invalidates");
        within(async {
            while other.contains(&user(2)).await.expect("looks") {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        })
        .await;
        assert!(cache.stats().await.backplane.is_some());
        assert!(other.contains(&user(1)).await.expect("looks"), "a load drove a copy out");
    }
    assert_eq!(source.loads(), 4);
}
