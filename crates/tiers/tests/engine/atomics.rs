//! Counters, locks and leases over real memory and SQLite.

use std::time::Duration;

use futures_util::future::join;
use tiers::atomics::{Rate, Swapped};
use tiers::node::Across;
use tiers::prelude::*;

use crate::support::{Versions, World, on_sqlite, until, user, within};

#[tokio::test]
async fn names_in_memory_are_of_one_cache() {
    let world = World::new();
    let (first, second) = (world.cache().await, world.cache().await);
    let [mine, theirs] =
        [&first, &second].map(|cache| cache.counter("memory", "n").expect("a counter"));
    assert_eq!(mine.add(2).await.expect("adds"), 2);
    assert_eq!(theirs.get().await.expect("reads"), None);
    assert!(first.clear().await.expect("clears").is_done());
    assert_eq!(mine.get().await.expect("reads"), Some(2));
    let limiter = first.rate_limiter("memory", "r", Rate::per_second(1)).expect("a limiter");
    assert!(limiter.acquire().await.expect("asks").allowed);
    assert!(!limiter.acquire().await.expect("asks").allowed);
    world.pass(Duration::from_secs(1));
    assert!(limiter.acquire().await.expect("asks").allowed);
}

#[tokio::test]
async fn names_in_a_file_are_of_all_who_open_it() {
    let world = World::new();
    let (first, second) = (world.cache().await, world.cache().await);
    let [mine, theirs] =
        [&first, &second].map(|cache| cache.register("sqlite", "leader").expect("a register"));
    let put = mine.put_if_absent("first").await.expect("puts");
    assert!(matches!(put, Swapped::Done(_)));
    let put = theirs.put_if_absent("second").await.expect("puts");
    assert!(matches!(put, Swapped::Conflict(Some(found)) if found.value == "first"));
    let [mine, theirs] =
        [&first, &second].map(|cache| cache.lock("sqlite", "job").expect("a lock"));
    let guard = mine.try_acquire().await.expect("asks").expect("a free lock");
    assert!(theirs.try_acquire().await.expect("asks").is_none());
    let token = guard.token();
    assert!(guard.release().await.expect("releases"));
    let guard = theirs.try_acquire().await.expect("asks").expect("a free lock");
    assert!(guard.token() > token);
}

/// Two processes on one file, by the machine's own time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_process_loads_for_all_on_a_file() {
    let world = World::new();
    let source = Versions::new();
    let mut handles = Vec::new();
    for _ in 0..3 {
        let sqlite = Sqlite::open(&format!("sqlite://{}", world.path().display())).await;
        let builder = Cache::builder().storage("sqlite", sqlite.expect("the file opens"));
        let cache = builder.build().expect("a valid cache");
        let definition = on_sqlite().across(Across::new("sqlite"));
        handles.push(cache.bind_as(definition, source.clone()).expect("binds"));
    }
    source.hold();
    let node = user(7);
    let callers = handles.iter().flat_map(|handle| [handle.get(&node), handle.get(&node)]);
    let waiting = futures_util::future::join_all(callers);
    let releasing = async {
        source.until_loads(1).await;
        let waited = || handles.iter().map(|handle| handle.stats().across.waited).sum::<u64>();
        until(|| waited() == 2).await;
        source.release();
    };
    let (answers, ()) = within(join(waiting, releasing)).await;
    for answer in answers {
        assert_eq!(answer.expect("loads").version, 1);
    }
    assert_eq!(source.loads(), 1);
}

#[tokio::test]
async fn a_lease_in_memory_is_refused() {
    let world = World::new();
    let definition = on_sqlite().across(Across::new("memory"));
    let refused = world.cache().await.bind_as(definition, Versions::new());
    let error = refused.map(drop).expect_err("memory is of one process");
    assert!(matches!(error, ConfigError::UnknownStorage { .. }), "{error}");
}
