//! Copies past their freshness that answer where the source fails, or takes long.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tiers::core::testing::Operation;
use tiers::node::Abandoned;
use tiers::policy::stale::StaleOptions;
use tiers::prelude::*;
use tiers::storage::StorageErrorKind;

use crate::stale_while_revalidate::{Stage, definition, version};
use crate::support::{User, UserNode, memory, until, user, within};

const SECOND: Duration = Duration::from_secs(1);
const CHAINS: [&[&str]; 3] = [&["memory"], &["far"], &["memory", "far"]];

/// Ten seconds fresh, a minute more in bad times, five seconds between two tries.
fn safe() -> StaleOptions {
    StaleOptions::new().if_error(60 * SECOND).throttle(5 * SECOND)
}

async fn is_refused(users: &Handle<UserNode>) -> Error {
    within(users.fetch(&user(1))).await.expect_err("nothing may answer")
}

/// A cache of another process over the same far storage.
fn elsewhere(stage: &Stage) -> Cache {
    Cache::builder()
        .clock(Arc::new(stage.world.clock.clone()))
        .storage("memory", memory())
        .storage("far", stage.far.second_client())
        .build()
        .expect("a valid cache")
}

#[tokio::test]
async fn a_copy_answers_where_the_source_fails_which_is_then_left_alone_for_the_throttle() {
    for tiers in CHAINS {
        let stage = Stage::new();
        let users = stage.bind(definition(tiers, safe()));
        assert_eq!(version(&users).await, (1, false));
        stage.world.pass(10 * SECOND);
        stage.source.fail_next(2, "away");
        for tries in [2, 3] {
            for _ in 0..4 {
                assert_eq!(version(&users).await, (1, true), "{tiers:?}");
                stage.settled().await;
            }
            assert_eq!(stage.source.loads(), tries, "{tiers:?}");
            stage.world.pass(5 * SECOND);
        }
        stage.put(2);
        assert_eq!(version(&users).await, (2, false), "{tiers:?}: it is back");
        assert_eq!(users.stats().stale_hits, 8);
    }
}

/// As fast as a hit: memory answers, and no storage is asked again and again.
#[tokio::test]
async fn while_the_source_is_left_alone_memory_answers() {
    let stage = Stage::new();
    let users = stage.bind(definition(&["memory", "far"], safe()));
    version(&users).await;
    stage.world.pass(10 * SECOND);
    stage.source.fail_next(1, "away");
    assert_eq!(version(&users).await, (1, true));
    let round_trips = stage.far.calls().round_trips();
    for _ in 0..4 {
        assert_eq!(version(&users).await, (1, true));
    }
    assert_eq!(stage.far.calls().round_trips(), round_trips);
}

#[tokio::test]
async fn trap_14_a_copy_is_kept_for_the_whole_window_and_no_longer() {
    for tiers in CHAINS {
        let stage = Stage::new();
        let users = stage.bind(definition(tiers, safe().throttle(SECOND)));
        version(&users).await;
        stage.source.fail_next(2, "away");
        stage.world.pass(70 * SECOND - Duration::from_millis(2));
        assert_eq!(version(&users).await, (1, true), "{tiers:?}");
        stage.world.pass(2 * SECOND);
        assert!(matches!(is_refused(&users).await, Error::Load { .. }), "{tiers:?}");
    }
}

/// Who answers that it will not has not failed; nor is what was asked for by name answered stale.
#[tokio::test]
async fn only_failure_is_answered_by_a_copy() {
    for tiers in CHAINS {
        let stage = Stage::new();
        let users = stage.bind(definition(tiers, safe()));
        version(&users).await;
        stage.world.pass(10 * SECOND);
        stage.source.fail_next_with(LoadError::message("forbidden").permanent());
        assert!(matches!(is_refused(&users).await, Error::Load { permanent: true, .. }));
        stage.source.fail_next(1, "away");
        users.refresh(&user(1)).await.expect_err("a refresh tells");
        stage.source.panic_next(1, "out of order");
        stage.world.pass(5 * SECOND);
        assert_eq!(version(&users).await, (1, true), "{tiers:?}: a panic is a failure");
    }
}

/// The fallback of other processes, too, outlives an entry that is expired; removal ends it.
#[tokio::test]
async fn trap_23_what_is_expired_is_kept_for_bad_times_and_what_is_invalidated_is_not() {
    for tiers in CHAINS {
        let stage = Stage::new();
        let users = stage.bind(definition(tiers, safe()));
        version(&users).await;
        assert!(users.expire(&user(1)).await.expect("is told").is_done());
        stage.source.fail_next(1, "away");
        assert_eq!(version(&users).await, (1, true), "{tiers:?}");
        if tiers.contains(&"far") {
            let definition = definition(tiers, safe());
            let others = elsewhere(&stage).bind_as::<UserNode>(definition, stage.source.clone());
            stage.source.fail_next(1, "away");
            assert_eq!(version(&others.expect("binds")).await, (1, true), "{tiers:?}");
        }
        assert!(users.invalidate(&user(1)).await.expect("is told").is_done());
        stage.source.fail_next(1, "away");
        is_refused(&users).await;
    }
}

/// A second expiry ends the time for which the source is left alone: it may have changed.
#[tokio::test]
async fn what_is_expired_while_the_source_is_left_alone_is_loaded_by_the_next_read() {
    for tiers in CHAINS {
        let stage = Stage::new();
        let users = stage.bind(definition(tiers, safe()));
        version(&users).await;
        stage.world.pass(10 * SECOND);
        stage.source.fail_next(1, "away");
        assert_eq!(version(&users).await, (1, true));
        stage.put(2);
        assert!(users.expire(&user(1)).await.expect("is told").is_done());
        assert_eq!(version(&users).await, (2, false), "{tiers:?}");
    }
}

/// I2: the copy in a flight's hand is checked like a fill before it is served.
#[tokio::test]
async fn trap_01_a_copy_that_was_removed_while_the_source_failed_is_not_served() {
    for tiers in CHAINS {
        for elsewhere_too in [false, true] {
            if elsewhere_too && tiers != ["far"] {
                continue;
            }
            let stage = Stage::new();
            let users = stage.bind(definition(tiers, safe()));
            version(&users).await;
            stage.world.pass(10 * SECOND);
            stage.source.fail_next(1, "away");
            let gate = stage.source.hold();
            let reader = tokio::spawn({
                let users = users.clone();
                async move { users.fetch(&user(1)).await }
            });
            within(gate.arrived(1)).await;
            let other = elsewhere(&stage);
            let invalidator = if elsewhere_too {
                let definition = definition(tiers, safe());
                other.bind_as::<UserNode>(definition, stage.source.clone()).expect("binds")
            } else {
                users.clone()
            };
            assert!(invalidator.invalidate(&user(1)).await.expect("is told").is_done());
            gate.open();
            within(reader).await.expect("no panic").expect_err("was removed");
            stage.source.fail_next(1, "away");
            is_refused(&users).await;
        }
    }
}

/// Memory's own copy answers where the storage cannot, not where it says that there is none.
#[tokio::test]
async fn memory_answers_where_storage_and_source_are_both_away() {
    let stage = Stage::new();
    let users = stage.bind(definition(&["memory", "far"], safe()));
    version(&users).await;
    stage.world.pass(10 * SECOND);
    stage.far.fail_next(Operation::Get, 1, StorageErrorKind::Unavailable);
    stage.source.fail_next(1, "away");
    assert_eq!(version(&users).await, (1, true));

    let stage = Stage::new();
    let users = stage.bind(definition(&["memory", "far"], safe()));
    version(&users).await;
    stage.world.pass(10 * SECOND);
    let other = elsewhere(&stage);
    let others = other
        .bind_as::<UserNode>(definition(&["far"], safe()), stage.source.clone())
        .expect("binds");
    assert!(others.invalidate(&user(1)).await.expect("is told").is_done());
    stage.source.fail_next(1, "away");
    is_refused(&users).await;
}

/// Nor is it kept alive behind readers when the storage says that there is none.
#[tokio::test]
async fn a_refresh_that_fails_revives_no_copy_that_was_removed_elsewhere() {
    let stage = Stage::new();
    let stale = safe().while_revalidate(2 * SECOND);
    let users = stage.bind(definition(&["memory", "far"], stale));
    version(&users).await;
    stage.world.pass(10 * SECOND);
    let other = elsewhere(&stage);
    let others = other
        .bind_as::<UserNode>(definition(&["far"], safe()), stage.source.clone())
        .expect("binds");
    assert!(others.invalidate(&user(1)).await.expect("is told").is_done());
    stage.source.fail_next(2, "away");
    assert_eq!(version(&users).await, (1, true), "memory has not heard of it");
    stage.settled().await;
    stage.world.pass(3 * SECOND);
    is_refused(&users).await;
}

#[tokio::test]
async fn of_a_batch_those_that_have_a_copy_are_answered() {
    for tiers in CHAINS {
        let stage = Stage::new();
        let users = stage.bind(definition(tiers, safe()));
        stage.source.put(&user(2), User { id: 2, version: 1 });
        users.get_many(&[user(1), user(2)]).await;
        stage.world.pass(10 * SECOND);
        stage.source.fail_next(3, "away");
        let answers = users.get_many(&[user(1), user(3), user(2)]).await;
        let is_ok: Vec<bool> = answers.iter().map(Result::is_ok).collect();
        assert_eq!(is_ok, [true, false, true], "{tiers:?}");
        assert_eq!(users.stats().stale_hits, 2);
    }
}

#[tokio::test]
async fn past_the_soft_timeout_the_copy_answers_and_the_load_goes_on() {
    for tiers in CHAINS {
        for abandoned in [Abandoned::Finish, Abandoned::Cancel] {
            let stage = Stage::new();
            let stale = safe().soft_timeout(SECOND);
            let users = stage.bind(definition(tiers, stale).abandoned(abandoned));
            version(&users).await;
            stage.put(2);
            stage.world.pass(10 * SECOND);
            let gate = stage.source.hold();
            let readers: Vec<_> = (0..3)
                .map(|_| {
                    let users = users.clone();
                    tokio::spawn(async move { version(&users).await })
                })
                .collect();
            within(gate.arrived(1)).await;
            stage.world.pass(SECOND);
            for reader in readers {
                assert_eq!(within(reader).await.expect("no panic"), (1, true), "{tiers:?}");
            }
            // The next one waits for the same load, no longer than the first.
            let reader = tokio::spawn({
                let users = users.clone();
                async move { version(&users).await }
            });
            until(|| stage.cache.loads_in_flight() == 2).await;
            gate.open();
            assert_eq!(within(reader).await.expect("no panic"), (2, false), "{tiers:?}");
            stage.settled().await;
            assert_eq!(version(&users).await, (2, false));
            assert_eq!(stage.source.loads(), 2, "{tiers:?}");
        }
    }
}

#[tokio::test]
async fn a_load_within_the_soft_timeout_answers_and_one_without_a_copy_is_waited_for() {
    for tiers in CHAINS {
        let stage = Stage::new();
        let users = stage.bind(definition(tiers, safe().soft_timeout(SECOND)));
        let gate = stage.source.hold();
        let read = || {
            tokio::spawn({
                let users = users.clone();
                async move { version(&users).await }
            })
        };
        let reader = read();
        within(gate.arrived(1)).await;
        stage.world.pass(5 * SECOND);
        gate.open();
        assert_eq!(within(reader).await.expect("no panic"), (1, false), "{tiers:?}: no copy");
        stage.put(2);
        stage.world.pass(10 * SECOND);
        gate.close();
        let reader = read();
        within(gate.arrived(2)).await;
        stage.world.pass(SECOND - Duration::from_millis(1));
        gate.open();
        assert_eq!(within(reader).await.expect("no panic"), (2, false), "{tiers:?}: in time");
    }
}

/// Counts loads that were begun and neither finished nor dropped.
struct Hanging(Arc<AtomicUsize>);

struct Running(Arc<AtomicUsize>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Source<UserNode> for Hanging {
    async fn load(&self, _: &UserNode) -> Result<Loaded<User>, LoadError> {
        self.0.fetch_add(1, Ordering::SeqCst);
        let _running = Running(Arc::clone(&self.0));
        std::future::pending().await
    }
}

/// The load itself ends at the hard timeout, also one that goes on behind its reader.
#[tokio::test]
async fn trap_19_a_load_that_hangs_is_ended_by_the_hard_timeout_and_holds_nothing() {
    for tiers in CHAINS {
        for soft in [None, Some(SECOND)] {
            let stage = Stage::new();
            let running = Arc::new(AtomicUsize::new(0));
            let stale = soft.map_or(safe(), |timeout| safe().soft_timeout(timeout));
            let definition = definition(tiers, stale).load_timeout(Some(3 * SECOND)).loads_max(1);
            let users = stage.cache.bind_as::<UserNode>(definition, Hanging(Arc::clone(&running)));
            let users = users.expect("binds");
            users.set(&user(1), User { id: 1, version: 1 }).await.expect("is set");
            stage.world.pass(10 * SECOND);
            for _ in 0..2 {
                let reader = tokio::spawn({
                    let users = users.clone();
                    async move { version(&users).await }
                });
                until(|| running.load(Ordering::SeqCst) == 1).await;
                stage.world.pass(SECOND);
                if soft.is_none() {
                    stage.world.pass(2 * SECOND);
                }
                assert_eq!(within(reader).await.expect("no panic"), (1, true), "{tiers:?}");
                if soft.is_some() {
                    assert_eq!(running.load(Ordering::SeqCst), 1, "it goes on");
                    stage.world.pass(2 * SECOND);
                }
                stage.settled().await;
                assert_eq!(running.load(Ordering::SeqCst), 0, "{tiers:?}: is dropped");
                // Past the throttle another one gets the only place.
                stage.world.pass(5 * SECOND);
            }
            assert_eq!(users.stats().loads_failed, 2);
        }
    }
}
