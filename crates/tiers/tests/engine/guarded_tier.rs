//! I5: a storage that hangs costs no more than its time, one that fails again and again is left
//! alone, and what it could not be told waits for it, bounded.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use tiers::cache::StorageOptions;
use tiers::core::testing::{Operation, TestStorage};
use tiers::node::{Abandoned, TierFailure};
use tiers::policy::breaker::{BreakerOptions, BreakerState};
use tiers::prelude::*;
use tiers::stats::StorageReport;
use tiers::storage::StorageErrorKind;

use crate::support::{User, UserNode, Versions, World, memory, until, user, within};

const DOWN: StorageErrorKind = StorageErrorKind::Unavailable;
const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

struct Stage {
    world: World,
    near: TestStorage,
    far: TestStorage,
    cache: Cache,
    users: Handle<UserNode>,
    source: Versions,
}

/// `far` is guarded by `options`, `near` by nothing.
fn stage(options: StorageOptions) -> Stage {
    let world = World::new();
    let storage = |scheme| TestStorage::builder().clock(world.clock.clone()).scheme(scheme).build();
    let (near, far) = (storage("near"), storage("far"));
    let cache = Cache::builder()
        .clock(Arc::new(world.clock.clone()))
        .storage_with("near", near.clone(), StorageOptions::NONE)
        .storage_with("far", far.clone(), options)
        .build()
        .expect("a valid cache");
    let tiers = ["near", "far"].map(|name| TierDefinition::new(name).ttl(MINUTE));
    let definition =
        UserNode::definition().tiers(tiers).load_timeout(Some(MINUTE)).abandoned(Abandoned::Cancel);
    let source = Versions::new();
    let users = cache.bind_as::<UserNode>(definition, source.clone()).expect("binds");
    Stage { world, near, far, cache, users, source }
}

fn breaker(failures_max: u32) -> StorageOptions {
    StorageOptions::NONE.breaker(Some(BreakerOptions::new(failures_max, 5 * SECOND)))
}

fn timeout() -> StorageOptions {
    StorageOptions::NONE.operation_timeout(Some(SECOND)).sweep_timeout(Some(10 * SECOND))
}

impl Stage {
    async fn report(&self) -> StorageReport {
        self.cache.stats().await.storages.remove(1)
    }

    async fn version(&self, id: u64) -> u64 {
        within(self.users.get(&user(id))).await.expect("an answer").version
    }

    fn in_far(&self, id: u64) -> Option<u64> {
        let entry = self.far.stored(&self.users.key(&user(id)).expect("a valid key"))?;
        Some(entry.payload.len() as u64)
    }

    /// Lets time pass until `future` has ended.
    async fn passing<F: Future>(&self, future: F) -> F::Output {
        let mut future = std::pin::pin!(future);
        within(async {
            loop {
                if let Some(done) = future.as_mut().now_or_never() {
                    return done;
                }
                if self.world.clock.sleepers() > 0 {
                    self.world.pass(SECOND);
                }
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        })
        .await
    }

    async fn until_landed(&self) {
        self.passing(async {
            while self.report().await.pending_invalidations > 0 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        })
        .await;
    }
}

#[tokio::test]
async fn a_read_that_hangs_is_a_miss_after_its_time_and_its_late_answer_fills_nothing() {
    let stage = stage(timeout());
    let gate = stage.far.hold_answers(Operation::Get);
    let users = stage.users.clone();
    let read = tokio::spawn(async move { users.get(&user(1)).await });
    within(gate.arrived(1)).await;
    stage.world.pass(Duration::from_millis(999));
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert!(!read.is_finished(), "its time is not over");
    stage.source.change();
    stage.world.pass(Duration::from_millis(1));
    assert_eq!(within(read).await.expect("no panic").expect("loads").version, 2);
    gate.open();
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert_eq!(stage.in_far(1), None, "without a stamp there is no fill");
    let report = stage.report().await;
    assert_eq!((report.health.timeouts, report.health.failures), (1, 1));
    let last = report.health.last_failure.expect("one failed");
    assert_eq!((last.kind, last.operation), (DOWN, "get"));
    assert_eq!(stage.users.stats().tier("far").expect("a tier").errors, 1);
}

#[tokio::test]
async fn whatever_hangs_ends_in_its_time() {
    let cases = [
        Operation::Get,
        Operation::GetMany,
        Operation::Stamps,
        Operation::Write,
        Operation::Invalidate,
        Operation::Scan,
        Operation::Stats,
        Operation::Close,
    ];
    for operation in cases {
        let stage = stage(timeout());
        stage.far.hold(operation);
        let (users, cache) = (stage.users.clone(), stage.cache.clone());
        stage
            .passing(async move {
                match operation {
                    Operation::Get | Operation::GetMany => {
                        assert!(users.get(&user(1)).await.is_ok());
                        let answers = users.get_many(&[user(2), user(3)]).await;
                        assert!(answers.iter().all(Result::is_ok));
                    }
                    Operation::Stamps => {
                        assert!(users.refresh(&user(1)).await.is_ok());
                    }
                    Operation::Write => {
                        assert!(users.get(&user(1)).await.is_ok(), "a fill that hangs");
                        let set = users.set(&user(1), User { id: 1, version: 9 }).await;
                        assert!(matches!(set, Err(Error::Storage { .. })), "{set:?}");
                    }
                    Operation::Invalidate => {
                        let by_key = users.invalidate(&user(1)).await.expect("is open");
                        let by_tag = cache.invalidate_tag("users").await.expect("is open");
                        assert!(!by_key.is_done() && !by_tag.is_done());
                    }
                    Operation::Scan => {
                        let keys: Vec<_> = futures_util::StreamExt::collect(users.keys()).await;
                        assert!(matches!(keys[..], [Err(Error::Storage { .. })]), "{keys:?}");
                    }
                    Operation::Stats => {
                        assert!(cache.stats().await.storages[1].stats.is_err());
                    }
                    _ => {
                        assert!(cache.close().await.is_err());
                    }
                }
            })
            .await;
        stage.far.heal();
        if operation != Operation::Close {
            assert!(stage.report().await.health.timeouts > 0, "{operation:?}");
        }
    }
}

#[tokio::test]
async fn what_takes_long_by_its_nature_has_another_limit() {
    let stage = stage(timeout());
    let gate = stage.far.hold(Operation::Invalidate);
    let cache = stage.cache.clone();
    let clear = tokio::spawn(async move { cache.clear().await });
    within(gate.arrived(1)).await;
    stage.world.pass(9 * SECOND);
    tokio::time::sleep(Duration::from_millis(20)).await;
    gate.open();
    assert!(within(clear).await.expect("no panic").expect("is open").is_done());
}

#[tokio::test]
async fn after_failures_in_a_row_it_is_left_alone_then_tried() {
    let stage = stage(breaker(3));
    stage.far.fail_next(Operation::Get, 3, DOWN);
    for id in 0..3 {
        assert_eq!(stage.version(id).await, 1);
    }
    assert_eq!(stage.report().await.health.breaker, BreakerState::Open);
    stage.far.reset_calls();
    for id in 3..10 {
        assert_eq!(stage.version(id).await, 1, "the source answers");
    }
    stage.users.get_many(&[user(20), user(21)]).await;
    assert_eq!(stage.far.calls().round_trips(), 0, "not asked and not filled");
    let report = stage.report().await;
    assert_eq!(report.health.skipped, 8);
    let far = stage.users.stats().tier("far").expect("a tier").clone();
    assert_eq!((far.errors, far.skipped), (3, 9));

    // One that fails opens it again, one that succeeds closes it.
    stage.world.pass(5 * SECOND);
    stage.far.fail_next(Operation::Get, 1, DOWN);
    stage.version(30).await;
    stage.version(31).await;
    assert_eq!(stage.far.calls().get, 1);
    stage.world.pass(5 * SECOND);
    stage.version(32).await;
    assert_eq!(stage.report().await.health.breaker, BreakerState::Closed);
    assert!(stage.in_far(32).is_some(), "filled again");
    assert_eq!(stage.report().await.health.breaker_opened, 1);
}

#[tokio::test]
async fn a_few_calls_try_and_the_others_do_not_wait_for_them() {
    let options = BreakerOptions::new(1, 5 * SECOND).probes_max(2);
    let stage = stage(StorageOptions::NONE.breaker(Some(options)));
    stage.far.fail_next(Operation::Get, 1, DOWN);
    stage.version(0).await;
    stage.world.pass(5 * SECOND);
    stage.far.reset_calls();
    let gate = stage.far.hold(Operation::Get);
    let probe = |id| {
        let users = stage.users.clone();
        tokio::spawn(async move { users.get(&user(id)).await })
    };
    let (first, second) = (probe(1), probe(2));
    within(gate.arrived(2)).await;
    assert_eq!(stage.report().await.health.breaker, BreakerState::HalfOpen);
    for id in 3..6 {
        assert_eq!(stage.version(id).await, 1, "at once, from the source");
    }
    assert_eq!(stage.far.calls().get, 2);
    // One is given up: its place is another's.
    first.abort();
    until(|| gate.waiting() == 1).await;
    let third = probe(7);
    within(gate.arrived(3)).await;
    gate.open();
    for probe in [second, third] {
        within(probe).await.expect("no panic").expect("an answer");
    }
    assert_eq!(stage.report().await.health.breaker, BreakerState::Closed);
}

#[tokio::test]
async fn what_the_storage_refuses_with_reason_does_not_open_it() {
    let stage = stage(breaker(2));
    for kind in [StorageErrorKind::Corrupt, StorageErrorKind::Full, StorageErrorKind::Denied] {
        stage.far.fail_next(Operation::Get, 3, kind);
        for id in 0..3 {
            stage.near.lose_everything();
            stage.version(id).await;
        }
    }
    let batch: Vec<UserNode> = (10..14).map(user).collect();
    for _ in 0..4 {
        stage.near.lose_everything();
        let key = stage.users.key(&user(10)).expect("a valid key");
        stage.far.fail_next_of_key(&key, 1, DOWN);
        stage.users.get_many(&batch).await;
    }
    assert_eq!(stage.report().await.health.breaker, BreakerState::Closed);
    assert!(stage.report().await.health.failures >= 9);
}

#[tokio::test]
async fn where_a_failing_tier_is_to_be_told_so_is_one_that_is_left_alone() {
    let stage = stage(breaker(1));
    let strict = NodeDefinition::new("strict", "strict:{id}")
        .tier(TierDefinition::new("far").on_failure(TierFailure::Error));
    let strict = stage.cache.bind_as::<UserNode>(strict, stage.source.clone()).expect("binds");
    stage.far.fail_next(Operation::Get, 1, DOWN);
    for kind in [DOWN, StorageErrorKind::BreakerOpen] {
        let error = strict.get(&user(1)).await.expect_err("told");
        let Error::Storage { source, .. } = &error else { panic!("{error}") };
        assert_eq!(source.kind(), kind);
        assert_eq!(error.retry(), tiers::error::Retry::Later);
    }
}

/// Nothing is sent to it but the invalidation that has to land, and that closes the breaker.
#[tokio::test]
async fn an_invalidation_lands_in_a_storage_that_was_left_alone() {
    let stage = stage(breaker(1));
    assert_eq!(stage.version(1).await, 1);
    let version = stage.source.change();
    stage.near.lose_everything();
    stage.far.fail_next(Operation::Get, 1, DOWN);
    assert_eq!(stage.version(2).await, version);
    stage.far.reset_calls();
    let told = stage.users.invalidate(&user(1)).await.expect("is open");
    assert_eq!(told.pending[0].error.kind(), StorageErrorKind::BreakerOpen);
    assert_eq!(stage.far.calls().invalidate, 0, "it waits, and was not sent");
    assert_eq!(stage.report().await.pending_invalidations, 1);
    stage.near.reset_calls();
    stage.until_landed().await;
    assert_eq!(stage.in_far(1), None);
    assert_eq!(stage.near.calls().invalidate, 1, "the second round");
    assert_eq!(stage.report().await.health.breaker, BreakerState::Closed);
    assert_eq!(stage.version(1).await, version);
}

#[tokio::test]
async fn an_invalidation_whose_answer_came_too_late_is_told_again() {
    let stage = stage(timeout());
    stage.version(1).await;
    let version = stage.source.change();
    let gate = stage.far.hold(Operation::Invalidate);
    let users = stage.users.clone();
    let told = stage.passing(async move { users.invalidate(&user(1)).await }).await;
    assert!(!told.expect("is open").is_done());
    assert!(stage.in_far(1).is_some());
    assert_eq!(stage.version(1).await, version, "not read there meanwhile");
    gate.open();
    stage.until_landed().await;
    assert_eq!(stage.in_far(1), None);
}

#[tokio::test]
async fn what_waits_ends_when_all_that_it_names_has_expired() {
    let stage = stage(StorageOptions::NONE);
    stage.version(1).await;
    stage.far.fail_next(Operation::Invalidate, 10_000, DOWN);
    let told = stage.users.invalidate_many(&[user(1), user(2)]).await.expect("is open");
    assert!(!told.is_done());
    assert!(!stage.cache.invalidate_tag("users").await.expect("is open").is_done());
    // A minute that entries live, and another for loads that may be on their way.
    for _ in 0..119 {
        stage.world.pass(SECOND);
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let report = stage.report().await;
    assert_eq!((report.pending_invalidations, report.invalidations_expired), (3, 0));
    within(async {
        while stage.report().await.invalidations_expired < 2 {
            stage.world.pass(SECOND);
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
    assert_eq!(stage.report().await.pending_invalidations, 1, "the tag may be borne by others'");
}

#[tokio::test]
async fn keys_that_wait_are_sent_together_and_too_many_become_the_namespace() {
    let stage = stage(StorageOptions::NONE);
    let nodes: Vec<UserNode> = (0..600).map(user).collect();
    stage.users.get_many(&nodes).await;
    stage.far.fail_next(Operation::Invalidate, 600, DOWN);
    for node in &nodes {
        assert!(!stage.users.invalidate(node).await.expect("is open").is_done());
    }
    assert_eq!(stage.report().await.pending_invalidations, 600);
    stage.far.heal();
    stage.far.reset_calls();
    stage.until_landed().await;
    assert!(stage.far.calls().invalidate <= 4, "{:?}", stage.far.calls());
    assert!(stage.far.keys().is_empty());

    stage.users.get_many(&nodes).await;
    stage.far.fail_next(Operation::Invalidate, 1, DOWN);
    let many: Vec<UserNode> = (0..2_000).map(user).collect();
    assert!(!stage.users.invalidate_many(&many).await.expect("is open").is_done());
    assert_eq!(stage.report().await.pending_invalidations, 1, "one for all");
    stage.until_landed().await;
    assert!(stage.far.keys().is_empty());
}

#[tokio::test]
async fn health_shows_nothing_that_a_driver_said() {
    let stage = stage(breaker(1));
    stage.far.fail_next(Operation::Get, 1, DOWN);
    stage.version(1).await;
    let shown = format!("{:?}", stage.report().await.health);
    assert!(shown.contains("Open") && shown.contains("Unavailable"), "{shown}");
    assert!(!shown.contains("asked for"), "the message stays out: {shown}");
}

#[tokio::test]
async fn options_that_make_no_sense_are_refused() {
    let build = |options| {
        Cache::builder().storage_with("far", TestStorage::new(), options).build().map(|_| ())
    };
    assert!(build(StorageOptions::new()).is_ok());
    for (options, name) in [
        (StorageOptions::new().operation_timeout(Some(Duration::ZERO)), "operation_timeout"),
        (StorageOptions::new().sweep_timeout(Some(Duration::from_micros(9))), "sweep_timeout"),
        (breaker(0), "breaker"),
    ] {
        let error = build(options).expect_err(name).to_string();
        assert!(error.contains("`far`") && error.contains(name), "{error}");
    }
    let error = Cache::builder().storage_with("memory", memory(), StorageOptions::new()).build();
    assert!(error.is_err(), "memory has no guard");
}

#[tokio::test]
async fn a_url_says_how_its_storage_is_guarded() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("cache.db");
    let url =
        format!("sqlite://{}?operation_timeout=250ms&breaker=off&pool_size=2", path.display());
    let tiers::cache::Backend::Guarded(_, options) = tiers::open(&url).await.expect("opens") else {
        panic!("it has options");
    };
    assert_eq!(options.operation_timeout, Some(Duration::from_millis(250)));
    assert_eq!(options.breaker, None);
    let url = format!("sqlite://{}?breaker=0", path.display());
    let error = tiers::open(&url).await.expect_err("refused").to_string();
    assert!(error.contains("breaker"), "{error}");
    let error = tiers::open("memory://?operation_timeout=1s").await.expect_err("refused");
    assert!(error.to_string().contains("operation_timeout"), "{error}");
}
