//! Stamps of what is accepted, and loads that fill the tiers meanwhile.

use std::sync::Arc;

use tiers::backplane::{Backplane, Silence};
use tiers::core::testing::Operation;
use tiers::policy::write_behind::WhenFull;
use tiers::prelude::*;

use super::stage::{DELAY, Rows, SECOND, Stage, stage_with, storages, two_following, value};
use crate::support::{User, UserNode, memory, until, user, within};

async fn happens(stage: &Stage, what: &str) {
    let (cache, users) = (&stage.cache, &stage.users);
    match what {
        "key" => assert!(users.invalidate(&user(1)).await.expect("is open").is_done()),
        "tag" => assert!(cache.invalidate_tag("user:1").await.expect("is open").is_done()),
        "pattern" => assert!(users.invalidate_pattern("user:*").await.expect("open").is_done()),
        "clear" => assert!(cache.clear().await.expect("is open").is_done()),
        "set" => users.set(&user(1), value(4)).await.expect("is open"),
        "refresh" => assert_eq!(users.refresh(&user(1)).await.expect("a value").version, 4),
        _ => {
            let change = || async { Ok::<_, LoadError>(value(4)) };
            assert!(users.update(&user(1), change).await.expect("is open").is_some());
        }
    }
}

/// The stamp is asked for before the storage hears of it, and the value accepted after all of it has
/// returned.
#[tokio::test]
async fn what_has_returned_refuses_nothing_that_is_accepted_afterwards() {
    for what in ["key", "tag", "pattern", "clear", "set", "update", "refresh"] {
        let stage = Arc::new(stage_with(storages(), true));
        stage.rows.change(1, 4);
        let is_write = matches!(what, "set" | "update" | "refresh");
        let step = if is_write { Operation::Write } else { Operation::Invalidate };
        let told = stage.far.hold(step);
        let happening = tokio::spawn({
            let stage = Arc::clone(&stage);
            async move { happens(&stage, what).await }
        });
        within(told.arrived(1)).await;
        let stamped = stage.far.hold_answers(Operation::Stamps);
        let accepting = tokio::spawn({
            let users = stage.users.clone();
            async move { users.write_behind(&user(1), value(5)).await }
        });
        within(stamped.arrived(1)).await;
        told.open();
        within(happening).await.expect("no panic");
        stamped.open();
        within(accepting).await.expect("no panic").expect("is accepted");
        let flushed = within(stage.users.flush()).await.expect("is open");
        assert_eq!((flushed.written, flushed.refused), (1, 0), "{what}");
        assert_eq!((stage.stored(&stage.far), stage.get().await), (Some(5), 5), "{what}");
    }
}

#[tokio::test]
async fn values_of_one_key_are_accepted_under_the_stamps_that_were_asked_for_at_once() {
    let stage = stage_with(storages(), true);
    let values = (1..=9).map(|version| (user(1), value(version)));
    assert!(stage.users.write_behind_many(values).await.iter().all(Result::is_ok));
    // What is accepted itself makes no stamp older.
    assert_eq!(stage.far.calls().stamps, 1);
}

#[tokio::test]
async fn after_a_wait_for_room_the_stamps_of_all_that_are_left_are_newer() {
    let stage = stage_with(storages().queued_max(2).when_full(WhenFull::Wait(SECOND)), false);
    let other = stage.other(storages());
    let gate = stage.far.hold(Operation::Write);
    let accepting = tokio::spawn({
        let users = stage.users.clone();
        let values = (1..=4).map(|id| (user(id), User { id, version: 1 }));
        async move { users.write_behind_many(values).await }
    });
    until(|| stage.stats().queued == 2).await;
    stage.clock.advance(DELAY);
    within(gate.arrived(1)).await;
    // Nobody tells this process of it.
    assert!(other.users.invalidate(&user(4)).await.expect("is open").is_done());
    gate.open();
    assert!(within(accepting).await.expect("no panic").iter().all(Result::is_ok));
    let _ = within(stage.users.flush()).await.expect("is open");
    assert_eq!((stage.stats().written, stage.stats().refused), (4, 0));
}

/// Loads of a node type do not wait for one whose fill hangs, nor for the batch that waits for it.
#[tokio::test]
async fn a_fill_that_hangs_holds_up_the_batch_and_no_load() {
    let stage = stage_with(storages(), false);
    (1..=3).for_each(|id| stage.rows.change(id, 1));
    let gate = stage.far.hold(Operation::Write);
    let read = |id| {
        let users = stage.users.clone();
        tokio::spawn(async move { users.get(&user(id)).await })
    };
    let first = read(1);
    within(gate.arrived(1)).await;
    stage.users.write_behind(&user(3), User { id: 3, version: 7 }).await.expect("has room");
    stage.clock.advance(DELAY);
    // The batch has its turn before the other load, and waits.
    for _ in 0..64 {
        tokio::task::yield_now().await;
    }
    let second = read(2);
    within(gate.arrived(2)).await;
    // The batch is not among those that write.
    assert_eq!((gate.waiting(), stage.stats().queued), (2, 1));
    gate.open();
    for read in [first, second] {
        assert_eq!(within(read).await.expect("no panic").expect("a value").version, 1);
    }
    let _ = within(stage.users.flush()).await.expect("is open");
    assert_eq!((stage.stats().written, stage.stats().queued), (1, 0));
    assert_eq!(within(stage.users.get(&user(3))).await.expect("a value").version, 7);
}

/// Users whose memory is the shortest of their tiers, and whose queue waits for an hour.
fn short(cache: &Cache, rows: &Rows) -> Handle<UserNode> {
    let tiers = [("memory", SECOND), ("far", 600 * SECOND)];
    let tiers = tiers.map(|(name, ttl)| TierDefinition::new(name).ttl(ttl));
    let definition = NodeDefinition::new("short", "short:{id}").tiers(tiers);
    let definition = definition.write_behind(storages().delay(3600 * SECOND));
    cache.bind_as::<UserNode>(definition, rows.clone()).expect("binds")
}

#[tokio::test]
async fn without_messages_the_queue_is_read_for_no_longer_than_memory() {
    let alone = stage_with(storages(), true);
    let (hearing, _other, log) = two_following(storages()).await;
    let lives_on = Backplane::from(log).silence(Silence::LiveOn);
    let lives_on = Cache::builder()
        .clock(Arc::new(hearing.clock.clone()))
        .storage("memory", memory())
        .storage("far", hearing.far.second_client())
        .backplane(lives_on)
        .prefix("other")
        .build()
        .expect("a valid cache");
    let cases = [
        (&alone.cache, &alone, 1),
        // Where others are heard of, nothing bounds it but the storage's TTL.
        (&hearing.cache, &hearing, 5),
        (&lives_on, &hearing, 1),
    ];
    for (cache, stage, read_later) in cases {
        stage.rows.change(1, 1);
        let users = short(cache, &stage.rows);
        let get = async || within(users.get(&user(1))).await.expect("a value").version;
        assert_eq!(get().await, 1);
        users.write_behind(&user(1), value(5)).await.expect("has room");
        assert_eq!(get().await, 5);
        stage.clock.advance(SECOND);
        assert_eq!(get().await, read_later);
        let flushed = within(users.flush()).await.expect("is open");
        assert!(flushed.is_complete() && flushed.written == 1, "{flushed:?}");
        // Memory does not keep the old value that was read meanwhile.
        assert_eq!(get().await, 5);
    }
}

#[tokio::test]
async fn what_no_storage_takes_is_in_memory_alone_as_after_a_set() {
    let stage = stage_with(storages(), true);
    let tiers = [
        TierDefinition::new("memory").ttl(SECOND * 600),
        TierDefinition::new("far").ttl(SECOND * 600).value_bytes_min(1 << 20),
    ];
    let definition = NodeDefinition::new("large", "large:{id}").tiers(tiers);
    let definition = definition.write_behind(storages());
    let large = stage.cache.bind_as::<UserNode>(definition, stage.rows.clone());
    let large = large.expect("binds");
    let held = || async { large.peek(&user(1)).await.expect("is open").map(|found| found.version) };
    large.set(&user(1), value(4)).await.expect("memory takes it");
    assert_eq!(held().await, Some(4));
    large.write_behind(&user(1), value(5)).await.expect("has room");
    let flushed = within(large.flush()).await.expect("is open");
    assert_eq!((flushed.written, flushed.refused), (1, 0));
    assert_eq!(held().await, Some(5));
}
