//! Servers that follow another, and those that take its place.

use std::time::Duration;

use cache_core::storage::{Outcome, Storage, StorageErrorKind};
use tiers_servers::RedisSentinel;

use crate::common::{
    ask, blocking, connection, eventually, fill, holds, key, kind, opened, options, server, set,
    set_write, stamp, works, write,
};
use crate::load::Load;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_follows_another_takes_no_writes() {
    let (server, other) = (server(), crate::common::server());
    let storage = opened(&server).await;
    set(&storage, "a", &[]).await;
    let mut connection = connection(server.port()).await;
    ask::<()>(&mut connection, &format!("REPLICAOF 127.0.0.1 {}", other.port())).await;
    assert_eq!(
        kind(write(&storage, set_write("a", "x", &[])).await),
        StorageErrorKind::Unavailable
    );
    assert_eq!(kind(options(&server.url()).open().await), StorageErrorKind::Unavailable);
    ask::<()>(&mut connection, "REPLICAOF NO ONE").await;
    eventually("it works again", || works(&storage)).await;
    // Nobody follows, and so much is asked for.
    ask::<()>(&mut connection, "CONFIG SET min-replicas-to-write 1").await;
    assert_eq!(
        kind(write(&storage, set_write("a", "x", &[])).await),
        StorageErrorKind::Unavailable
    );
    assert!(storage.get(&key("a")).await.is_ok());
    ask::<()>(&mut connection, "CONFIG SET min-replicas-to-write 0").await;
    assert!(works(&storage).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_that_takes_over_is_found_and_lets_nothing_old_in() {
    let group = blocking(RedisSentinel::start);
    let timeout = Duration::from_secs(2);
    let storage = options(&group.url()).timeout(timeout).open().await.unwrap();
    set(&storage, "kept", &["tag"]).await;
    let before = stamp(&storage, "new").await;
    // The replica has all of it.
    let mut master = connection(group.data()[0].port()).await;
    assert_eq!(ask::<u64>(&mut master, "WAIT 1 10000").await, 1);
    let load = Load::on(&storage, timeout);
    blocking(|| group.data()[0].kill());
    eventually("the replica is used", || works(&storage)).await;
    let met = load.stopped().await;
    assert!(met.done > 0 && met.failed > 0, "{met:?}");
    assert!(holds(&storage, "kept").await);
    assert_eq!(fill(&storage, "new", &[], before).await, Outcome::Fenced);
    let after = stamp(&storage, "new").await;
    assert_ne!(after.origin, before.origin);
    assert_eq!(fill(&storage, "new", &[], after).await, Outcome::Stored);
    // The old master comes back as a replica, and nothing changes for callers.
    blocking(|| group.data()[0].restart());
    assert!(works(&storage).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_that_nobody_knows_is_told() {
    let group = blocking(RedisSentinel::start);
    let url = group.url().replace("master=mymaster", "master=nobody");
    let error = options(&url).timeout(Duration::from_secs(2)).open().await.unwrap_err();
    assert_eq!(error.kind(), StorageErrorKind::Unavailable, "{error}");
}
