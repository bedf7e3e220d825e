//! I2: after an invalidation has returned, nothing older is stored or served.

use std::sync::Arc;
use std::time::Duration;

use tiers::prelude::*;
use tokio::task::JoinHandle;

use crate::support::{User, UserNode, Versions, World, on_sqlite, user, within};

type Answer = Result<Arc<User>, Error>;

/// Begins a load of version 1 and holds it after it has read its value.
async fn load_in_flight(users: &Handle<UserNode>, source: &Versions) -> JoinHandle<Answer> {
    source.hold();
    let users = users.clone();
    let load = tokio::spawn(async move { users.get(&user(1)).await });
    source.until_loads(1).await;
    load
}

/// Whatever names the node, a load from before it is stored nowhere: not in memory, not in the
/// file, from where another process would read it.
#[tokio::test]
async fn trap_01_a_load_from_before_an_invalidation_is_stored_nowhere() {
    for way in [
        "key",
        "many",
        "expire",
        "tag",
        "any",
        "all",
        "pattern",
        "type pattern",
        "clear",
        "clear type",
    ] {
        let world = World::new();
        let source = Versions::new();
        let cache = world.cache().await;
        let users = cache.bind::<UserNode>(source.clone()).expect("binds");
        let load = load_in_flight(&users, &source).await;
        source.change();
        let done = match way {
            "key" => users.invalidate(&user(1)).await,
            "many" => users.invalidate_many(&[user(1), user(2)]).await,
            "expire" => users.expire(&user(1)).await,
            "tag" => cache.invalidate_tag("users").await,
            "any" => cache.invalidate_any_tag(["nobody", "user:1"]).await,
            "all" => cache.invalidate_all_tags(["users", "user:1"]).await,
            "pattern" => cache.invalidate_pattern("user:*").await,
            "type pattern" => users.invalidate_pattern("user:?").await,
            "clear" => cache.clear().await,
            _ => users.clear().await,
        };
        assert!(done.expect("invalidates").is_done(), "{way}");
        source.release();
        let early = within(load).await.expect("no panic").expect("loads");
        assert_eq!(early.version, 1, "{way}: who asked before is served what was there");
        let other = world.cache_without_memory().await;
        let other = other.bind_as::<UserNode>(on_sqlite(), source.clone()).expect("binds");
        assert!(other.peek(&user(1)).await.expect("looks").is_none(), "{way}: stored in the file");
        assert_eq!(
            users.get(&user(1)).await.expect("loads").version,
            2,
            "{way}: served from memory"
        );
        assert_eq!(users.stats().tier("memory").expect("a tier").fills_refused, 1, "{way}");
        assert_eq!(users.stats().tier("sqlite").expect("a tier").fills_refused, 1, "{way}");
    }
}

#[tokio::test]
async fn a_caller_that_arrives_after_an_invalidation_is_not_given_an_older_load() {
    let world = World::new();
    let source = Versions::new();
    let cache = world.cache().await;
    let users = cache.bind::<UserNode>(source.clone()).expect("binds");
    let early = load_in_flight(&users, &source).await;
    source.change();
    assert!(cache.invalidate_tag("users").await.expect("invalidates").is_done());
    let late = tokio::spawn({
        let users = users.clone();
        async move { users.get(&user(1)).await }
    });
    let late_many = tokio::spawn({
        let users = users.clone();
        async move { users.get_many(&[user(1)]).await }
    });
    tokio::time::sleep(Duration::from_millis(5)).await;
    source.release();
    assert_eq!(within(early).await.expect("no panic").expect("loads").version, 1);
    assert_eq!(within(late).await.expect("no panic").expect("loads").version, 2);
    let many = within(late_many).await.expect("no panic");
    assert_eq!(many[0].as_ref().expect("loads").version, 2);
}

/// Two caches on one file stand for two processes: one loads, the other invalidates.
#[tokio::test]
async fn an_invalidation_by_another_process_keeps_a_load_out_of_the_file() {
    let world = World::new();
    let source = Versions::new();
    let cache = world.cache_without_memory().await;
    let users = cache.bind_as::<UserNode>(on_sqlite(), source.clone()).expect("binds");
    let other = world.cache_without_memory().await;
    let others = other.bind_as::<UserNode>(on_sqlite(), source.clone()).expect("binds");
    let load = load_in_flight(&users, &source).await;
    source.change();
    assert!(other.invalidate_tag("user:1").await.expect("invalidates").is_done());
    source.release();
    within(load).await.expect("no panic").expect("loads");
    assert!(others.peek(&user(1)).await.expect("looks").is_none());
    assert_eq!(others.get(&user(1)).await.expect("loads").version, 2);
    assert_eq!(users.get(&user(1)).await.expect("is there").version, 2);
}

#[tokio::test]
async fn a_value_that_was_set_beats_a_load_that_began_before() {
    let world = World::new();
    let source = Versions::new();
    let users = world.cache().await.bind::<UserNode>(source.clone()).expect("binds");
    let load = load_in_flight(&users, &source).await;
    users.set(&user(1), User { id: 1, version: 50 }).await.expect("sets");
    source.release();
    within(load).await.expect("no panic").expect("loads");
    assert_eq!(users.get(&user(1)).await.expect("is there").version, 50);
    let other = world.cache_without_memory().await;
    let other = other.bind_as::<UserNode>(on_sqlite(), source.clone()).expect("binds");
    assert_eq!(other.get(&user(1)).await.expect("is there").version, 50);
    assert_eq!(source.loads(), 1);
}

/// Setting one node refuses no load of another that bears the same tag.
#[tokio::test]
async fn a_value_that_was_set_keeps_out_no_load_of_another_node() {
    let world = World::new();
    let source = Versions::new();
    let users = world.cache().await.bind::<UserNode>(source.clone()).expect("binds");
    let load = load_in_flight(&users, &source).await;
    users.set(&user(2), User { id: 2, version: 50 }).await.expect("sets");
    source.release();
    within(load).await.expect("no panic").expect("loads");
    assert_eq!(users.stats().tier("memory").expect("a tier").fills_refused, 0);
    assert_eq!(users.stats().tier("sqlite").expect("a tier").fills_refused, 0);
}

#[tokio::test]
async fn a_refresh_does_not_take_what_a_load_from_before_it_brings() {
    let world = World::new();
    let source = Versions::new();
    let users = world.cache().await.bind::<UserNode>(source.clone()).expect("binds");
    let load = load_in_flight(&users, &source).await;
    source.change();
    let refreshed = tokio::spawn({
        let users = users.clone();
        async move { users.refresh(&user(1)).await }
    });
    source.until_loads(2).await;
    source.release();
    within(load).await.expect("no panic").expect("loads");
    assert_eq!(within(refreshed).await.expect("no panic").expect("loads").version, 2);
}

/// A load that began before a refresh and ends after it does not take its place.
#[tokio::test]
async fn a_refresh_is_not_undone_by_an_older_load() {
    let world = World::new();
    let source = Versions::new();
    let users = world.cache().await.bind::<UserNode>(source.clone()).expect("binds");
    let (begun, has_begun) = tokio::sync::oneshot::channel();
    let (end, may_end) = tokio::sync::oneshot::channel::<()>();
    let older = tokio::spawn({
        let users = users.clone();
        async move {
            let load = move || async move {
                begun.send(()).expect("the test waits");
                may_end.await.expect("the test lets it");
                Ok::<_, LoadError>(User { id: 1, version: 1 })
            };
            users.get_with(&user(1), load).await
        }
    });
    has_begun.await.expect("the load begins");
    let version = source.change();
    assert_eq!(users.refresh(&user(1)).await.expect("loads").version, version);
    end.send(()).expect("the load waits");
    within(older).await.expect("no panic").expect("loads");
    assert_eq!(users.get(&user(1)).await.expect("is there").version, version);
    let other = world.cache_without_memory().await;
    let other = other.bind_as::<UserNode>(on_sqlite(), source.clone()).expect("binds");
    assert_eq!(other.get(&user(1)).await.expect("is there").version, version);
    assert_eq!(source.loads(), 1);
}

#[tokio::test]
async fn an_update_is_stored_unless_something_came_in_between() {
    let world = World::new();
    let source = Versions::new();
    let cache = world.cache().await;
    let users = cache.bind::<UserNode>(source.clone()).expect("binds");
    users.get(&user(1)).await.expect("loads");

    let changing = source.clone();
    let updated = users
        .update(&user(1), move || async move {
            Ok::<_, LoadError>(User { id: 1, version: changing.change() })
        })
        .await
        .expect("updates");
    assert_eq!(updated.expect("a value").version, 2);
    assert_eq!(users.get(&user(1)).await.expect("is there").version, 2);
    assert_eq!(source.loads(), 1, "what was updated is stored");

    let (changing, invalidating) = (source.clone(), cache.clone());
    users
        .update(&user(1), move || async move {
            let version = changing.change();
            // Somebody else changes the source once more, and invalidates by a tag.
            changing.change();
            assert!(invalidating.invalidate_tag("user:1").await?.is_done());
            Ok::<_, LoadError>(User { id: 1, version })
        })
        .await
        .expect("updates");
    assert_eq!(users.get(&user(1)).await.expect("loads").version, 4);
    assert_eq!(source.loads(), 2);
}

#[tokio::test]
async fn an_update_that_fails_leaves_nothing_behind() {
    let world = World::new();
    let source = Versions::new();
    let users = world.cache().await.bind::<UserNode>(source.clone()).expect("binds");
    users.get(&user(1)).await.expect("loads");
    let changing = source.clone();
    let failed = users
        .update(&user(1), move || async move {
            changing.change();
            Err::<User, _>(LoadError::message("lost on the way back"))
        })
        .await;
    assert!(matches!(failed, Err(Error::Load { .. })));
    assert_eq!(users.get(&user(1)).await.expect("loads").version, 2);
}

#[tokio::test]
async fn an_update_goes_on_when_its_caller_goes_away() {
    let world = World::new();
    let source = Versions::new();
    let users = world.cache().await.bind::<UserNode>(source.clone()).expect("binds");
    users.get(&user(1)).await.expect("loads");
    let (begun, has_begun) = tokio::sync::oneshot::channel();
    let changing = source.clone();
    let update = tokio::spawn({
        let users = users.clone();
        async move {
            users
                .update(&user(1), move || async move {
                    let version = changing.change();
                    begun.send(()).expect("the test waits");
                    tokio::time::sleep(Duration::from_millis(5)).await;
                    Ok::<_, LoadError>(User { id: 1, version })
                })
                .await
        }
    });
    has_begun.await.expect("the update begins");
    update.abort();
    within(async {
        while users.get(&user(1)).await.expect("is there").version != 2 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
}

/// Readers, loads, sets and invalidations at once, on threads: nobody reads below what had been
/// invalidated before he asked.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nobody_reads_below_what_was_invalidated_before() {
    let world = World::new();
    let source = Versions::new();
    let cache = world.cache().await;
    let users = cache.bind::<UserNode>(source.clone()).expect("binds");
    let floor = Arc::new(std::sync::atomic::AtomicU64::new(1));
    let mut readers = Vec::new();
    for _ in 0..6 {
        let (users, floor) = (users.clone(), Arc::clone(&floor));
        readers.push(tokio::spawn(async move {
            for _ in 0..2000 {
                let promised = floor.load(std::sync::atomic::Ordering::SeqCst);
                let read = users.get(&user(1)).await.expect("loads").version;
                assert!(read >= promised, "read {read} after {promised} was invalidated");
            }
        }));
    }
    for round in 0..300 {
        let version = source.change();
        let done = match round % 3 {
            0 => users.invalidate(&user(1)).await,
            1 => cache.invalidate_tag("users").await,
            _ => users.clear().await,
        };
        assert!(done.expect("invalidates").is_done());
        floor.fetch_max(version, std::sync::atomic::Ordering::SeqCst);
    }
    for reader in readers {
        within(reader).await.expect("no reader saw the past");
    }
}
