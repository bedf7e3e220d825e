//! Bounds and clean-up, by one process and by many.

use std::time::Duration;

use cache_core::key::Key;
use cache_core::storage::{Budget, Storage};
use tokio::task::JoinSet;

use super::{Database, change, expired, key, read, set, store, value};

/// What has expired is removed once, by whichever process comes to it.
pub async fn many_processes_clean_up_side_by_side<D: Database>(url: &str) {
    let chosen = D::options(url, "");
    let storage = D::open(chosen.clone()).await.unwrap();
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
        let process = D::open(chosen.clone()).await.unwrap();
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

/// A bound on entries spares those used and written last.
pub async fn the_bound_evicts_what_was_used_least_recently<D: Database>(url: &str) {
    let chosen = D::options(url, "&access_interval=1m");
    let storage = D::open(chosen.clone()).await.unwrap();
    let keys: Vec<Key> = (0..300).map(|at| key(&format!("k{at:03}"))).collect();
    for part in keys.chunks(50) {
        store(&storage, part.iter().map(|key| set(key, value(key, "x", &[]))).collect()).await;
    }
    // An hour goes by, in which the first are older than the last.
    let mut admin = D::connect(url).await;
    change::<D>(&mut admin, &chosen, D::AGE).await;
    storage.close().await.unwrap();
    // Used after all were written: they stay, the oldest of all among them.
    let storage = D::open(D::max_entries(chosen, 100)).await.unwrap();
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

/// A bound on bytes is held to the byte.
pub async fn the_bound_on_bytes_is_held<D: Database>(url: &str) {
    let chosen = D::options(url, "");
    let storage = D::open(chosen.clone()).await.unwrap();
    let batch = (0..100).map(|at| {
        let key = key(&format!("k{at}"));
        let entry = value(&key, [1; 1_000], &[]);
        set(&key, entry)
    });
    store(&storage, batch.collect()).await;
    storage.close().await.unwrap();
    let storage = D::open(D::max_bytes(chosen, 50_000)).await.unwrap();
    let done = storage.maintain(Budget::UNLIMITED).await.unwrap();
    assert_eq!((done.evicted, done.freed_bytes, done.unfinished), (50, 50_000, false));
    let stats = storage.stats().await.unwrap();
    assert_eq!((stats.entries, stats.payload_bytes), (50, 50_000));
    storage.close().await.unwrap();
}

/// Maintenance needs nobody to ask for it.
pub async fn maintenance_comes_by_itself<D: Database>(url: &str) {
    let chosen = D::cleanup_interval(D::options(url, ""), Duration::from_millis(50));
    let storage = D::open(chosen).await.unwrap();
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
