//! Clusters whose slots move and whose masters die.

use std::time::Duration;

use cache_core::key::{Glob, KeyPattern};
use cache_core::storage::{InvalidationMode, Outcome, Selector, Storage, StorageErrorKind};
use cache_redis::Redis;
use tiers_servers::RedisCluster;

use crate::common::{
    ask, blocking, eventually, fill, holds, key, kind, options, remove_tag, set, set_write, works,
};
use crate::load::Load;
use crate::slots::{Moving, Node, nodes, slot_of};

const BUCKETS: u16 = 8;
const TIMEOUT: Duration = Duration::from_secs(5);

async fn open(cluster: &RedisCluster) -> Redis {
    options(&cluster.url()).buckets(BUCKETS).timeout(TIMEOUT).open().await.unwrap()
}

/// A cluster works when every bucket does.
async fn all_work(storage: &Redis) -> bool {
    let writes = (0..100).map(|number| set_write(&format!("w{number}"), "x", &["works"]));
    let written = storage.write(writes.collect()).await;
    written.is_ok_and(|outcomes| outcomes.iter().all(Result::is_ok))
        && remove_tag(storage, "works").await.is_ok()
        && works(storage).await
}

/// Moves a slot as administrators do, key by key.
async fn migrate(masters: &mut [Node], slot: u16) {
    let mut moving = Moving::begin(masters, slot).await;
    loop {
        let names = moving.names(10).await;
        if names.is_empty() {
            break;
        }
        for name in names {
            moving.carry(&name).await;
            // Callers meet a slot of which a part is here and a part is there.
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
    moving.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slots_may_move_and_masters_may_die_under_load() {
    let cluster = blocking(RedisCluster::start);
    let storage = open(&cluster).await;
    for number in 0..40 {
        set(&storage, &format!("kept{number}"), &["kept"]).await;
    }
    let names: Vec<String> = (0..40).map(|number| format!("new{number}")).collect();
    let keys: Vec<_> = names.iter().map(|name| key(name)).collect();
    let before_moves = storage.stamps(&keys).await.unwrap();

    let load = Load::on(&storage, TIMEOUT);
    let mut masters = nodes(&cluster.masters()).await;
    for bucket in 0..BUCKETS {
        migrate(&mut masters, slot_of(bucket)).await;
    }
    eventually("all buckets work where they are now", || all_work(&storage)).await;
    let met = load.stopped().await;
    assert!(met.done > 0, "{met:?}");
    for number in 0..40 {
        assert!(holds(&storage, &format!("kept{number}")).await, "kept{number}");
    }
    // A fence that came to another server is no longer trusted with what it may have missed.
    for (name, before) in names.iter().zip(before_moves) {
        assert_eq!(fill(&storage, name, &[], before).await, Outcome::Fenced, "{name}");
    }

    let before_death = storage.stamps(&keys).await.unwrap();
    let load = Load::on(&storage, TIMEOUT);
    for _ in 0..2 {
        // All of it is on the replicas.
        for master in &mut masters {
            let _: u64 = ask(&mut master.connection, "WAIT 1 1000").await;
        }
    }
    let victim = cluster.masters()[0];
    blocking(|| victim.kill());
    eventually("all buckets work with the replica", || all_work(&storage)).await;
    let met = load.stopped().await;
    assert!(met.done > 0 && met.failed > 0, "{met:?}");
    let after_death = storage.stamps(&keys).await.unwrap();
    let mut given_up = 0;
    for ((name, before), after) in names.iter().zip(before_death).zip(after_death) {
        let outcome = fill(&storage, name, &[], before).await;
        // Those of the dead master's buckets are given up, the others are not.
        assert_eq!(outcome == Outcome::Fenced, before.origin != after.origin, "{name}");
        given_up += usize::from(outcome == Outcome::Fenced);
        assert_eq!(fill(&storage, name, &[], after).await, Outcome::Stored, "{name}");
    }
    assert!(given_up > 0);
    assert_eq!(remove_tag(&storage, "kept").await.unwrap(), 40);
    blocking(|| victim.restart());
    eventually("all is well", || all_work(&storage)).await;

    finds_everything_on_every_master(&storage).await;
    all_processes_must_agree_on_the_buckets(&cluster).await;
}

async fn finds_everything_on_every_master(storage: &Redis) {
    for number in 0..500 {
        set(storage, &format!("scan{number}"), &[]).await;
    }
    let glob = Glob::parse("scan*").unwrap();
    let selector = Selector::Pattern(KeyPattern::new("t", glob, None));
    let listed: Vec<_> =
        futures_util::TryStreamExt::try_collect(storage.scan(&selector)).await.unwrap();
    assert_eq!(listed.len(), 500);
    let removed = storage.invalidate(&selector, InvalidationMode::Remove).await.unwrap();
    assert_eq!(removed.entries, 500);
}

async fn all_processes_must_agree_on_the_buckets(cluster: &RedisCluster) {
    let other = options(&cluster.url()).buckets(BUCKETS * 2).timeout(TIMEOUT).open().await;
    assert_eq!(kind(other), StorageErrorKind::Incompatible);
}
