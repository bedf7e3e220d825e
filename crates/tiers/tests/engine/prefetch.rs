//! Nodes that are loaded before somebody wants them, below all other work.

use std::time::Duration;

use tiers::core::testing::ScriptedSource;
use tiers::policy::stale::StaleOptions;
use tiers::prelude::*;

use crate::stale_while_revalidate::{Stage, definition};
use crate::support::{User, UserNode, until, user, within};

const SECOND: Duration = Duration::from_secs(1);

/// Names the next two users after each.
struct Naming(ScriptedSource<UserNode>);

impl Source<UserNode> for Naming {
    async fn load(&self, node: &UserNode) -> Result<Loaded<User>, LoadError> {
        self.0.load(node).await
    }

    async fn load_many(&self, nodes: &[UserNode]) -> Vec<Result<Loaded<User>, LoadError>> {
        self.0.load_many(nodes).await
    }

    fn likely_next(&self, node: &UserNode, _: &User) -> Vec<UserNode> {
        assert_ne!(node.id, 50, "planned");
        vec![user(node.id + 1), user(node.id + 2)]
    }
}

fn stage() -> Stage {
    let stage = Stage::new();
    for id in 0..100 {
        stage.source.put(&user(id), User { id, version: 1 });
    }
    stage
}

fn plain(tiers: &[&str]) -> NodeDefinition {
    definition(tiers, StaleOptions::NEVER)
}

fn naming(stage: &Stage, definition: NodeDefinition) -> Handle<UserNode> {
    stage.cache.bind_as(definition, Naming(stage.source.clone())).expect("binds")
}

#[tokio::test]
async fn what_the_caller_names_is_loaded_in_one_batch_and_then_a_hit() {
    for tiers in [&["memory"][..], &["far"], &["memory", "far"]] {
        let stage = stage();
        let users = stage.bind(plain(tiers));
        let begun = users.prefetch([user(1), user(2), user(2), user(3)]).expect("is open");
        assert_eq!(begun, 3);
        stage.settled().await;
        assert_eq!(stage.source.batches(), [3]);
        for id in 1..4 {
            assert_eq!(users.get(&user(id)).await.expect("a hit").id, id);
        }
        assert_eq!(stage.source.loads(), 3, "{tiers:?}");
        let stats = users.stats();
        assert_eq!((stats.hits, stats.requests()), (3, 3), "no request was a prefetch");
        assert_eq!((stats.prefetches_begun, stats.prefetches_skipped), (3, 0));
        if tiers.contains(&"memory") {
            assert_eq!(users.prefetch([user(1)]).expect("is open"), 0, "memory has it");
        }
    }
}

#[tokio::test]
async fn what_the_source_names_follows_what_was_loaded_and_is_not_followed_itself() {
    for tiers in [&["memory"][..], &["memory", "far"]] {
        let stage = stage();
        let users = naming(&stage, plain(tiers));
        users.get(&user(10)).await.expect("loads");
        stage.settled().await;
        assert_eq!(stage.source.loads(), 3, "{tiers:?}: 10, and behind it 11 and 12");
        users.get(&user(11)).await.expect("a hit");
        stage.settled().await;
        assert_eq!(stage.source.loads(), 3, "{tiers:?}: a hit in memory names nothing");
        // A source that panics over it has answered all the same.
        assert_eq!(users.get(&user(50)).await.expect("loads").id, 50);
    }
}

/// What a storage has is named after, too, and is read from there.
#[tokio::test]
async fn what_a_storage_has_is_carried_into_memory() {
    let stage = stage();
    let nodes: Vec<UserNode> = (10..13).map(user).collect();
    stage.bind(plain(&["far"])).get_many(&nodes).await;
    let again = Cache::builder()
        .clock(std::sync::Arc::new(stage.world.clock.clone()))
        .storage("memory", crate::support::memory())
        .storage("far", stage.far.second_client())
        .build()
        .expect("a valid cache");
    let source = Naming(stage.source.clone());
    let users = again.bind_as(plain(&["memory", "far"]), source).expect("binds");
    users.get(&user(10)).await.expect("a hit");
    until(|| again.loads_in_flight() == 0).await;
    let round_trips = stage.far.calls().round_trips();
    users.get(&user(12)).await.expect("a hit in memory");
    assert_eq!(stage.far.calls().round_trips(), round_trips);
    assert_eq!(stage.source.loads(), 3);
}

/// I1: who comes to want what is being prefetched waits for that load.
#[tokio::test]
async fn a_caller_joins_a_prefetch_and_its_leaving_does_not_end_it() {
    for tiers in [&["memory"][..], &["far"]] {
        let stage = stage();
        let definition = plain(tiers).abandoned(tiers::node::Abandoned::Cancel);
        let users = stage.bind(definition);
        let gate = stage.source.hold();
        users.prefetch([user(1), user(2)]).expect("is open");
        within(gate.arrived(1)).await;
        let caller = tokio::spawn({
            let users = users.clone();
            async move { users.get(&user(1)).await.map(|user| user.id) }
        });
        until(|| users.stats().coalesced == 0 && stage.cache.loads_in_flight() == 2).await;
        tokio::task::yield_now().await;
        caller.abort();
        assert!(within(caller).await.expect_err("was aborted").is_cancelled());
        assert_eq!(stage.cache.loads_in_flight(), 2, "it goes on for nobody");
        let caller = tokio::spawn({
            let users = users.clone();
            async move { users.get(&user(2)).await.map(|user| user.id) }
        });
        tokio::task::yield_now().await;
        gate.open();
        assert_eq!(within(caller).await.expect("no panic").expect("loads"), 2);
        stage.settled().await;
        assert_eq!(stage.source.loads(), 2, "{tiers:?}");
    }
}

#[tokio::test]
async fn a_prefetch_takes_no_place_that_a_caller_may_want() {
    let stage = stage();
    let users = stage.bind(plain(&["memory"]).loads_max(2).prefetches_max(8));
    let gate = stage.source.hold();
    assert_eq!(users.prefetch([user(1)]).expect("is open"), 1);
    assert_eq!(users.prefetch([user(2)]).expect("is open"), 0, "the last place is a caller's");
    let caller = tokio::spawn({
        let users = users.clone();
        async move { users.get(&user(3)).await.map(|user| user.id) }
    });
    within(gate.arrived(2)).await;
    gate.open();
    assert_eq!(within(caller).await.expect("no panic").expect("loads"), 3);
    stage.settled().await;
    assert_eq!(users.stats().prefetches_skipped, 1);
}

/// A source without a batch of its own is asked for one after the other: one place in all.
#[tokio::test]
async fn prefetches_that_are_loaded_one_at_a_time_take_one_place_in_all() {
    let stage = stage();
    let source = stage.source.clone();
    let source = source_fn(move |node: UserNode| {
        let source = source.clone();
        async move { source.load(&node).await }
    });
    let definition = plain(&["memory"]).loads_max(3);
    let users = stage.cache.bind_as(definition, source).expect("binds");
    let gate = stage.source.hold();
    assert_eq!(users.prefetch((1..6).map(user)).expect("is open"), 5);
    within(gate.arrived(1)).await;
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
    assert_eq!((gate.waiting(), stage.cache.loads_in_flight()), (1, 5));
    let callers = [7, 8].map(|id| {
        let users = users.clone();
        tokio::spawn(async move { users.get(&user(id)).await.map(|user| user.id) })
    });
    within(gate.arrived(3)).await;
    gate.open();
    for caller in callers {
        within(caller).await.expect("no panic").expect("loads");
    }
    stage.settled().await;
    assert_eq!(stage.source.counts().load, 7);
}

#[tokio::test]
async fn prefetches_are_bounded() {
    let stage = stage();
    let users = stage.bind(plain(&["memory"]).prefetches_max(2));
    let gate = stage.source.hold();
    assert_eq!(users.prefetch((0..1000).map(user)).expect("is open"), 128);
    assert_eq!(users.prefetch([user(2000)]).expect("is open"), 0);
    let stats = users.stats();
    assert_eq!((stats.prefetches_begun, stats.prefetches_skipped), (128, 873));
    gate.open();
    stage.settled().await;
    assert_eq!(users.prefetch([user(2000)]).expect("is open"), 1, "the places are free again");
}

/// I2: what was invalidated while it was prefetched is not stored.
#[tokio::test]
async fn trap_01_what_is_removed_while_it_is_prefetched_stays_out() {
    for tiers in [&["memory"][..], &["far"], &["memory", "far"]] {
        let stage = stage();
        let users = stage.bind(plain(tiers));
        let gate = stage.source.hold_answers();
        users.prefetch([user(1)]).expect("is open");
        within(gate.arrived(1)).await;
        stage.put(2);
        assert!(users.invalidate(&user(1)).await.expect("is told").is_done());
        gate.open();
        stage.settled().await;
        assert_eq!(users.get(&user(1)).await.expect("loads").version, 2, "{tiers:?}");
    }
}

/// A source that was found failing is not asked for what may be wanted.
#[tokio::test]
async fn what_fails_is_not_prefetched_again_for_the_throttle() {
    let stage = stage();
    let stale = StaleOptions::new().if_error(60 * SECOND).throttle(5 * SECOND);
    let users = stage.bind(definition(&["memory"], stale));
    stage.source.fail_next(1, "away");
    assert_eq!(users.prefetch([user(1)]).expect("is open"), 1);
    stage.settled().await;
    assert_eq!(users.prefetch([user(1)]).expect("is open"), 0);
    stage.world.pass(5 * SECOND);
    assert_eq!(users.prefetch([user(1)]).expect("is open"), 1);
    stage.settled().await;
    assert_eq!(users.get(&user(1)).await.expect("a hit").id, 1);
    stage.cache.close().await.expect("closes");
    assert!(matches!(users.prefetch([user(1)]), Err(Error::Closed)));
}
