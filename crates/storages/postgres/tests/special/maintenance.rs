//! Bounds and clean-up, by one process and by many.

use std::time::Duration;

use cache_core::key::Key;
use cache_core::storage::{Budget, Storage};
use tokio::task::JoinSet;

use crate::common::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_processes_clean_up_side_by_side() {
    let server = shared_server().await;
    let chosen = options(&server.url(), "");
    let storage = chosen.clone().open().await.unwrap();
    for part in 0..5 {
        let batch = (0..1_000).map(|at| {
            let key = key(&format!("{part}-{at}"));
            let entry = expired(&key);
            set(&key, entry)
        });
        store(&storage, batch.collect()).await;
    }
    let kept = key("kept");
    store(&storage, vec![set(&kept, value(&kept, "x", &[]))]).await;
    let mut processes = JoinSet::new();
    for _ in 0..4 {
        let process = chosen.clone().open().await.unwrap();
        processes.spawn(async move {
            let mut removed = 0;
            loop {
                let budget = Budget { entries_max: 300, duration_max: Duration::MAX };
                let done = process.maintain(budget).await.unwrap();
                removed += done.expired;
                assert_eq!(done.evicted, 0);
                if !done.unfinished && done.expired == 0 {
                    process.close().await.unwrap();
                    return removed;
                }
            }
        });
    }
    let mut removed = 0;
    while let Some(process) = processes.join_next().await {
        removed += process.unwrap();
    }
    assert_eq!(removed, 5_000, "each is removed by one");
    assert_eq!(storage.stats().await.unwrap().entries, 1);
    storage.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_bound_evicts_what_was_used_least_recently() {
    let server = shared_server().await;
    let chosen = options(&server.url(), "&access_interval=1m");
    let schema = chosen.schema_name().to_owned();
    let storage = chosen.clone().open().await.unwrap();
    let keys: Vec<Key> = (0..300).map(|at| key(&format!("k{at:03}"))).collect();
    for part in keys.chunks(50) {
        store(&storage, part.iter().map(|key| set(key, value(key, "x", &[]))).collect()).await;
    }
    // An hour goes by, in which the first are older than the last.
    let mut admin = connect(&server.url()).await;
    let age = format!(
        "UPDATE {schema}.cache SET last_accessed = last_accessed - 3600000 \
         + substr(key, 4, 3)::integer"
    );
    execute(&mut admin, &age).await;
    storage.close().await.unwrap();
    // Used after all were written: they stay, the oldest of all among them.
    let storage = chosen.max_entries(100).open().await.unwrap();
    for key in &keys[..20] {
        assert!(read(&storage, key).await.is_some());
    }
    let budget = Budget { entries_max: 150, duration_max: Duration::MAX };
    let done = storage.maintain(budget).await.unwrap();
    assert_eq!((done.evicted, done.unfinished), (150, true));
    let done = storage.maintain(Budget::UNLIMITED).await.unwrap();
    assert_eq!((done.evicted, done.unfinished), (50, false));
    let held = storage.get_many(&keys).await.unwrap();
    let held: Vec<bool> = held.into_iter().map(|found| found.unwrap().entry.is_some()).collect();
    assert_eq!(held.iter().filter(|held| **held).count(), 100);
    assert!(held[..20].iter().all(|held| *held), "used last, and evicted");
    assert!(held[220..].iter().all(|held| *held), "written last, and evicted");
    assert_eq!(storage.stats().await.unwrap().evicted, 200);
    storage.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_bound_on_bytes_is_held() {
    let server = shared_server().await;
    let chosen = options(&server.url(), "");
    let storage = chosen.clone().open().await.unwrap();
    let batch = (0..100).map(|at| {
        let key = key(&format!("k{at}"));
        let entry = value(&key, [1; 1_000], &[]);
        set(&key, entry)
    });
    store(&storage, batch.collect()).await;
    storage.close().await.unwrap();
    let storage = chosen.max_bytes(50_000).open().await.unwrap();
    let done = storage.maintain(Budget::UNLIMITED).await.unwrap();
    assert_eq!((done.evicted, done.freed_bytes, done.unfinished), (50, 50_000, false));
    let stats = storage.stats().await.unwrap();
    assert_eq!((stats.entries, stats.payload_bytes), (50, 50_000));
    storage.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn maintenance_comes_by_itself() {
    let server = shared_server().await;
    let chosen = options(&server.url(), "").cleanup_interval(Some(Duration::from_millis(50)));
    let storage = chosen.open().await.unwrap();
    let (gone, kept) = (key("gone"), key("kept"));
    let writes = vec![set(&gone, expired(&gone)), set(&kept, value(&kept, "x", &[]))];
    store(&storage, writes).await;
    for _ in 0..1_000 {
        let stats = storage.stats().await.unwrap();
        if (stats.entries, stats.expired) == (1, 1) {
            storage.close().await.unwrap();
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("what has expired stays");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_table_is_estimated() {
    let server = shared_server().await;
    let chosen = options(&server.url(), "&timeout=60s&unlogged=true");
    let schema = chosen.schema_name().to_owned();
    let storage = chosen.open().await.unwrap();
    let mut admin = connect(&server.url()).await;
    let many = format!(
        "INSERT INTO {schema}.cache SELECT -1, -1, 0, 0, NULL, 1, 1, 1, 10, 10, 0, 0, 0, \
         'p:' || g || ':v1', NULL, NULL, repeat('x', 10)::bytea FROM generate_series(1, 150000) g"
    );
    execute(&mut admin, &many).await;
    let stats = storage.stats().await.unwrap();
    assert!(stats.entries.abs_diff(150_000) < 30_000, "{} entries", stats.entries);
    assert!(stats.payload_bytes.abs_diff(stats.entries * 10) <= 10, "of 10 bytes each");
    execute(&mut admin, &format!("TRUNCATE {schema}.cache")).await;
    storage.close().await.unwrap();
}
