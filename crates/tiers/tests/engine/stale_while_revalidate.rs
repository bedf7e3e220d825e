//! Stale copies that answer at once while they are loaded again behind the reader.

use std::sync::Arc;
use std::time::Duration;

use tiers::core::testing::{Operation, ScriptedSource, TestStorage};
use tiers::policy::stale::StaleOptions;
use tiers::prelude::*;
use tiers::storage::StorageErrorKind;

use crate::support::{User, UserNode, World, memory, until, user, within};

const SECOND: Duration = Duration::from_secs(1);

/// A cache over memory and one storage, where each test says which of the two it uses.
pub(crate) struct Stage {
    pub(crate) world: World,
    pub(crate) far: TestStorage,
    pub(crate) cache: Cache,
    pub(crate) source: ScriptedSource<UserNode>,
}

impl Stage {
    pub(crate) fn new() -> Self {
        let world = World::new();
        let far = TestStorage::builder().clock(world.clock.clone()).build();
        let cache = Cache::builder()
            .clock(Arc::new(world.clock.clone()))
            .storage("memory", memory())
            .storage("far", far.clone())
            .build()
            .expect("a valid cache");
        let source = ScriptedSource::new();
        let stage = Self { world, far, cache, source };
        stage.put(1);
        stage
    }

    /// From now on the source has this version of the user.
    pub(crate) fn put(&self, version: u64) {
        self.source.put(&user(1), User { id: 1, version });
    }

    pub(crate) fn bind(&self, definition: NodeDefinition) -> Handle<UserNode> {
        self.cache.bind_as::<UserNode>(definition, self.source.clone()).expect("binds")
    }

    /// Waits until nothing is being loaded any more.
    pub(crate) async fn settled(&self) {
        until(|| self.cache.loads_in_flight() == 0).await;
    }
}

pub(crate) fn definition(tiers: &[&str], stale: StaleOptions) -> NodeDefinition {
    let tiers = tiers.iter().map(|name| TierDefinition::new(*name).ttl(10 * SECOND));
    UserNode::definition().tiers(tiers).stale(stale)
}

pub(crate) async fn version(users: &Handle<UserNode>) -> (u64, bool) {
    let fetched = within(users.fetch(&user(1))).await.expect("an answer");
    (fetched.value.expect("a value").version, fetched.stale)
}

fn windows() -> StaleOptions {
    StaleOptions::new().while_revalidate(20 * SECOND)
}

#[tokio::test]
async fn a_stale_copy_answers_at_once_and_is_loaded_again_once() {
    for tiers in [&["memory"][..], &["far"], &["memory", "far"]] {
        let stage = Stage::new();
        let users = stage.bind(definition(tiers, windows()));
        assert_eq!(version(&users).await, (1, false));
        stage.put(2);
        stage.world.pass(10 * SECOND);
        let gate = stage.source.hold();
        for _ in 0..20 {
            assert_eq!(version(&users).await, (1, true), "{tiers:?}");
        }
        within(gate.arrived(1)).await;
        gate.open();
        stage.settled().await;
        assert_eq!(version(&users).await, (2, false), "{tiers:?}");
        assert_eq!(stage.source.loads(), 2, "{tiers:?}: one refresh for all of them");
        let stats = users.stats();
        assert_eq!((stats.stale_hits, stats.refreshes_begun), (20, 1));
        assert_eq!((stats.hits, stats.requests()), (21, 22), "{tiers:?}");
    }
}

#[tokio::test]
async fn past_the_window_the_reader_waits() {
    for tiers in [&["memory"][..], &["far"]] {
        let stage = Stage::new();
        let users = stage.bind(definition(tiers, windows()));
        version(&users).await;
        stage.put(2);
        stage.world.pass(30 * SECOND);
        assert_eq!(version(&users).await, (2, false), "{tiers:?}");
    }
}

/// I1: a reader with nothing to be answered with joins the load that is under way behind others.
#[tokio::test]
async fn a_reader_past_the_window_joins_the_refresh() {
    let stage = Stage::new();
    let users = stage.bind(definition(&["memory"], windows()));
    version(&users).await;
    stage.put(2);
    stage.world.pass(10 * SECOND);
    let gate = stage.source.hold();
    assert_eq!(version(&users).await, (1, true));
    within(gate.arrived(1)).await;
    stage.world.pass(25 * SECOND);
    let reader = tokio::spawn({
        let users = users.clone();
        async move { version(&users).await }
    });
    until(|| stage.cache.loads_in_flight() == 2).await;
    gate.open();
    assert_eq!(within(reader).await.expect("no panic"), (2, false));
    assert_eq!(stage.source.loads(), 2);
}

/// Memory's copy ends before the storage's: it is copied from there again, not loaded.
#[tokio::test]
async fn memory_is_refreshed_from_a_storage_that_is_fresh() {
    let stage = Stage::new();
    let tiers = [
        TierDefinition::new("memory").ttl(10 * SECOND),
        TierDefinition::new("far").ttl(600 * SECOND),
    ];
    let users = stage.bind(UserNode::definition().tiers(tiers).stale(windows()));
    version(&users).await;
    stage.world.pass(10 * SECOND);
    assert_eq!(version(&users).await, (1, true));
    stage.settled().await;
    assert_eq!(version(&users).await, (1, false));
    assert_eq!(stage.source.loads(), 1);
}

/// A refresh of what a storage holds does not read what memory, or that storage, has.
#[tokio::test]
async fn trap_21_a_refresh_behind_readers_bypasses_what_answered_them() {
    let stage = Stage::new();
    let users = stage.bind(definition(&["memory", "far"], windows()));
    version(&users).await;
    stage.put(2);
    stage.world.pass(10 * SECOND);
    assert_eq!(version(&users).await, (1, true));
    stage.settled().await;
    let key = users.key(&user(1)).expect("a key");
    let entry = stage.far.stored(&key).expect("is stored");
    assert_eq!(entry.created, tiers::clock::Clock::wall(&stage.world.clock), "of the new load");
    assert_eq!(version(&users).await, (2, false));
}

/// I2: what was invalidated while it was loaded again is neither served nor stored.
#[tokio::test]
async fn trap_01_a_removal_while_it_is_refreshed_keeps_the_refresh_out() {
    for tiers in [&["memory"][..], &["far"], &["memory", "far"]] {
        let stage = Stage::new();
        let users = stage.bind(definition(tiers, windows()));
        version(&users).await;
        stage.world.pass(10 * SECOND);
        let gate = stage.source.hold_answers();
        assert_eq!(version(&users).await, (1, true));
        within(gate.arrived(1)).await;
        // The refresh holds version 1 in its hand.
        stage.put(2);
        assert!(users.invalidate(&user(1)).await.expect("is told").is_done());
        let reader = tokio::spawn({
            let users = users.clone();
            async move { version(&users).await }
        });
        gate.open();
        assert_eq!(within(reader).await.expect("no panic"), (2, false), "{tiers:?}");
        stage.settled().await;
        assert_eq!(version(&users).await, (2, false), "{tiers:?}");
    }
}

#[tokio::test]
async fn what_was_expired_by_name_is_loaded_by_the_next_read() {
    for tiers in [&["memory"][..], &["far"], &["memory", "far"]] {
        let stage = Stage::new();
        let users = stage.bind(definition(tiers, windows()));
        version(&users).await;
        stage.put(2);
        assert!(users.expire(&user(1)).await.expect("is told").is_done());
        assert_eq!(version(&users).await, (2, false), "{tiers:?}");
    }
}

#[tokio::test]
async fn a_refresh_that_failed_is_not_tried_again_for_the_throttle() {
    for tiers in [&["memory"][..], &["far"], &["memory", "far"]] {
        let stage = Stage::new();
        let users = stage.bind(definition(tiers, windows().throttle(5 * SECOND)));
        version(&users).await;
        stage.world.pass(10 * SECOND);
        stage.source.fail_next(2, "away");
        for loads in [2, 3] {
            for _ in 0..3 {
                assert_eq!(version(&users).await, (1, true), "{tiers:?}");
                stage.settled().await;
            }
            assert_eq!(stage.source.loads(), loads, "{tiers:?}");
            stage.world.pass(5 * SECOND);
        }
        stage.put(2);
        assert_eq!(version(&users).await, (1, true));
        stage.settled().await;
        assert_eq!(version(&users).await, (2, false), "{tiers:?}");
    }
}

/// Refreshes are bounded among themselves, and never stand before a load that a caller waits for.
#[tokio::test]
async fn refreshes_are_bounded_and_below_all_loads() {
    let stage = Stage::new();
    let users = stage.bind(definition(&["memory"], windows()).refreshes_max(2).loads_max(3));
    for id in 0..4 {
        stage.source.put(&user(id), User { id, version: 1 });
        users.get(&user(id)).await.expect("loads");
    }
    stage.source.put(&user(9), User { id: 9, version: 1 });
    stage.world.pass(10 * SECOND);
    let gate = stage.source.hold();
    for id in 0..4 {
        users.get(&user(id)).await.expect("is stale");
    }
    within(gate.arrived(2)).await;
    assert_eq!((stage.cache.loads_in_flight(), stage.source.loads()), (2, 6));
    let stats = users.stats();
    assert_eq!((stats.refreshes_begun, stats.refreshes_skipped), (2, 2));
    // There is a place left for a caller.
    let caller = tokio::spawn({
        let users = users.clone();
        async move { users.get(&user(9)).await.map(|user| user.id) }
    });
    within(gate.arrived(3)).await;
    gate.open();
    assert_eq!(within(caller).await.expect("no panic").expect("loads"), 9);
    stage.settled().await;
    // What found no place is tried by a later reader.
    stage.world.pass(SECOND);
    for id in 2..4 {
        users.get(&user(id)).await.expect("is stale");
        stage.settled().await;
    }
    assert_eq!(users.stats().refreshes_begun, 4);
}

#[tokio::test]
async fn a_refresh_that_would_take_the_last_place_of_a_caller_is_skipped() {
    let stage = Stage::new();
    let users = stage.bind(definition(&["memory"], windows()).loads_max(1));
    stage.source.put(&user(9), User { id: 9, version: 1 });
    version(&users).await;
    stage.world.pass(10 * SECOND);
    let gate = stage.source.hold();
    let caller = tokio::spawn({
        let users = users.clone();
        async move { users.get(&user(9)).await.map(|user| user.id) }
    });
    within(gate.arrived(1)).await;
    assert_eq!(version(&users).await, (1, true));
    assert_eq!(users.stats().refreshes_skipped, 1);
    gate.open();
    within(caller).await.expect("no panic").expect("loads");
}

#[tokio::test]
async fn many_stale_ones_are_loaded_again_by_one_batch() {
    let stage = Stage::new();
    let users = stage.bind(definition(&["memory"], windows()));
    let nodes: Vec<UserNode> = (0..10).map(user).collect();
    for node in &nodes {
        stage.source.put(node, User { id: node.id, version: 1 });
    }
    users.get_many(&nodes).await;
    stage.world.pass(10 * SECOND);
    assert!(users.get_many(&nodes).await.iter().all(Result::is_ok));
    stage.settled().await;
    assert_eq!(stage.source.batches(), [10, 10]);
    assert_eq!(users.stats().stale_hits, 10);
}

/// The closure of the call that found it stale loads it again.
#[tokio::test]
async fn a_closure_in_the_place_of_the_source_refreshes() {
    let stage = Stage::new();
    let users = stage.bind(definition(&["memory", "far"], windows()));
    let load = |version| move || async move { Ok::<_, LoadError>(User { id: 1, version }) };
    users.get_with(&user(1), load(7)).await.expect("loads");
    stage.world.pass(10 * SECOND);
    assert_eq!(users.get_with(&user(1), load(8)).await.expect("is stale").version, 7);
    stage.settled().await;
    assert_eq!(users.get_with(&user(1), load(9)).await.expect("is fresh").version, 8);
    assert_eq!(stage.source.loads(), 0);
}

/// Negative results are never stale: past their time the source is asked.
#[tokio::test]
async fn a_negative_result_takes_the_place_of_a_value_and_is_not_served_stale() {
    for tiers in [&["memory"][..], &["far"], &["memory", "far"]] {
        let stage = Stage::new();
        let stale = windows().if_error(100 * SECOND);
        let users = stage.bind(definition(tiers, stale).absent_ttl(Some(5 * SECOND)));
        version(&users).await;
        stage.source.put(&user(1), Loaded::absent());
        stage.world.pass(10 * SECOND);
        assert_eq!(version(&users).await, (1, true));
        stage.settled().await;
        let absent = || async { users.fetch(&user(1)).await.map(|one| (one.value, one.stale)) };
        assert_eq!(absent().await.expect("known"), (None, false), "{tiers:?}");
        stage.world.pass(5 * SECOND);
        stage.source.fail_next(1, "away");
        absent().await.expect_err("neither the old value nor the old knowledge");
        stage.put(2);
        assert_eq!(version(&users).await, (2, false), "{tiers:?}");
    }
}

/// Nor does the old value outlive a negative result that is not kept.
#[tokio::test]
async fn a_negative_result_that_is_not_kept_ends_the_value() {
    for tiers in [&["memory"][..], &["far"], &["memory", "far"]] {
        let stage = Stage::new();
        let stale = windows().if_error(100 * SECOND);
        let users = stage.bind(definition(tiers, stale).absent_ttl(None));
        version(&users).await;
        stage.source.put(&user(1), Loaded::absent());
        stage.world.pass(10 * SECOND);
        assert_eq!(version(&users).await, (1, true));
        stage.settled().await;
        stage.source.fail_next(1, "away");
        users.get(&user(1)).await.expect_err("the source fails and nothing is kept");
        assert!(users.get(&user(1)).await.expect_err("is gone").is_absent());
    }
}

/// I3: a copy of what is stale is kept no longer than what it was copied from.
#[tokio::test]
async fn trap_13_a_stale_copy_does_not_outlive_what_it_was_copied_from() {
    let stage = Stage::new();
    let users = stage.bind(definition(&["memory", "far"], windows()));
    version(&users).await;
    stage.world.pass(25 * SECOND);
    // Five seconds of the window are left. The source hangs.
    let gate = stage.source.hold();
    assert_eq!(version(&users).await, (1, true));
    stage.world.pass(5 * SECOND);
    stage.put(2);
    let reader = tokio::spawn({
        let users = users.clone();
        async move { version(&users).await }
    });
    within(gate.arrived(1)).await;
    gate.open();
    assert_eq!(within(reader).await.expect("no panic"), (2, false));
}

/// A pending invalidation hides a stale copy as it hides a fresh one.
#[tokio::test]
async fn a_stale_copy_that_is_to_be_invalidated_is_not_served() {
    let stage = Stage::new();
    let users = stage.bind(definition(&["far"], windows()));
    version(&users).await;
    stage.put(2);
    stage.world.pass(10 * SECOND);
    stage.far.fail_next(Operation::Invalidate, 1, StorageErrorKind::Unavailable);
    assert!(!users.invalidate(&user(1)).await.expect("pends").is_done());
    assert_eq!(version(&users).await, (2, false));
}
