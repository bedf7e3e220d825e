//! I3, I4 and I9: how long entries live in each tier, to the millisecond.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tiers::policy::doorkeeper::DoorkeeperOptions;
use tiers::prelude::*;

use crate::support::{User, UserNode, Versions, World, user};

const SECOND: Duration = Duration::from_secs(1);
const MS: Duration = Duration::from_millis(1);

async fn who_has(users: &Handle<UserNode>, id: u64) -> Option<String> {
    users.entry(&user(id)).await.expect("looks").map(|entry| entry.storage)
}

#[tokio::test]
async fn an_entry_ends_at_its_time_and_not_before() {
    let world = World::new();
    let source = Versions::new();
    let users = world.cache().await.bind::<UserNode>(source.clone()).expect("binds");
    users.get(&user(1)).await.expect("loads");
    world.pass(30 * SECOND - MS);
    assert_eq!(who_has(&users, 1).await.as_deref(), Some("memory"));
    world.pass(MS);
    assert_eq!(who_has(&users, 1).await.as_deref(), Some("sqlite"));
    world.pass(570 * SECOND - MS);
    assert_eq!(who_has(&users, 1).await.as_deref(), Some("sqlite"));
    assert_eq!(source.loads(), 1);
    world.pass(MS);
    assert_eq!(who_has(&users, 1).await, None);
    users.get(&user(1)).await.expect("loads again");
    assert_eq!(source.loads(), 2);
}

#[tokio::test]
async fn trap_13_a_copy_does_not_outlive_what_it_was_copied_from() {
    let world = World::new();
    let source = Versions::new();
    let users = world.cache().await.bind::<UserNode>(source.clone()).expect("binds");
    users.get(&user(1)).await.expect("loads");
    world.pass(590 * SECOND);
    // Ten seconds are left in the file; memory would keep a new value for thirty.
    users.get(&user(1)).await.expect("is there");
    let entry = users.entry(&user(1)).await.expect("looks").expect("is there");
    assert_eq!((entry.storage.as_str(), entry.remaining), ("memory", Some(10 * SECOND)));
    assert_eq!(entry.age, 590 * SECOND);
    world.pass(10 * SECOND);
    users.get(&user(1)).await.expect("loads again");
    assert_eq!(source.loads(), 2);
}

#[tokio::test]
async fn the_source_and_the_caller_may_ask_for_less_but_not_for_more() {
    let world = World::new();
    let cache = world.cache().await;
    let users = cache
        .bind::<UserNode>(source_fn(|node: UserNode| async move {
            let ttl = Duration::from_secs(node.id);
            Ok::<_, LoadError>(Loaded::new(User { id: node.id, version: 1 }).ttl(ttl))
        }))
        .expect("binds");
    let remaining = async |id| {
        let entry = users.entry(&user(id)).await.expect("looks").expect("is there");
        entry.remaining.expect("it ends").as_secs()
    };
    users.get(&user(5)).await.expect("loads");
    users.get(&user(500)).await.expect("loads");
    assert_eq!((remaining(5).await, remaining(500).await), (5, 30));
    let options = SetOptions::new().ttl(7 * SECOND);
    users.set_with(&user(8), User { id: 8, version: 1 }, options).await.expect("sets");
    assert_eq!(remaining(8).await, 7);
    world.pass(5 * SECOND);
    assert_eq!(who_has(&users, 5).await, None, "gone from both tiers");
    world.pass(2 * SECOND);
    assert_eq!(who_has(&users, 8).await, None, "gone from both tiers");
}

#[tokio::test]
async fn jitter_shortens_and_never_lengthens() {
    let world = World::new();
    let source = Versions::new();
    let definition = UserNode::definition().jitter(0.5);
    let users = world.cache().await.bind_as::<UserNode>(definition, source).expect("binds");
    let mut seen = Vec::new();
    for id in 0..40 {
        users.get(&user(id)).await.expect("loads");
        let entry = users.entry(&user(id)).await.expect("looks").expect("is there");
        let remaining = entry.remaining.expect("it ends");
        assert!(remaining >= 15 * SECOND - MS && remaining <= 30 * SECOND, "{remaining:?}");
        seen.push(remaining);
    }
    seen.sort_unstable();
    seen.dedup();
    assert!(seen.len() > 10, "entries end at different times");
}

#[tokio::test]
async fn a_negative_result_is_kept_for_its_own_time() {
    let world = World::new();
    let cache = world.cache().await;
    let loads = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&loads);
    let source = move |_: UserNode| {
        counted.fetch_add(1, Ordering::SeqCst);
        async { Ok::<_, LoadError>(Loaded::<User>::absent()) }
    };
    let definition = UserNode::definition().absent_ttl(Some(10 * SECOND));
    let users = cache.bind_as::<UserNode>(definition, source_fn(source)).expect("binds");
    for _ in 0..3 {
        let error = users.get(&user(1)).await.expect_err("does not exist");
        assert!(error.is_absent() && error.retry() == tiers::error::Retry::Never);
        assert_eq!(users.get_optional(&user(1)).await.expect("no error"), None);
    }
    assert_eq!(loads.load(Ordering::SeqCst), 1);
    assert!(users.contains(&user(1)).await.expect("looks"), "known not to exist");
    assert_eq!(users.peek(&user(1)).await.expect("looks"), None);
    // In the file, too, and for another process.
    let other = world.cache_without_memory().await;
    let on_sqlite = crate::support::on_sqlite();
    let others = other.bind_as::<UserNode>(on_sqlite, Versions::new()).expect("binds");
    assert!(others.get(&user(1)).await.expect_err("does not exist").is_absent());
    world.pass(10 * SECOND);
    users.get(&user(1)).await.expect_err("still does not exist");
    assert_eq!(loads.load(Ordering::SeqCst), 2);
    // Negative results bear the node's tags.
    assert!(cache.invalidate_tag("users").await.expect("invalidates").is_done());
    assert_eq!(who_has(&users, 1).await, None);
}

#[tokio::test]
async fn negative_results_are_not_kept_where_that_is_the_policy() {
    let world = World::new();
    let cache = world.cache().await;
    let absent = |_: UserNode| async { Ok::<_, LoadError>(Loaded::<User>::absent()) };
    let definition = UserNode::definition().absent_ttl(None);
    let users = cache.bind_as::<UserNode>(definition, source_fn(absent)).expect("binds");
    assert!(users.get(&user(1)).await.expect_err("does not exist").is_absent());
    assert!(!users.contains(&user(1)).await.expect("looks"));
}

fn sliding() -> NodeDefinition {
    let hour = Duration::from_secs(3600);
    UserNode::definition().tiers([
        TierDefinition::new("memory").ttl(hour).idle(20 * SECOND),
        TierDefinition::new("sqlite").ttl(hour).idle(60 * SECOND),
    ])
}

#[tokio::test]
async fn an_entry_slides_while_it_is_used_and_ends_when_it_is_not() {
    let world = World::new();
    let source = Versions::new();
    let cache = world.cache().await;
    let users = cache.bind_as::<UserNode>(sliding(), source.clone()).expect("binds");
    users.get(&user(1)).await.expect("loads");
    users.get(&user(2)).await.expect("loads");
    for _ in 0..50 {
        world.pass(10 * SECOND);
        users.get(&user(1)).await.expect("is there");
    }
    assert_eq!(source.loads(), 2, "used for 500 s with idle times of 20 s and 60 s");
    assert_eq!(who_has(&users, 2).await, None, "not used for 500 s");
    world.pass(60 * SECOND);
    assert_eq!(who_has(&users, 1).await, None);
}

#[tokio::test]
async fn sliding_does_not_outlive_the_ttl() {
    let world = World::new();
    let source = Versions::new();
    let cache = world.cache().await;
    let users = cache.bind_as::<UserNode>(sliding(), source.clone()).expect("binds");
    users.get(&user(1)).await.expect("loads");
    for _ in 0..359 {
        world.pass(10 * SECOND);
        users.get(&user(1)).await.expect("is there");
    }
    assert_eq!(source.loads(), 1);
    world.pass(10 * SECOND);
    users.get(&user(1)).await.expect("loads again");
    assert_eq!(source.loads(), 2);
}

#[tokio::test]
async fn the_doorkeeper_keeps_first_timers_out() {
    let world = World::new();
    let source = Versions::new();
    let definition = UserNode::definition().doorkeeper(DoorkeeperOptions::new(1000, 0.001));
    let users = world.cache().await.bind_as::<UserNode>(definition, source.clone()).expect("binds");
    users.get(&user(1)).await.expect("loads");
    assert_eq!(who_has(&users, 1).await, None);
    users.get(&user(1)).await.expect("loads");
    assert_eq!(who_has(&users, 1).await.as_deref(), Some("memory"));
    users.get(&user(1)).await.expect("is there");
    assert_eq!(source.loads(), 2);
    assert_eq!(users.stats().tier("sqlite").expect("a tier").fills_skipped, 1);
}

#[tokio::test]
async fn large_values_skip_a_tier() {
    let world = World::new();
    let cache = world.cache().await;
    let definition = NodeDefinition::new("blobs", "blob:{*name}").tiers([
        TierDefinition::new("memory").value_bytes_max(100),
        TierDefinition::new("sqlite").value_bytes_min(50),
    ]);
    let blobs = cache
        .bind_as(
            definition,
            source_fn(|node: DynamicNode| async move {
                let length = node.key().rsplit(':').next().unwrap_or_default().parse()?;
                Ok::<_, LoadError>(bytes::Bytes::from(vec![b'x'; length]))
            }),
        )
        .expect("binds");
    for (length, expected) in
        [(10, ["memory"].as_slice()), (70, &["memory", "sqlite"]), (200, &["sqlite"])]
    {
        let node = DynamicNode::new(format!("blob:{length}"));
        blobs.get(&node).await.expect("loads");
        let before = blobs.stats();
        let in_memory =
            blobs.entry(&node).await.expect("looks").expect("is there").storage == "memory";
        let sqlite = world.sqlite().await;
        let key = blobs.key(&node).expect("a valid key");
        use tiers::storage::Storage;
        let in_file = sqlite.get(&key).await.expect("reads").entry.is_some();
        let held = [("memory", in_memory), ("sqlite", in_file)];
        let held: Vec<&str> =
            held.iter().filter(|(_, held)| *held).map(|(name, _)| *name).collect();
        assert_eq!(held, expected, "{length} bytes");
        assert!(before.loads_succeeded > 0);
    }
}
