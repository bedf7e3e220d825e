//! Order, batches, and what changes and invalidations in between do.

use std::collections::HashSet;
use std::time::Duration;

use tiers::core::testing::Operation;
use tiers::events::{CacheEvent, WriteLost};
use tiers::handle::SetOptions;
use tiers::policy::stale::StaleOptions;
use tiers::prelude::*;
use tiers::storage::StorageErrorKind;

use super::stage::{DELAY, SECOND, source, stage, stage_with, storages, two_following, value, why};
use crate::support::{User, UserNode, until, user, within};

#[tokio::test]
async fn a_write_is_read_at_once_and_stored_after_its_delay() {
    for with_memory in [true, false] {
        let stage = stage_with(storages(), with_memory);
        stage.rows.change(1, 1);
        assert_eq!(stage.get().await, 1);
        for version in 2..=4 {
            stage.accept(version).await;
            assert_eq!(stage.get().await, version);
        }
        let peeked = stage.users.entry(&user(1)).await.expect("is open").expect("is there");
        assert_eq!(peeked.storage, if with_memory { "memory" } else { "write-behind" });
        assert_eq!((stage.stored(&stage.far), stage.stored(&stage.near)), (Some(1), Some(1)));
        assert_eq!(stage.stats().queued, 1);
        stage.clock.advance(DELAY);
        until(|| stage.stats().queued == 0).await;
        // The farthest has it, the near one forgets what it had, as after a `set`.
        assert_eq!((stage.stored(&stage.far), stage.stored(&stage.near)), (Some(4), None));
        let stats = stage.stats();
        assert_eq!((stats.accepted, stats.coalesced, stats.written), (3, 2, 1));
        assert_eq!(stage.get().await, 4);
        assert_eq!(stage.rows.loads(), 1);
    }
}

#[tokio::test]
async fn values_are_written_in_batches_and_each_key_in_its_order() {
    let stage = stage(source().batch_max(3));
    let gate = stage.rows.hold();
    stage.accept(1).await;
    stage.clock.advance(DELAY);
    gate.arrived(1).await;
    let others = (2..6).map(|id| (user(id), User { id, version: 7 }));
    let results = stage.users.write_behind_many(others).await;
    assert!(results.iter().all(Result::is_ok));
    stage.accept(2).await;
    stage.accept(3).await;
    gate.open();
    let flushed = within(stage.users.flush()).await.expect("is open");
    assert!(flushed.is_complete());
    let batches = stage.rows.batches();
    assert!(batches.iter().all(|batch| batch.len() <= 3), "{batches:?}");
    let of_one: Vec<u64> =
        batches.iter().flatten().filter(|row| row.0 == 1).map(|row| row.1).collect();
    assert_eq!(of_one, [1, 3]);
    assert_eq!((2..6).map(|id| stage.rows.row(id)).collect::<Vec<_>>(), [Some(7); 4]);
}

#[tokio::test]
async fn a_source_gets_it_first_and_the_storages_after_it() {
    let stage = stage(source());
    stage.rows.change(1, 1);
    stage.get().await;
    stage.accept(2).await;
    assert_eq!(
        (stage.rows.row(1), stage.stored(&stage.far), stage.get().await),
        (Some(1), Some(1), 2)
    );
    // A refresh does not bring back what the source is yet to lose.
    assert_eq!(within(stage.users.refresh(&user(1))).await.expect("a value").version, 2);
    let flushed = within(stage.users.flush_node(&user(1))).await.expect("is open");
    assert_eq!(flushed.written, 1);
    assert_eq!((stage.rows.row(1), stage.stored(&stage.far)), (Some(2), Some(2)));
    let other = stage.other(source());
    assert_eq!(other.get().await, 2);
}

#[tokio::test]
async fn what_is_invalidated_before_it_is_written_is_neither_stored_nor_served() {
    for what in ["key", "tag", "pattern", "clear", "expire", "set", "update"] {
        let stage = stage_with(storages(), false);
        stage.rows.change(1, 1);
        stage.accept(5).await;
        let (cache, users) = (&stage.cache, &stage.users);
        stage.rows.change(1, 9);
        let done = match what {
            "key" => users.invalidate(&user(1)).await.map(|done| done.is_done()),
            "tag" => cache.invalidate_tag("user:1").await.map(|done| done.is_done()),
            "pattern" => users.invalidate_pattern("user:*").await.map(|done| done.is_done()),
            "clear" => cache.clear().await.map(|done| done.is_done()),
            "expire" => users.expire(&user(1)).await.map(|done| done.is_done()),
            "set" => users.set(&user(1), value(9)).await.map(|()| true),
            _ => {
                let change = || async { Ok::<_, LoadError>(value(9)) };
                users.update(&user(1), change).await.map(|_| true)
            }
        };
        assert!(done.expect("is open"), "{what}");
        assert_eq!(stage.get().await, 9, "{what}");
        let flushed = within(users.flush()).await.expect("is open");
        assert_eq!(flushed.written, 0, "{what}");
        assert_eq!(stage.get().await, 9, "{what}");
        assert!(stage.stored(&stage.far).is_none_or(|stored| stored == 9), "{what}");
        assert_eq!((stage.stats().withdrawn, stage.stats().queued), (1, 0), "{what}");
    }
}

#[tokio::test]
async fn what_another_process_invalidates_keeps_out_what_was_queued_and_that_is_told() {
    let stage = stage(storages());
    let mut lost = stage.lost();
    stage.rows.change(1, 1);
    stage.accept(5).await;
    let other = stage.other(storages());
    stage.rows.change(1, 9);
    assert!(other.users.invalidate(&user(1)).await.expect("is open").is_done());
    let flushed = within(stage.users.flush()).await.expect("is open");
    assert_eq!((flushed.written, flushed.refused, flushed.is_complete()), (0, 1, false));
    assert_eq!(why(&mut lost), [WriteLost::Refused]);
    assert_eq!(stage.stats().refused, 1);
    // Memory does not keep what nothing else took.
    assert_eq!((stage.get().await, other.get().await), (9, 9));
}

#[tokio::test]
async fn a_load_from_before_does_not_take_the_place_of_what_was_accepted() {
    let stage = stage(storages());
    stage.rows.change(1, 1);
    // Its answer from the far storage is on its way while the value is accepted and written.
    let gate = stage.far.hold_answers(Operation::Get);
    let reader = tokio::spawn({
        let users = stage.users.clone();
        async move { users.get(&user(1)).await }
    });
    gate.arrived(1).await;
    stage.accept(5).await;
    within(stage.users.flush()).await.expect("is open").is_complete();
    gate.open();
    within(reader).await.expect("no panic").expect("a value");
    until(|| stage.cache.loads_in_flight() == 0).await;
    assert_eq!((stage.get().await, stage.stored(&stage.far)), (5, Some(5)));
    // A refresh that begins later asks the source by name, and outdates what waits.
    stage.accept(6).await;
    stage.rows.change(1, 7);
    assert_eq!(within(stage.users.refresh(&user(1))).await.expect("a value").version, 7);
    assert_eq!(stage.get().await, 7);
    let _ = within(stage.users.flush()).await.expect("is open");
    assert_eq!((stage.get().await, stage.stored(&stage.far)), (7, Some(7)));
}

#[tokio::test]
async fn an_invalidation_leaves_the_source_its_value_and_forgets_it_everywhere() {
    let stage = stage(source());
    stage.rows.change(1, 1);
    stage.accept(5).await;
    assert!(stage.cache.clear().await.expect("is open").is_done());
    // From here on the source is what counts, and it has not got it yet.
    assert_eq!(stage.get().await, 1);
    let flushed = within(stage.users.flush()).await.expect("is open");
    assert_eq!(flushed.written, 1);
    assert_eq!(
        (stage.rows.row(1), stage.stored(&stage.far), stage.get().await),
        (Some(5), None, 5)
    );
}

#[tokio::test]
async fn changes_of_the_source_come_after_what_was_queued_for_it() {
    let stage = stage(source());
    stage.accept(5).await;
    let rows = stage.rows.clone();
    let change = move || async move {
        let version = rows.row(1).unwrap_or_default() + 1;
        rows.change(1, version);
        Ok::<_, LoadError>(value(version))
    };
    within(stage.users.update(&user(1), change)).await.expect("is open");
    assert_eq!((stage.rows.row(1), stage.get().await), (Some(6), 6));
    stage.accept(7).await;
    within(stage.users.write_through(&user(1), value(8))).await.expect("is open");
    assert_eq!(stage.stats().queued, 0);
    assert_eq!((stage.rows.row(1), stage.get().await), (Some(8), 8));
}

#[tokio::test]
async fn tags_and_times_are_those_of_the_acceptance() {
    let stage = stage(storages());
    let options = SetOptions::new().ttl(SECOND).tag("new");
    stage.users.write_behind_with(&user(1), value(1), options).await.expect("has room");
    stage.rows.change(1, 2);
    stage.clock.advance(SECOND);
    until(|| stage.stats().queued == 0).await;
    assert_eq!(stage.get().await, 2, "its second is over, wherever it waited");
    stage
        .users
        .write_behind_with(&user(1), value(3), SetOptions::new().tag("new"))
        .await
        .expect("has room");
    assert!(stage.cache.invalidate_tag("new").await.expect("is open").is_done());
    let _ = within(stage.users.flush()).await.expect("is open");
    assert_eq!(stage.get().await, 2);
}

#[tokio::test]
async fn what_has_no_time_left_does_not_take_the_place_of_what_was_loaded_after_it() {
    let stage = stage(storages().delay(Duration::from_secs(3600)));
    let mut lost = stage.lost();
    let options = SetOptions::new().ttl(SECOND);
    stage.users.write_behind_with(&user(1), value(1), options).await.expect("has room");
    stage.rows.change(1, 2);
    stage.clock.advance(SECOND);
    let flushed = within(stage.users.flush()).await.expect("is open");
    assert_eq!((flushed.written, flushed.refused), (0, 1));
    assert_eq!((stage.get().await, stage.stored(&stage.far)), (2, Some(2)));
    assert_eq!(why(&mut lost), [WriteLost::Refused]);
}

#[tokio::test]
async fn of_a_batch_only_what_has_no_time_left_is_kept_out() {
    let stage = stage(storages().delay(Duration::from_secs(3600)));
    let mut lost = stage.lost();
    for id in 0..4 {
        let options = SetOptions::new().ttl(SECOND * if id % 2 == 0 { 1 } else { 60 });
        let value = User { id, version: 10 + id };
        stage.users.write_behind_with(&user(id), value, options).await.expect("has room");
    }
    stage.clock.advance(SECOND);
    let flushed = within(stage.users.flush()).await.expect("is open");
    assert_eq!((flushed.written, flushed.refused), (2, 2));
    let told = std::iter::from_fn(|| lost.try_recv()).map(|event| match event {
        CacheEvent::WriteLost { key, why: WriteLost::Refused, .. } => key,
        other => panic!("{other:?}"),
    });
    let late = [0, 2].map(|id| stage.users.key(&user(id)).expect("a valid key"));
    assert_eq!(told.collect::<HashSet<_>>(), HashSet::from(late));
    for id in [1, 3] {
        let got = within(stage.users.get(&user(id))).await.expect("a value");
        assert_eq!((got.id, got.version), (id, 10 + id));
    }
}

#[tokio::test]
async fn a_load_past_the_queue_is_newer_than_what_waits_there() {
    for is_unchanged in [false, true] {
        let (one, _other, log) = two_following(storages().delay(Duration::from_secs(3600))).await;
        if is_unchanged {
            // The load finds the copy that it goes by to be as good as new.
            one.rows.compare();
            one.rows.change(1, 9);
            assert_eq!(one.get().await, 9);
            assert!(one.users.expire(&user(1)).await.expect("is open").is_done());
        }
        let loads = one.rows.loads();
        one.accept(5).await;
        one.rows.change(1, 9);
        // In silence nothing is read from the queue; the stamp of the load is that of the acceptance.
        log.set_down(true);
        within(async {
            while one.get().await != 9 {
                one.clock.advance(DELAY);
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        })
        .await;
        assert_eq!((one.rows.loads() == loads, one.stored(&one.far)), (is_unchanged, Some(9)));
        let flushed = within(one.users.flush()).await.expect("is open");
        assert_eq!((flushed.refused, one.stored(&one.far)), (1, Some(9)), "{is_unchanged}");
    }
}

/// A load that may go on by itself is begun anew when the tiers have been read.
#[tokio::test]
async fn a_load_that_is_handed_on_does_not_pass_over_what_was_accepted_meanwhile() {
    for options in [source(), storages()] {
        let stage = stage(options);
        let tiers = ["memory", "near", "far"].map(|name| TierDefinition::new(name).ttl(SECOND));
        let definition = NodeDefinition::new("patient", "patient:{id}").tiers(tiers);
        let stale = StaleOptions::new().if_error(600 * SECOND).soft_timeout(SECOND);
        let definition = definition.stale(stale).write_behind(options);
        let users = stage.cache.bind_as::<UserNode>(definition, stage.rows.clone());
        let users = users.expect("binds");
        let get = async || within(users.get(&user(1))).await.expect("a value").version;
        stage.rows.change(1, 1);
        assert_eq!(get().await, 1);
        stage.clock.advance(SECOND);
        let gate = stage.far.hold_answers(Operation::Get);
        let reader = tokio::spawn({
            let users = users.clone();
            async move { users.get(&user(1)).await }
        });
        within(gate.arrived(1)).await;
        users.write_behind(&user(1), value(5)).await.expect("has room");
        gate.open();
        within(reader).await.expect("no panic").expect("a value");
        until(|| stage.cache.loads_in_flight() == 0).await;
        assert_eq!(get().await, 5, "{options:?}");
        let flushed = within(users.flush()).await.expect("is open");
        assert_eq!((flushed.written, flushed.refused, get().await), (1, 0, 5), "{options:?}");
    }
}

#[tokio::test]
async fn a_copy_that_was_to_be_renewed_while_it_was_queued_is_renewed_later() {
    let options = source().delay(60 * SECOND);
    let stage = stage(options);
    let tiers = [("memory", SECOND), ("far", 600 * SECOND)];
    let tiers = tiers.map(|(name, ttl)| TierDefinition::new(name).ttl(ttl));
    let stale = StaleOptions::new().while_revalidate(600 * SECOND);
    let definition = NodeDefinition::new("renewed", "renewed:{id}").tiers(tiers).stale(stale);
    let definition = definition.write_behind(options);
    let users = stage.cache.bind_as::<UserNode>(definition, stage.rows.clone()).expect("binds");
    let is_stale = async || {
        let fetched = within(users.fetch(&user(1))).await.expect("an answer");
        assert_eq!(fetched.value.expect("a value").version, 5);
        until(|| stage.cache.loads_in_flight() == 0).await;
        fetched.stale
    };
    users.write_behind(&user(1), value(5)).await.expect("has room");
    stage.clock.advance(SECOND);
    assert!(is_stale().await, "and the queue answers the load behind it");
    let flushed = within(users.flush()).await.expect("is open");
    assert_eq!(flushed.written, 1);
    stage.clock.advance(SECOND);
    assert!(is_stale().await, "and the storage answers the load behind it");
    assert!(!is_stale().await);
}

#[tokio::test]
async fn what_is_accepted_while_an_invalidation_is_under_way_stays_readable() {
    for by_tag in [false, true] {
        let stage = stage(storages().delay(Duration::from_secs(3600)));
        stage.rows.change(1, 1);
        let gate = stage.near.hold(Operation::Invalidate);
        let invalidating = tokio::spawn({
            let (users, cache) = (stage.users.clone(), stage.cache.clone());
            async move {
                match by_tag {
                    false => users.invalidate(&user(1)).await,
                    true => cache.invalidate_tag("user:1").await,
                }
            }
        });
        gate.arrived(1).await;
        stage.accept(5).await;
        gate.open();
        assert!(within(invalidating).await.expect("no panic").expect("is open").is_done());
        assert_eq!(stage.get().await, 5, "by tag: {by_tag}");
    }
}

#[tokio::test]
async fn what_is_accepted_before_an_earlier_invalidation_lands_stays_readable() {
    let stage = stage_with(storages().delay(Duration::from_secs(3600)), true);
    stage.rows.change(1, 1);
    assert_eq!(stage.get().await, 1);
    stage.near.fail_next(Operation::Invalidate, 1, StorageErrorKind::Unavailable);
    assert!(!stage.users.invalidate(&user(1)).await.expect("is open").is_done());
    stage.accept(5).await;
    stage.pass_until_landed().await;
    assert_eq!((stage.near.calls().invalidate, stage.get().await), (2, 5));
    let flushed = within(stage.users.flush()).await.expect("is open");
    assert_eq!((flushed.written, stage.stored(&stage.far)), (1, Some(5)));
}

#[tokio::test]
async fn what_others_tell_of_is_read_no_more_and_the_storage_decides_whether_it_stays() {
    let (one, other, log) = two_following(storages()).await;
    let mut lost = one.lost();
    one.rows.change(1, 1);
    one.accept(5).await;
    one.rows.change(1, 9);
    assert!(other.users.invalidate(&user(1)).await.expect("is open").is_done());
    one.followed(&log).await;
    assert_eq!(one.get().await, 9, "neither memory nor the queue serves it");
    let flushed = within(one.users.flush()).await.expect("is open");
    assert_eq!((flushed.refused, one.stored(&one.far)), (1, Some(9)));
    assert_eq!(why(&mut lost), [WriteLost::Refused]);

    // A change that another process has written takes back nothing that is newer.
    other.accept(10).await;
    one.accept(11).await;
    let _ = within(other.users.flush()).await.expect("is open");
    one.followed(&log).await;
    assert_eq!(one.get().await, 10, "until it knows better");
    let flushed = within(one.users.flush()).await.expect("is open");
    assert_eq!((flushed.written, one.stored(&one.far)), (1, Some(11)));
    other.followed(&log).await;
    assert_eq!((one.get().await, other.get().await), (11, 11));
}
