//! What is counted: every request is a hit or a miss, every tier tells its part.

use std::time::Duration;

use tiers::prelude::*;

use crate::support::{UserNode, Versions, World, user};

#[tokio::test]
async fn requests_are_hits_and_misses_and_tiers_tell_their_part() {
    let world = World::new();
    let source = Versions::new();
    let cache = world.cache().await;
    let users = cache.bind::<UserNode>(source.clone()).expect("binds");
    let empty = users.stats();
    assert_eq!((empty.hit_rate(), empty.miss_rate(), empty.load_failure_rate()), (0.0, 0.0, 0.0));
    assert_eq!(empty.mean_load_time(), Duration::ZERO);

    users.get(&user(1)).await.expect("loads");
    users.get(&user(1)).await.expect("is in memory");
    users.get(&user(1)).await.expect("is in memory");
    world.pass(Duration::from_secs(31));
    users.get(&user(1)).await.expect("is in the file");
    let stats = users.stats();
    assert_eq!((stats.requests(), stats.hits, stats.misses), (4, 3, 1));
    assert_eq!((stats.loads(), stats.loads_succeeded, stats.loads_failed), (1, 1, 0));
    assert_eq!(stats.hit_rate(), 0.75);
    let memory = stats.tier("memory").expect("a tier");
    let sqlite = stats.tier("sqlite").expect("a tier");
    assert_eq!((memory.hits, memory.misses, memory.stale, memory.fills), (2, 2, 1, 2));
    assert_eq!((sqlite.hits, sqlite.misses, sqlite.fills, sqlite.errors), (1, 1, 1, 0));
    assert!(sqlite.bytes_written > 0 && sqlite.bytes_read == sqlite.bytes_written);

    let whole = cache.stats().await;
    assert_eq!(whole.node("UserNode"), Some(&stats));
    assert_eq!(whole.memories[0].stats.entries, 1);
    assert_eq!(whole.storages[0].stats.clone().expect("tells").entries, 1);
    assert_eq!(whole.storages[0].pending_invalidations, 0);
}

#[tokio::test]
async fn callers_that_share_a_load_are_misses_and_counted_as_coalesced() {
    let world = World::new();
    let source = Versions::new();
    let users = world.cache().await.bind::<UserNode>(source.clone()).expect("binds");
    source.hold();
    let node = user(1);
    let waiting = futures_util::future::join_all((0..10).map(|_| users.get(&node)));
    let releasing = async {
        source.until_loads(1).await;
        source.release();
    };
    tokio::join!(waiting, releasing);
    let stats = users.stats();
    assert_eq!((stats.requests(), stats.misses, stats.coalesced, stats.loads()), (10, 10, 9, 1));
}

/// `nodes()` and `stats()` per type: two types do not count for each other.
#[tokio::test]
async fn types_are_counted_apart() {
    let world = World::new();
    let cache = world.cache().await;
    let users = cache.bind::<UserNode>(Versions::new()).expect("binds");
    let definition =
        NodeDefinition::new("pages", "page:{*path}").tier(TierDefinition::new("memory"));
    let pages = cache
        .bind_as(
            definition,
            source_fn(|_: DynamicNode| async {
                Ok::<_, LoadError>(bytes::Bytes::from_static(b"page"))
            }),
        )
        .expect("binds");
    users.get(&user(1)).await.expect("loads");
    pages.get(&DynamicNode::new("page:a")).await.expect("loads");
    pages.get(&DynamicNode::new("page:a")).await.expect("is there");
    assert_eq!(cache.nodes(), ["UserNode", "pages"]);
    assert_eq!((users.stats().requests(), pages.stats().requests()), (1, 2));
    assert_eq!(pages.stats().tiers.len(), 1);
}
