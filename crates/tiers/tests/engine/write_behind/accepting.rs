//! Stamps of what is accepted, and loads that fill the tiers meanwhile.

use std::sync::Arc;

use tiers::backplane::{Backplane, Silence};
use tiers::core::testing::Operation;
use tiers::error::Retry;
use tiers::handle::SetOptions;
use tiers::node::Abandoned;
use tiers::policy::write_behind::WhenFull;
use tiers::prelude::*;
use tiers::source::NoSource;

use super::stage::{DELAY, DOWN, Rows, SECOND, Stage, stage_with, storages, two_following, value};
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

/// Whoever waits for room has no less time afterwards.
#[tokio::test]
async fn the_time_of_a_value_begins_when_it_is_accepted() {
    let stage = stage_with(storages().queued_max(1), false);
    let gate = stage.far.hold(Operation::Write);
    stage.users.write_behind(&user(2), User { id: 2, version: 1 }).await.expect("has room");
    stage.clock.advance(DELAY);
    within(gate.arrived(1)).await;
    let options = SetOptions::new().ttl(10 * SECOND);
    let accepting = tokio::spawn({
        let users = stage.users.clone();
        async move { users.write_behind_with(&user(1), value(5), options).await }
    });
    until(|| stage.clock.sleepers() > 0).await;
    stage.clock.advance(8 * SECOND);
    gate.open();
    within(accepting).await.expect("no panic").expect("gets room");
    stage.clock.advance(5 * SECOND);
    assert_eq!(stage.get().await, 5);
    until(|| stage.stats().queued == 0).await;
    assert_eq!((stage.stats().written, stage.stats().refused), (2, 0));
    let other = stage.other(storages());
    assert_eq!(other.get().await, 5);
    stage.rows.change(1, 6);
    stage.clock.advance(5 * SECOND);
    assert_eq!((stage.get().await, other.get().await), (6, 6));
}

/// Its stamp would be from before the invalidation lands, which is to refuse it then.
#[tokio::test]
async fn nothing_is_accepted_while_an_invalidation_of_it_has_to_land_where_it_goes() {
    let stage = stage_with(storages(), true);
    // Too small for the far storage: what lands there late is told to the nearer ones once more.
    let tiers = [
        TierDefinition::new("memory").ttl(SECOND * 600),
        TierDefinition::new("near").ttl(SECOND * 600),
        TierDefinition::new("far").ttl(SECOND * 600).value_bytes_min(1 << 20),
    ];
    let definition = NodeDefinition::new("small", "small:{id}").tiers(tiers);
    let small = stage.cache.bind_as::<UserNode>(definition.write_behind(storages()), NoSource);
    let small = small.expect("binds");
    for users in [&stage.users, &small] {
        stage.far.fail_next(Operation::Invalidate, 1, DOWN);
        assert!(!users.invalidate(&user(1)).await.expect("is open").is_done());
        let asked = [&stage.near, &stage.far].map(|tier| tier.calls().stamps);
        let error = users.write_behind(&user(1), value(5)).await.expect_err("will be refused");
        assert!(matches!(&error, Error::Storage { storage, .. } if storage == "far"), "{error}");
        assert_eq!((error.retry(), error.key()), (Retry::Later, users.key(&user(1)).ok().as_ref()));
        assert_eq!([&stage.near, &stage.far].map(|tier| tier.calls().stamps), asked);
        assert_eq!(users.peek(&user(1)).await.expect("is open"), None);
        // Of many it is this one alone.
        let values = [1, 2].map(|id| (user(id), User { id, version: 5 }));
        let accepted = users.write_behind_many(values).await;
        assert_eq!(accepted.iter().map(Result::is_ok).collect::<Vec<_>>(), [false, true]);
        stage.pass_until_landed().await;
        users.write_behind(&user(1), value(6)).await.expect("has landed");
        let flushed = within(users.flush()).await.expect("is open");
        assert_eq!(flushed.refused, 0);
        assert_eq!(users.stats().write_behind.written, 2);
        let got = users.peek(&user(1)).await.expect("is open").expect("is there");
        assert_eq!(got.version, 6);
    }
}

#[tokio::test]
async fn what_has_to_land_since_the_stamp_was_asked_for_refuses_at_once() {
    let stage = Arc::new(stage_with(storages(), true));
    let stamped = stage.far.hold_answers(Operation::Stamps);
    let accepting = tokio::spawn({
        let users = stage.users.clone();
        async move { users.write_behind(&user(1), value(5)).await }
    });
    within(stamped.arrived(1)).await;
    // The far storage was not reached, and the near one is still to be told.
    stage.far.fail_next(Operation::Invalidate, 1, DOWN);
    let told = stage.near.hold(Operation::Invalidate);
    let invalidating = tokio::spawn({
        let users = stage.users.clone();
        async move { users.invalidate(&user(1)).await }
    });
    within(told.arrived(1)).await;
    stamped.open();
    let error = within(accepting).await.expect("no panic").expect_err("would be refused");
    assert!(matches!(&error, Error::Storage { storage, .. } if storage == "far"), "{error}");
    assert_eq!((stage.stats().accepted, stage.stats().queued), (0, 0));
    told.open();
    assert!(!within(invalidating).await.expect("no panic").expect("is open").is_done());
}

/// The older one has the nearer storage forget what it holds, and what bears a stamp from before.
#[tokio::test]
async fn a_value_that_goes_to_another_tier_is_accepted_after_the_older_one_has_landed() {
    for when_full in [WhenFull::Wait(SECOND), WhenFull::Refuse] {
        let options = storages().when_full(when_full);
        let stage = stage_with(options, false);
        let (large, small) = (value(u64::MAX), value(1));
        let bytes = |value: &User| UserNode::codec().encode(value).expect("encodes").len() as u64;
        assert!(bytes(&small) < bytes(&large));
        let tiers = [
            TierDefinition::new("near").ttl(SECOND * 600),
            TierDefinition::new("far").ttl(SECOND * 600).value_bytes_min(bytes(&large)),
        ];
        let definition = NodeDefinition::new("sized", "sized:{id}").tiers(tiers);
        let definition = definition.write_behind(options);
        let users = stage.cache.bind_as::<UserNode>(definition, NoSource).expect("binds");
        let gate = stage.far.hold(Operation::Write);
        users.write_behind(&user(1), large).await.expect("has room");
        stage.clock.advance(DELAY);
        within(gate.arrived(1)).await;
        let accepting = tokio::spawn({
            let users = users.clone();
            async move { users.write_behind(&user(1), small).await }
        });
        for _ in 0..64 {
            tokio::task::yield_now().await;
        }
        let waits = when_full != WhenFull::Refuse;
        assert_eq!(users.stats().write_behind.accepted, if waits { 1 } else { 2 });
        gate.open();
        within(accepting).await.expect("no panic").expect("is accepted");
        let _ = within(users.flush()).await.expect("is open");
        let stats = users.stats().write_behind;
        // Where nobody waits it is refused, and that is told.
        assert_eq!((stats.written, stats.refused), if waits { (2, 0) } else { (1, 1) });
        let got = users.peek(&user(1)).await.expect("is open").map(|got| got.version);
        assert_eq!(got, waits.then_some(1));
    }
}

/// What a cancelled load has sent may arrive whenever it likes, under the stamp of what is queued.
#[tokio::test]
async fn a_load_that_is_cancelled_while_it_fills_is_waited_for() {
    let stage = stage_with(storages(), false);
    let tiers = ["near", "far"].map(|name| TierDefinition::new(name).ttl(600 * SECOND));
    let definition = NodeDefinition::new("hasty", "hasty:{id}").tiers(tiers);
    let definition = definition.abandoned(Abandoned::Cancel).write_behind(storages());
    let users = stage.cache.bind_as::<UserNode>(definition, stage.rows.clone()).expect("binds");
    stage.rows.change(1, 1);
    let gate = stage.far.hold(Operation::Write);
    let reader = tokio::spawn({
        let users = users.clone();
        async move { users.get(&user(1)).await }
    });
    within(gate.arrived(1)).await;
    reader.abort();
    until(|| stage.cache.loads_in_flight() == 0).await;
    assert_eq!(users.stats().abandoned, 1);
    users.write_behind(&user(1), value(5)).await.expect("has room");
    stage.clock.advance(DELAY);
    for _ in 0..64 {
        tokio::task::yield_now().await;
    }
    assert_eq!((gate.waiting(), stage.far.calls().write), (1, 1), "the fill alone");
    gate.open();
    let flushed = within(users.flush()).await.expect("is open");
    assert_eq!((flushed.written, stage.far.calls().write), (1, 2));
    assert_eq!(users.get(&user(1)).await.expect("a value").version, 5);
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
