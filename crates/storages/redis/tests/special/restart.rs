//! Servers that die, come back, stand still.

use std::time::{Duration, Instant};

use cache_core::storage::{Outcome, Storage, StorageErrorKind};

use crate::common::{
    blocking, entry, eventually, fill, holds, key, kind, opened, options, remove_key, server,
    server_with, set, set_write, stamp, works, write,
};
use crate::load::Load;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_killed_and_comes_back_is_used_again() {
    let server = server();
    let timeout = Duration::from_secs(2);
    let storage = options(&server.url()).timeout(timeout).open().await.unwrap();
    let load = Load::on(&storage, timeout);
    for _ in 0..3 {
        tokio::time::sleep(Duration::from_millis(150)).await;
        blocking(|| server.kill());
        let begun = Instant::now();
        assert_eq!(kind(storage.get(&key("a")).await), StorageErrorKind::Unavailable);
        assert_eq!(kind(remove_key(&storage, "a").await), StorageErrorKind::Unavailable);
        assert!(begun.elapsed() < timeout, "a server that is not there is told soon");
        blocking(|| server.restart());
        eventually("it works again", || works(&storage)).await;
    }
    let met = load.stopped().await;
    assert!(met.done > 0 && met.failed > 0, "{met:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn loads_from_before_a_restart_are_given_up() {
    for arguments in [&[][..], &["--appendonly", "yes", "--appendfsync", "always"]] {
        let server = server_with(arguments);
        let persistent = !arguments.is_empty();
        let storage = opened(&server).await;
        set(&storage, "kept", &["tag"]).await;
        let (stamp_before, kept_before) =
            (stamp(&storage, "new").await, stamp(&storage, "kept").await);
        blocking(|| server.kill());
        blocking(|| server.restart());
        eventually("it answers", || async { storage.get(&key("kept")).await.is_ok() }).await;
        assert_eq!(holds(&storage, "kept").await, persistent);
        // What it forgot to invalidate, if it forgot something, is not known: nothing is stored.
        assert_eq!(fill(&storage, "new", &[], stamp_before).await, Outcome::Fenced);
        assert_eq!(fill(&storage, "kept", &[], kept_before).await, Outcome::Fenced);
        let after = stamp(&storage, "new").await;
        assert_ne!(after.origin, stamp_before.origin);
        assert!(after.mark > stamp_before.mark);
        assert_eq!(fill(&storage, "new", &[], after).await, Outcome::Stored);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_stands_still_is_given_up_in_time() {
    let server = server();
    let timeout = Duration::from_millis(300);
    let storage = options(&server.url()).timeout(timeout).open().await.unwrap();
    set(&storage, "a", &[]).await;
    let load = Load::on(&storage, timeout);
    blocking(|| server.pause());
    for _ in 0..2 {
        let begun = Instant::now();
        assert_eq!(kind(storage.get(&key("a")).await), StorageErrorKind::Unavailable);
        assert_eq!(kind(storage.get_many(&[key("a")]).await), StorageErrorKind::Unavailable);
        let value = set_write("a", "late", &[]);
        assert_eq!(kind(write(&storage, value).await), StorageErrorKind::Unavailable);
        assert!(begun.elapsed() >= 3 * timeout);
    }
    blocking(|| server.resume());
    eventually("it works again", || works(&storage)).await;
    let met = load.stopped().await;
    assert!(met.done > 0 && met.failed > 0, "{met:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_not_there_is_told_when_opening() {
    let server = server();
    blocking(|| server.kill());
    let opened = options(&server.url()).timeout(Duration::from_millis(500)).open().await;
    assert_eq!(kind(opened), StorageErrorKind::Unavailable);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_entry_ends_by_the_clock_of_the_server() {
    let server = server();
    let storage = opened(&server).await;
    let key = key("ends");
    let mut short = entry(&key, "x", &[]);
    // No program's clock is asked: by this one's, it would have ended long ago or never.
    short.fresh_until = crate::common::now().after(Duration::from_millis(200));
    short.kept_until = short.fresh_until;
    let action = cache_core::storage::WriteAction::Set { entry: short };
    let stored = write(&storage, cache_core::storage::Write { key: key.clone(), action }).await;
    assert_eq!(stored.unwrap(), Outcome::Stored);
    let mut connection = crate::common::connection(server.port()).await;
    let left: i64 = crate::common::ask(&mut connection, "PTTL tiers:{0}:e:t:ends:v1").await;
    assert!((1..=200).contains(&left), "{left} ms are left");
    eventually("it ends", || async { !holds(&storage, "ends").await }).await;
}
