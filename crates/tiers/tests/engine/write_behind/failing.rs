//! Bounds, faults, closing, and callers that go away.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tiers::core::testing::{Gate, Operation};
use tiers::events::WriteLost;
use tiers::policy::write_behind::WhenFull;
use tiers::prelude::*;

use super::stage::{
    DELAY, DOWN, SECOND, Stage, counts, source, stage, stage_with, storages, two_following, value,
    why,
};
use crate::support::{User, UserNode, until, user, within};

#[tokio::test]
async fn a_full_queue_refuses_or_waits_for_room() {
    let stage = stage(storages().queued_max(2).when_full(WhenFull::Refuse));
    for id in [1, 2] {
        stage.users.write_behind(&user(id), value(1)).await.expect("has room");
    }
    let error = stage.users.write_behind(&user(3), value(1)).await.expect_err("is full");
    assert!(matches!(error, Error::QueueFull { .. }), "{error}");
    assert_eq!(error.retry(), tiers::error::Retry::Later);
    // A newer value of a key that waits needs none.
    stage.users.write_behind(&user(2), value(2)).await.expect("takes its place");
    assert_eq!((stage.stats().turned_away, stage.stats().queued), (1, 2));

    let stage = stage_with(source().queued_max(1).when_full(WhenFull::Wait(SECOND)), true);
    let gate = stage.rows.hold();
    stage.accept(1).await;
    stage.clock.advance(DELAY);
    gate.arrived(1).await;
    let waiting = |id| {
        let users = stage.users.clone();
        tokio::spawn(async move { users.write_behind(&user(id), User { id, version: 1 }).await })
    };
    let (patient, cancelled) = (waiting(2), waiting(3));
    until(|| stage.clock.sleepers() >= 2).await;
    // One that goes away takes nobody's room.
    cancelled.abort();
    assert!(cancelled.await.expect_err("is cancelled").is_cancelled());
    gate.open();
    within(patient).await.expect("no panic").expect("gets room");
    let _ = within(stage.users.flush()).await.expect("is open");
    assert_eq!((stage.rows.row(2), stage.rows.row(3)), (Some(1), None));

    let gate = stage.rows.hold();
    stage.accept(2).await;
    stage.clock.advance(DELAY);
    gate.arrived(1).await;
    let late = waiting(4);
    stage.pass_until(|_| late.is_finished()).await;
    let error = within(late).await.expect("no panic").expect_err("waited for too long");
    assert!(matches!(error, Error::QueueFull { waited, .. } if waited >= SECOND), "{error}");
    gate.open();
}

#[tokio::test]
async fn what_fails_is_tried_again_and_the_newest_is_what_lands() {
    let stage = stage(storages());
    stage.far.fail_next(Operation::Write, 2, DOWN);
    stage.accept(1).await;
    stage.pass_until(|stage| stage.stats().retried > 0).await;
    assert_eq!(stage.get().await, 1);
    stage.accept(2).await;
    stage.pass_until(|stage| stage.stats().queued == 0).await;
    assert_eq!((stage.stored(&stage.far), stage.stats().given_up), (Some(2), 0));
}

#[tokio::test]
async fn an_answer_that_was_lost_is_a_write_that_may_be_repeated() {
    let stage = stage(storages());
    stage.far.lose_next_answers(Operation::Write, 1, DOWN);
    stage.accept(1).await;
    stage.pass_until(|stage| stage.stats().queued == 0).await;
    assert_eq!((stage.stored(&stage.far), stage.stats().written), (Some(1), 1));
}

#[tokio::test]
async fn what_fails_for_too_long_is_given_up_told_and_forgotten() {
    for options in [storages().retry_for(SECOND), source().retry_for(SECOND)] {
        let stage = stage(options);
        let mut lost = stage.lost();
        stage.rows.change(1, 1);
        assert_eq!(stage.get().await, 1);
        stage.accept(5).await;
        stage.rows.set_down(true);
        stage.far.fail_next(Operation::Write, 1000, DOWN);
        stage.pass_until(|stage| stage.stats().given_up == 1).await;
        assert_eq!(why(&mut lost), [WriteLost::GivenUp]);
        assert_eq!(stage.stats().queued, 0);
        stage.far.heal();
        stage.rows.set_down(false);
        // Nothing serves what was lost.
        stage.clock.advance(SECOND);
        assert_eq!(stage.get().await, 1);
    }
}

#[tokio::test]
async fn a_flush_ends_in_an_outage_though_newer_values_come_all_the_time() {
    let stage = stage(source().retry_for(SECOND));
    stage.rows.set_down(true);
    stage.accept(1).await;
    let flush = tokio::spawn({
        let users = stage.users.clone();
        async move { users.flush_node(&user(1)).await }
    });
    within(async {
        let mut version = 1;
        while !flush.is_finished() {
            version += 1;
            stage.accept(version).await;
            stage.clock.advance(Duration::from_millis(50));
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
    let flushed = within(flush).await.expect("no panic").expect("is open");
    assert!(!flushed.is_complete(), "{flushed:?}");
    assert_eq!((stage.stats().given_up, stage.stats().queued > 0), (0, true));
}

#[tokio::test]
async fn a_storage_that_is_left_alone_keeps_the_queue_within_its_bound() {
    let stage = stage(storages().queued_max(3).when_full(WhenFull::Refuse));
    for id in 0..3 {
        stage.users.write_behind(&user(id), User { id, version: 1 }).await.expect("has room");
    }
    stage.far.fail_next(Operation::Write, 4, DOWN);
    within(async {
        while stage.cache.stats().await.storages[1].health.breaker_opened == 0 {
            stage.clock.advance(Duration::from_millis(50));
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
    let error = stage.users.write_behind(&user(4), value(1)).await.expect_err("no stamp, no room");
    assert!(matches!(error, Error::Storage { .. } | Error::QueueFull { .. }), "{error}");
    assert_eq!(stage.stats().queued, 3);
    stage.pass_until(|stage| stage.stats().queued == 0).await;
    assert_eq!((stage.stats().written, stage.stats().given_up), (3, 0));
}

#[tokio::test]
async fn what_is_not_sent_makes_no_other_tier_forget_anything() {
    let stage = stage(storages());
    stage.accept(1).await;
    stage.far.fail_next(Operation::Write, 3, DOWN);
    let opened = async || stage.cache.stats().await.storages[1].health.breaker_opened;
    within(async {
        while opened().await == 0 {
            stage.clock.advance(Duration::from_millis(50));
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
    until(|| stage.stats().retried == 3).await;
    let told = stage.near.calls().invalidate;
    // The pause after the third failure is shorter than the time for which the breaker is open.
    stage.clock.advance(Duration::from_millis(400));
    until(|| stage.stats().retried == 4).await;
    assert_eq!((stage.near.calls().invalidate, stage.far.calls().write), (told, 3));
    stage.pass_until(|stage| stage.stats().queued == 0).await;
    assert_eq!((stage.stats().written, stage.near.calls().invalidate), (1, told + 1));

    // Likewise where an invalidation has not landed there yet: of so many that it is one of all.
    stage.pass_until(|stage| stage.stats().queued == 0).await;
    stage.accept(2).await;
    stage.far.fail_next(Operation::Invalidate, 1000, DOWN);
    let others: Vec<UserNode> = (2..2000).map(user).collect();
    assert!(!stage.users.invalidate_many(&others).await.expect("is open").is_done());
    let (retried, writes) = (stage.stats().retried, stage.far.calls().write);
    stage.pass_until(|stage| stage.stats().retried > retried).await;
    assert_eq!(stage.far.calls().write, writes);
}

/// Stores one value after the other; of one of them it panics once.
#[derive(Clone, Default)]
struct Panicking(Arc<AtomicBool>);

impl Source<UserNode> for Panicking {
    async fn load(&self, _: &UserNode) -> Result<Loaded<User>, LoadError> {
        Ok(Loaded::absent())
    }

    async fn store(&self, node: &UserNode, _: &User) -> Result<(), LoadError> {
        assert!(node.id != 2 || self.0.swap(true, Ordering::SeqCst), "a panic that was asked for");
        Ok(())
    }
}

#[tokio::test]
async fn a_store_that_panics_fails_alone() {
    let stage = stage(source());
    let definition = NodeDefinition::new("other", "other:{id}").tier(TierDefinition::new("far"));
    let definition = definition.write_behind(source());
    let users = stage.cache.bind_as::<UserNode>(definition, Panicking::default()).expect("binds");
    let values = (1..=3).map(|id| (user(id), User { id, version: 1 }));
    assert!(users.write_behind_many(values).await.iter().all(Result::is_ok));
    stage.clock.advance(DELAY);
    let stats = || users.stats().write_behind;
    until(|| stats().retried == 1).await;
    assert_eq!((stats().written, stats().queued), (2, 1));
    let flushed = within(users.flush()).await.expect("is open");
    assert_eq!((flushed.written, flushed.given_up), (1, 0));
}

#[tokio::test]
async fn without_a_stamp_nothing_is_accepted() {
    let stage = stage(storages());
    stage.far.fail_next(Operation::Stamps, 1, DOWN);
    let error = stage.users.write_behind(&user(1), value(1)).await.expect_err("is down");
    assert!(matches!(&error, Error::Storage { storage, .. } if storage == "far"), "{error}");
    assert_eq!((stage.stats().accepted, stage.stats().queued), (0, 0));
    assert!(stage.users.peek(&user(1)).await.expect("is open").is_none());
}

#[tokio::test]
async fn a_store_that_hangs_or_panics_is_one_that_failed() {
    let stage = stage(source());
    let gate = stage.rows.hold();
    stage.accept(1).await;
    stage.clock.advance(DELAY);
    gate.arrived(1).await;
    // The time of a load.
    stage.clock.advance(Duration::from_secs(60));
    until(|| stage.stats().retried + stage.stats().given_up > 0).await;
    gate.open();

    let stage = super::stage::stage(storages());
    stage.far.panic_next(Operation::Write, 1);
    stage.accept(1).await;
    stage.pass_until(|stage| stage.stats().queued == 0).await;
    assert_eq!((stage.stats().written, stage.stored(&stage.far)), (1, Some(1)));
}

#[tokio::test]
async fn closing_writes_what_is_queued_and_says_what_it_could_not() {
    for options in [storages(), source()] {
        let stage = stage(options.delay(Duration::from_secs(3600)));
        stage.accept(1).await;
        within(stage.cache.close()).await.expect("closes");
        assert_eq!(stage.stored(&stage.far), Some(1));
        let error = stage.users.write_behind(&user(2), value(1)).await.expect_err("is closed");
        assert!(matches!(error, Error::Closed));
    }
}

#[tokio::test]
async fn closing_tells_of_everything_that_is_lost_even_of_a_type_that_nobody_holds() {
    let stage = stage(source().delay(Duration::from_secs(3600)));
    let definition = NodeDefinition::new("other", "other:{id}").tier(TierDefinition::new("memory"));
    let definition = definition.write_behind(source());
    let others = stage.cache.bind_as::<UserNode>(definition, stage.rows.clone()).expect("binds");
    let mut lost = stage.lost();
    let gate = stage.rows.hold();
    for id in 0..3 {
        stage.users.write_behind(&user(id), User { id, version: 1 }).await.expect("has room");
    }
    others.write_behind(&user(9), User { id: 9, version: 1 }).await.expect("has room");
    drop(others);
    let closed = stage.close_in_a_second(gate.arrived(2)).await;
    // The source may have got what it was being given, and no tier that knows of it.
    assert_eq!(counts(&closed), [("near", 3), ("far", 3), ("UserNode", 3), ("other", 1)]);
    assert_eq!(why(&mut lost), [WriteLost::Closed; 4]);
}

#[tokio::test]
async fn what_a_source_got_before_closing_gave_up_is_pending_in_the_storages() {
    let stage = stage(source());
    stage.rows.change(1, 1);
    assert_eq!(stage.get().await, 1);
    stage.accept(2).await;
    let gate = stage.far.hold(Operation::Write);
    let closed = stage.close_in_a_second(gate.arrived(1)).await;
    assert_eq!((stage.rows.row(1), stage.stored(&stage.far)), (Some(2), Some(1)));
    assert_eq!(counts(&closed), [("near", 1), ("far", 1), ("UserNode", 1)]);
}

/// A store that failed, or took too long, may have arrived all the same.
#[tokio::test]
async fn what_waits_to_be_stored_again_when_closing_gives_up_is_pending_in_the_storages() {
    let stage = stage(source());
    stage.rows.change(1, 1);
    assert_eq!(stage.get().await, 1);
    stage.accept(2).await;
    stage.rows.lose_answers(true);
    stage.pass_until(|stage| stage.stats().retried == 1).await;
    // Newer ones stand for it, and nothing arrives any more.
    stage.rows.set_down(true);
    stage.accept(3).await;
    stage.pass_until(|stage| stage.stats().retried > 1).await;
    let closed = stage.close_in_a_second(std::future::ready(())).await;
    assert_eq!((stage.rows.row(1), stage.stored(&stage.far)), (Some(2), Some(1)));
    assert_eq!(counts(&closed), [("near", 1), ("far", 1), ("UserNode", 1)]);
}

#[tokio::test]
async fn what_failed_and_has_come_to_its_end_since_is_not_pending() {
    for is_given_up in [false, true] {
        let stage = stage(source().retry_for(SECOND));
        stage.rows.change(1, 1);
        assert_eq!(stage.get().await, 1);
        stage.accept(2).await;
        stage.rows.lose_answers(true);
        stage.pass_until(|stage| stage.stats().retried == 1).await;
        stage.rows.lose_answers(is_given_up);
        stage.pass_until(|stage| stage.stats().queued == 0).await;
        assert_eq!(stage.stats().given_up, u64::from(is_given_up));
        let stored = if is_given_up { None } else { Some(2) };
        until(|| stage.stored(&stage.far) == stored && stage.stored(&stage.near).is_none()).await;
        // Nor has it been told as if it were.
        let told = stage.near.calls().invalidate;
        for _ in 0..4 {
            stage.clock.advance(SECOND);
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let closed = stage.close_in_a_second(std::future::ready(())).await;
        assert_eq!(counts(&closed), [], "given up: {is_given_up}");
        assert_eq!((stage.near.calls().invalidate, stage.stored(&stage.far)), (told, stored));
    }
}

/// A storage that panics has not been told, and is told later like one that fails.
#[tokio::test]
async fn what_is_given_up_is_forgotten_by_a_storage_that_panics_too() {
    let stage = stage(source().retry_for(SECOND));
    stage.rows.change(1, 1);
    assert_eq!(stage.get().await, 1);
    stage.accept(5).await;
    stage.rows.set_down(true);
    stage.far.panic_next(Operation::Invalidate, 1);
    stage.pass_until(|stage| stage.stats().given_up == 1).await;
    let stored = |stage: &Stage| [&stage.near, &stage.far].map(|tier| stage.stored(tier));
    stage.pass_until(|stage| stored(stage) == [None, None]).await;
    // The task goes on.
    stage.rows.set_down(false);
    stage.accept(6).await;
    let flushed = within(stage.users.flush()).await.expect("is open");
    assert_eq!((flushed.written, stage.rows.row(1)), (1, Some(6)));
}

#[tokio::test]
async fn a_flush_ends_where_closing_gives_up_the_task_before_it_has_run() {
    let stage = stage(source());
    stage.accept(1).await;
    let closing = stage.cache.close_within(Duration::ZERO);
    let (flushed, closed) = within(async { tokio::join!(stage.users.flush(), closing) }).await;
    assert!(matches!(flushed, Err(Error::Closed)), "{flushed:?}");
    assert_eq!(counts(&closed), [("UserNode", 1)]);
}

/// A stage on which 5 was given up after 1: nobody knows whether the source has it, and the far storage
/// is told when the gate opens.
async fn given_up_while_far_is_slow() -> (Stage, Gate) {
    let stage = stage(source().retry_for(SECOND));
    stage.rows.change(1, 1);
    assert_eq!(stage.get().await, 1);
    stage.accept(5).await;
    stage.rows.set_down(true);
    let gate = stage.far.hold(Operation::Invalidate);
    stage.pass_until(|stage| stage.stats().given_up == 1).await;
    gate.arrived(1).await;
    (stage, gate)
}

/// Who reads while the storages are being told may bring back what they held until then.
#[tokio::test]
async fn what_is_given_up_is_forgotten_by_memory_once_more_after_the_storages() {
    let (stage, gate) = given_up_while_far_is_slow().await;
    assert_eq!(stage.get().await, 1, "from a storage that was not told yet");
    stage.rows.set_down(false);
    stage.rows.change(1, 7);
    gate.open();
    until(|| stage.stored(&stage.near).is_none() && stage.stored(&stage.far).is_none()).await;
    let _ = within(stage.users.flush()).await.expect("is open");
    let heard = async {
        while stage.get().await != 7 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    within(heard).await;
}

#[tokio::test]
async fn what_is_given_up_while_closing_is_pending_in_the_storages() {
    let (stage, _slow) = given_up_while_far_is_slow().await;
    let closed = stage.close_in_a_second(std::future::ready(())).await;
    assert_eq!(counts(&closed), [("near", 1), ("far", 1)]);
}

#[tokio::test]
async fn others_hear_of_what_a_source_got_before_closing_gave_up() {
    let (one, other, log) = two_following(source()).await;
    one.rows.change(1, 1);
    assert_eq!(other.get().await, 1);
    one.accept(2).await;
    let gate = one.far.hold(Operation::Write);
    one.close_in_a_second(gate.arrived(1)).await.expect_err("the storages are behind");
    other.followed(&log).await;
    // The storages were not reached; memory is not to serve on what they would no more.
    one.near.lose_everything();
    one.far.lose_everything();
    assert_eq!(other.get().await, 2);
}

#[tokio::test]
async fn closing_counts_nothing_as_lost_that_was_taken_back_on_its_way() {
    let stage = stage(storages());
    let mut lost = stage.lost();
    stage.accept(1).await;
    let gate = stage.far.hold(Operation::Write);
    stage.clock.advance(DELAY);
    gate.arrived(1).await;
    assert!(stage.users.invalidate(&user(1)).await.expect("is open").is_done());
    let closed = stage.close_in_a_second(std::future::ready(())).await;
    assert_eq!(counts(&closed), []);
    assert_eq!(why(&mut lost), []);
}

#[tokio::test]
async fn a_caller_that_goes_away_leaves_a_valid_state() {
    let stage = stage(storages());
    let gate = stage.far.hold(Operation::Stamps);
    let accepting = tokio::spawn({
        let users = stage.users.clone();
        async move { users.write_behind(&user(1), value(1)).await }
    });
    gate.arrived(1).await;
    accepting.abort();
    assert!(accepting.await.expect_err("is cancelled").is_cancelled());
    stage.far.heal();
    assert_eq!(stage.stats().accepted, 0);
    // A flush that is given up leaves it to the task.
    stage.accept(2).await;
    let gate = stage.far.hold(Operation::Write);
    let flush = tokio::spawn({
        let users = stage.users.clone();
        async move { users.flush().await }
    });
    gate.arrived(1).await;
    flush.abort();
    stage.far.heal();
    until(|| stage.stats().queued == 0).await;
    assert_eq!(stage.stored(&stage.far), Some(2));
}

#[tokio::test]
async fn what_cannot_be_is_told() {
    let stage = stage(storages());
    let plain = NodeDefinition::new("plain", "plain:{id}").tier(TierDefinition::new("far"));
    let plain = stage.cache.bind_as::<UserNode>(plain, stage.rows.clone()).expect("binds");
    let error = plain.write_behind(&user(1), value(1)).await.expect_err("is not asked for");
    assert!(matches!(error, Error::Config(_)), "{error}");
    assert_eq!(plain.flush().await.expect("is open").written, 0);
    let memory_only = |options| {
        let definition = NodeDefinition::new("m", "m:{id}").tier(TierDefinition::new("memory"));
        stage.cache.bind_as::<UserNode>(definition.write_behind(options), stage.rows.clone())
    };
    for options in [storages(), source().queued_max(0), source().batch_max(0)] {
        memory_only(options).expect_err("is refused");
    }
    let users = memory_only(source()).expect("memory and a source suffice");
    users.write_behind(&user(8), User { id: 8, version: 3 }).await.expect("has room");
    assert_eq!(users.get(&user(8)).await.expect("a value").version, 3);
    assert!(within(stage.cache.flush()).await.expect("is open").is_complete());
    assert_eq!(stage.rows.row(8), Some(3));
}
