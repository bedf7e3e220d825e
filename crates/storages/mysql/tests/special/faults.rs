//! Each fault on a real server: errors say what they are, nothing hangs, the storage comes back
//! by itself, nothing torn is read.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use cache_core::key::Key;
use cache_core::storage::{InvalidationMode, Selector, Storage, StorageErrorKind};
use tiers_servers::Proxy;

use crate::common::*;

/// Reads until the server answers again.
async fn recovered(storage: &dyn Storage, key: &Key) {
    let begun = Instant::now();
    while storage.get(key).await.is_err() {
        assert!(begun.elapsed() < Duration::from_secs(30), "the storage did not come back");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_killed_in_the_middle_of_batches_leaves_whole_entries() {
    let server = own_server(&[]).await;
    let storage = open_hurried(options(&server.url(), ""), Duration::from_secs(3)).await;
    let keys: Vec<Key> = (0..50).map(|at| key(&format!("k{at}"))).collect();
    let (ending, written) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let writers: Vec<_> = (0..4u8)
        .map(|number| {
            let (storage, keys) = (storage.clone(), keys.clone());
            let (ending, written) = (Arc::clone(&ending), Arc::clone(&written));
            tokio::spawn(async move {
                while !ending.load(Ordering::SeqCst) {
                    let batch = keys.iter().map(|key| set(key, value(key, [number; 5_000], &[])));
                    match storage.write(batch.collect()).await {
                        Ok(_) => drop(written.fetch_add(1, Ordering::SeqCst)),
                        Err(error) => assert!(error.is_transient(), "{error}"),
                    }
                }
            })
        })
        .collect();
    while written.load(Ordering::SeqCst) < 20 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let hurt = Arc::clone(&server);
    blocking(move || hurt.kill().unwrap()).await;
    let begun = Instant::now();
    let error = storage.get(&keys[0]).await.unwrap_err();
    assert_eq!(error.kind(), StorageErrorKind::Unavailable, "{error}");
    assert!(begun.elapsed() < LONG, "took {:?}", begun.elapsed());
    let hurt = Arc::clone(&server);
    blocking(move || hurt.restart().unwrap()).await;
    recovered(&storage, &keys[0]).await;
    let landed = written.load(Ordering::SeqCst);
    while written.load(Ordering::SeqCst) < landed + 10 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    ending.store(true, Ordering::SeqCst);
    for writer in writers {
        writer.await.unwrap();
    }
    for key in &keys {
        let entry = read(&storage, key).await.unwrap();
        assert!(entry.payload.iter().all(|byte| *byte == entry.payload[0]), "{key} is torn");
    }
    storage.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_invalidation_outlives_a_crash_of_the_server() {
    let server = own_server(&["--innodb-flush-log-at-trx-commit=1"]).await;
    let storage = open(&server.url(), "").await;
    let (key, other) = (key("gone"), key("kept"));
    store(&storage, vec![set(&key, value(&key, "x", &[])), set(&other, value(&other, "x", &[]))])
        .await;
    storage.flush().await.unwrap();
    let selector = Selector::Keys(vec![key.clone()]);
    storage.invalidate(&selector, InvalidationMode::Remove).await.unwrap();
    let hurt = Arc::clone(&server);
    blocking(move || {
        hurt.kill().unwrap();
        hurt.restart().unwrap();
    })
    .await;
    recovered(&storage, &key).await;
    assert_eq!(read(&storage, &key).await, None, "back after a crash of the server");
    assert!(read(&storage, &other).await.is_some(), "lost by a crash although it was flushed");
    storage.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_stands_still_is_waited_for_no_longer_than_the_timeout() {
    let server = shared_server().await;
    let proxy = blocking(move || (Proxy::to(server.port()).unwrap(), server)).await;
    let (proxy, _server) = proxy;
    let url = format!("mysql://root@127.0.0.1:{}/tiers", proxy.port());
    let storage = open_hurried(options(&url, "&pool_size=2"), HURRY).await;
    let key = key("still");
    store(&storage, vec![set(&key, value(&key, "x", &[]))]).await;
    proxy.stall();
    let selector = Selector::Keys(vec![key.clone()]);
    let begun = Instant::now();
    // More than there are connections: those that wait for one are answered, too.
    let reads = (0..6).map(|_| storage.get(&key));
    let (reads, writes, invalidated) = tokio::join!(
        futures_util::future::join_all(reads),
        storage.write(vec![set(&key, value(&key, "y", &[]))]),
        storage.invalidate(&selector, InvalidationMode::Remove),
    );
    assert!(begun.elapsed() < LONG, "took {:?}", begun.elapsed());
    for read in reads {
        assert_eq!(read.unwrap_err().kind(), StorageErrorKind::Unavailable);
    }
    assert_eq!(writes.unwrap_err().kind(), StorageErrorKind::Unavailable);
    assert_eq!(invalidated.unwrap_err().kind(), StorageErrorKind::Unavailable);
    proxy.resume();
    recovered(&storage, &key).await;
    store(&storage, vec![set(&key, value(&key, "z", &[]))]).await;
    storage.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_paused_server_is_unavailable_and_comes_back() {
    let server = own_server(&[]).await;
    let storage = open_hurried(options(&server.url(), "&pool_size=1"), HURRY).await;
    let key = key("paused");
    store(&storage, vec![set(&key, value(&key, "x", &[]))]).await;
    server.pause().unwrap();
    // The signal takes its time to reach all threads.
    let begun = Instant::now();
    let error = loop {
        match storage.get(&key).await {
            Err(error) => break error,
            Ok(_) => assert!(begun.elapsed() < Duration::from_secs(10), "it does not stand still"),
        }
    };
    let begun = Instant::now();
    assert_eq!(error.kind(), StorageErrorKind::Unavailable, "{error}");
    let error = write(&storage, set(&key, value(&key, "y", &[]))).await.unwrap_err();
    assert_eq!(error.kind(), StorageErrorKind::Unavailable, "{error}");
    let opened = options(&server.url(), "").timeout(HURRY).open().await;
    assert_eq!(opened.unwrap_err().kind(), StorageErrorKind::Unavailable);
    assert!(begun.elapsed() < LONG, "took {:?}", begun.elapsed());
    server.resume().unwrap();
    recovered(&storage, &key).await;
    // What was asked for while it stood still may have been done all the same, as a whole.
    let payload = read(&storage, &key).await.unwrap().payload;
    assert!(&payload[..] == b"x" || &payload[..] == b"y", "{payload:?}");
    storage.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_cut_in_the_middle_of_a_reply_is_replaced() {
    let server = shared_server().await;
    let (proxy, _server) = blocking(move || (Proxy::to(server.port()).unwrap(), server)).await;
    let url = format!("mysql://root@127.0.0.1:{}/tiers", proxy.port());
    let storage = open(&url, "&pool_size=3").await;
    let keys: Vec<Key> = (0..3).map(|at| key(&format!("cut{at}"))).collect();
    store(&storage, keys.iter().map(|key| set(key, value(key, [7; 100_000], &[]))).collect()).await;
    for bytes in [1, 60, 300, 50_000, 99_000] {
        let connections = proxy.connections();
        proxy.cut_after_reply_bytes(bytes);
        for lookup in storage.get_many(&keys).await.unwrap() {
            let entry = lookup.unwrap().entry.unwrap();
            assert_eq!(entry.payload.len(), 100_000, "after {bytes} bytes");
        }
        assert!(proxy.connections() > connections, "nothing was cut after {bytes} bytes");
    }
    // A write whose answer is lost is carried out again, and once is as good as twice.
    proxy.cut_after_reply_bytes(5);
    store(&storage, vec![set(&keys[0], value(&keys[0], "again", &[]))]).await;
    assert_eq!(&read(&storage, &keys[0]).await.unwrap().payload[..], b"again");
    proxy.refuse(true);
    proxy.cut();
    let error = storage.get(&keys[0]).await.unwrap_err();
    assert_eq!(error.kind(), StorageErrorKind::Unavailable, "{error}");
    proxy.refuse(false);
    recovered(&storage, &keys[0]).await;
    storage.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pool_that_is_used_up_waits_until_the_timeout() {
    let server = shared_server().await;
    let chosen = options(&server.url(), "&pool_size=1");
    let table = chosen.table_name().to_owned();
    let storage = open_hurried(chosen, HURRY).await;
    let key = key("busy");
    let mut other = connect(&server.url()).await;
    execute(&mut other, &format!("LOCK TABLES {table} WRITE")).await;
    let begun = Instant::now();
    let (holds, waits) = tokio::join!(storage.get(&key), storage.get(&key));
    let took = begun.elapsed();
    assert_eq!(holds.unwrap_err().kind(), StorageErrorKind::Unavailable);
    assert_eq!(waits.unwrap_err().kind(), StorageErrorKind::Unavailable);
    assert!(took >= HURRY - Duration::from_millis(100) && took < LONG, "took {took:?}");
    execute(&mut other, "UNLOCK TABLES").await;
    assert_eq!(read(&storage, &key).await, None);
    storage.close().await.unwrap();
}
