//! Calls while a slot is being moved, when a part of a store is here and a part there.

use std::time::Duration;

use cache_core::key::{Glob, KeyPattern};
use cache_core::storage::{
    InvalidationMode, Outcome, Selector, Storage, StorageError, StorageErrorKind, Write,
    WriteAction,
};
use cache_redis::Redis;
use tiers_servers::RedisCluster;

use crate::common::{
    ask, blocking, entry, eventually, fill, holds, key, kind, now, options, remove_tag, set,
    set_write, stamp, until, write,
};
use crate::slots::{Moving, Node, nodes, slot_of};

const ENTRIES: usize = 10;

/// A store in one slot, which all stores of the test share.
async fn open(cluster: &RedisCluster, prefix: &str) -> Redis {
    let options = options(&cluster.url()).key_prefix(prefix).buckets(1);
    options.timeout(Duration::from_secs(10)).open().await.unwrap()
}

async fn begin(masters: &mut [Node]) -> Moving {
    Moving::begin(masters, slot_of(0)).await
}

async fn left(storage: &Redis, entries: usize) -> usize {
    let keys: Vec<_> = (0..entries).map(|number| key(&format!("n{number}"))).collect();
    let lookups = storage.get_many(&keys).await.unwrap();
    lookups.into_iter().filter(|lookup| lookup.as_ref().unwrap().entry.is_some()).count()
}

async fn remove_pattern(storage: &Redis) -> Result<u64, StorageError> {
    let selector = Selector::Pattern(KeyPattern::new("t", Glob::parse("n*").unwrap(), None));
    Ok(storage.invalidate(&selector, InvalidationMode::Remove).await?.entries)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_missed_or_lost_while_a_slot_moves() {
    let cluster = blocking(RedisCluster::start);
    let mut masters = nodes(&cluster.masters()).await;
    a_tag_is_not_done_while_an_entry_is_on_the_other_side(&cluster, &mut masters).await;
    a_tag_is_done_where_all_of_it_is_on_one_side(&cluster, &mut masters).await;
    a_touch_makes_no_second_set(&cluster, &mut masters).await;
    reads_find_what_is_on_either_side(&cluster, &mut masters).await;
    a_pattern_waits_until_the_slot_is_at_rest(&cluster, &mut masters).await;
    a_pattern_that_is_done_has_found_all(&cluster, &mut masters).await;
}

async fn a_tag_is_not_done_while_an_entry_is_on_the_other_side(
    cluster: &RedisCluster,
    masters: &mut [Node],
) {
    // On the server that the slot leaves, and on the one that it comes to.
    for (prefix, others) in [("a", &[][..]), ("b", &["fence", "counter", "t:t:tag"])] {
        let storage = open(cluster, prefix).await;
        for number in 0..ENTRIES {
            set(&storage, &format!("n{number}"), &["tag"]).await;
        }
        let mut moving = begin(masters).await;
        for name in others {
            moving.carry(&format!("{prefix}:{{0}}:{name}")).await;
        }
        for number in 0..ENTRIES / 2 {
            moving.carry(&format!("{prefix}:{{0}}:e:t:n{number}:v1")).await;
        }
        let told = remove_tag(&storage, "tag").await;
        moving.end().await;
        match told {
            Ok(_) => assert_eq!(left(&storage, ENTRIES).await, 0, "{prefix}: it said done"),
            Err(error) => assert_eq!(error.kind(), StorageErrorKind::Unavailable, "{error}"),
        }
        remove_tag(&storage, "tag").await.unwrap();
        assert_eq!(left(&storage, ENTRIES).await, 0, "{prefix}");
    }
}

async fn a_tag_is_done_where_all_of_it_is_on_one_side(
    cluster: &RedisCluster,
    masters: &mut [Node],
) {
    let storage = open(cluster, "c").await;
    let short = |number: usize| {
        let key = key(&format!("short{number}"));
        let entry = until(entry(&key, "x", &["tag"]), now().after(Duration::from_millis(50)));
        Write { key, action: WriteAction::Set { entry } }
    };
    // In one script, or the set would lose some of them when others are written.
    let writes = (0..ENTRIES).map(|number| set_write(&format!("n{number}"), "x", &["tag"]));
    let outcomes = storage.write(writes.chain((0..ENTRIES).map(short)).collect()).await.unwrap();
    assert_eq!(outcomes.len(), 2 * ENTRIES);
    tokio::time::sleep(Duration::from_millis(1_300)).await;
    let moving = begin(masters).await;
    // What has ended is on no side, and need not be waited for.
    assert_eq!(remove_tag(&storage, "tag").await.unwrap(), ENTRIES as u64);
    moving.end().await;
}

async fn a_touch_makes_no_second_set(cluster: &RedisCluster, masters: &mut [Node]) {
    let storage = open(cluster, "d").await;
    let key = key("touched");
    let entry = until(entry(&key, "x", &["tag"]), now().after(Duration::from_secs(60)));
    let token = entry.token;
    let action = WriteAction::Set { entry };
    assert_eq!(write(&storage, Write { key: key.clone(), action }).await.unwrap(), Outcome::Stored);
    let later = now().after(Duration::from_secs(3_600));
    let touch = || {
        let action = WriteAction::Touch { token, fresh_until: later, kept_until: later };
        write(&storage, Write { key: key.clone(), action })
    };
    let mut moving = begin(masters).await;
    for name in ["fence", "counter", "e:t:touched:v1"] {
        moving.carry(&format!("d:{{0}}:{name}")).await;
    }
    let told = touch().await;
    // A set that was made on the other side would be in the way of the one that comes.
    let mut owner = moving.end().await;
    if told.is_err() {
        assert_eq!(kind(told), StorageErrorKind::Unavailable);
        assert_eq!(touch().await.unwrap(), Outcome::Stored);
    }
    let ends: u64 = ask(&mut owner.connection, "ZSCORE d:{0}:t:t:tag t:touched:v1").await;
    assert_eq!(ends, later.unix_ms() - 1);
}

async fn reads_find_what_is_on_either_side(cluster: &RedisCluster, masters: &mut [Node]) {
    let (storage, other) = (open(cluster, "e").await, open(cluster, "e").await);
    for number in 0..ENTRIES {
        set(&storage, &format!("n{number}"), &[]).await;
    }
    let mut moving = begin(masters).await;
    moving.carry("e:{0}:counter").await;
    for number in 0..ENTRIES / 2 {
        moving.carry(&format!("e:{{0}}:e:t:n{number}:v1")).await;
    }
    let before = storage.get(&key("none")).await.unwrap();
    assert!(before.entry.is_none());
    for number in 0..ENTRIES {
        assert!(holds(&storage, &format!("n{number}")).await, "n{number}");
    }
    assert_eq!(left(&storage, ENTRIES + 3).await, ENTRIES);
    // Another process does not know yet that the keys are apart.
    assert_eq!(left(&other, ENTRIES + 3).await, ENTRIES);
    moving.end().await;
    assert_eq!(left(&storage, ENTRIES + 3).await, ENTRIES);
    // What was read under way is not trusted by the fence of the other server.
    set(&storage, "n0", &[]).await;
    assert_eq!(fill(&storage, "none", &[], before.stamp).await, Outcome::Fenced);
    let after = stamp(&storage, "none").await;
    assert_eq!(fill(&storage, "none", &[], after).await, Outcome::Stored);
}

async fn a_pattern_waits_until_the_slot_is_at_rest(cluster: &RedisCluster, masters: &mut [Node]) {
    let storage = open(cluster, "f").await;
    for number in 0..ENTRIES {
        set(&storage, &format!("n{number}"), &[]).await;
    }
    let moving = begin(masters).await;
    // Any of its keys might go to where it was looked for before.
    assert_eq!(kind(remove_pattern(&storage).await), StorageErrorKind::Unavailable);
    moving.end().await;
    remove_pattern(&storage).await.unwrap();
    assert_eq!(left(&storage, ENTRIES).await, 0);
}

async fn a_pattern_that_is_done_has_found_all(cluster: &RedisCluster, masters: &mut [Node]) {
    const MANY: usize = 4_000;
    let storage = open(cluster, "g").await;
    for first in (0..MANY).step_by(500) {
        let writes = (first..first + 500).map(|number| set_write(&format!("n{number}"), "x", &[]));
        storage.write(writes.collect()).await.unwrap();
    }
    let removing = tokio::spawn({
        let storage = storage.clone();
        async move { remove_pattern(&storage).await }
    });
    let moving = begin(masters).await;
    moving.end().await;
    match removing.await.unwrap() {
        Ok(_) => assert_eq!(left(&storage, MANY).await, 0, "it said done"),
        Err(error) => assert_eq!(error.kind(), StorageErrorKind::Unavailable, "{error}"),
    }
    eventually("it is done", || async { remove_pattern(&storage).await.is_ok() }).await;
    assert_eq!(left(&storage, MANY).await, 0);
}
