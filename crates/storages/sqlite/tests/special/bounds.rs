//! Entries and bytes are bounded, and what was used least recently goes.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use cache_core::clock::{Clock, ManualClock};
use cache_core::storage::{Budget, Storage};

use crate::common::{connection, entry, folder, holds, key, number, put, set, set_write};

#[tokio::test]
async fn entries_are_bounded_and_the_least_recently_used_goes() {
    let (_folder, options) = folder();
    let storage = options.max_entries(3).cleanup_interval(None).open().await.unwrap();
    for name in ["a", "b", "c"] {
        put(&storage, name).await;
    }
    // A read is a use, whether it has been written down or not.
    assert!(holds(&storage, "a").await);
    put(&storage, "d").await;
    assert_eq!(held(&storage, &["a", "b", "c", "d"]).await, "acd");
    // Now `a` was used before `c`, and `d` last of all.
    put(&storage, "e").await;
    assert_eq!(held(&storage, &["a", "c", "d", "e"]).await, "cde");
    let stats = storage.stats().await.unwrap();
    assert_eq!((stats.entries, stats.evicted), (3, 2));
}

/// What is written again is used, however old its row is.
#[tokio::test]
async fn trap_26_what_is_written_again_is_not_the_oldest() {
    let (_folder, options) = folder();
    let storage = options.max_entries(3).cleanup_interval(None).open().await.unwrap();
    for name in ["a", "b", "c", "a", "d"] {
        put(&storage, name).await;
    }
    assert_eq!(held(&storage, &["a", "b", "c", "d"]).await, "acd");
}

async fn held(storage: &cache_sqlite::Sqlite, names: &[&str]) -> String {
    let mut held = String::new();
    for name in names {
        if holds(storage, name).await {
            held.push_str(name);
        }
    }
    held
}

/// A store that is larger than a sample: what goes is old, if not the oldest.
#[tokio::test]
async fn of_many_entries_old_ones_go() {
    const ENTRIES: usize = 6000;
    const LATER: usize = 600;
    let (_folder, options) = folder();
    let options = options.max_entries(ENTRIES as u64).cleanup_interval(None);
    let storage = options.open().await.unwrap();
    let other = connection(storage.path());
    let name = |number: usize| format!("k{number}");
    for first in (0..ENTRIES + LATER).step_by(300) {
        let writes = (first..first + 300).map(|number| {
            let key = key(&name(number));
            set_write(&key, entry(&key, "x", &[]))
        });
        if first == ENTRIES {
            // A tenth of the oldest is used, which is not written down yet.
            let used: Vec<_> = (0..LATER).map(|number| key(&name(number))).collect();
            for used in used.chunks(100) {
                storage.get_many(used).await.unwrap();
            }
        }
        storage.write(writes.collect()).await.unwrap();
        assert!(storage.stats().await.unwrap().entries <= ENTRIES as u64);
    }
    let left = |from: usize, to: usize| {
        let sql = format!(
            "SELECT count(*) FROM cache WHERE CAST(substr(key, 4) AS INTEGER) BETWEEN {from} AND {}",
            to - 1
        );
        number(&other, &sql) as usize
    };
    assert_eq!(left(0, ENTRIES + LATER), storage.stats().await.unwrap().entries as usize);
    // Used or new: nothing of the more recent half has gone.
    assert_eq!(left(0, LATER), LATER);
    assert_eq!(left(ENTRIES / 2, ENTRIES + LATER), ENTRIES / 2 + LATER);
    assert!(left(LATER, ENTRIES / 2) <= ENTRIES / 2 - 2 * LATER);
}

#[tokio::test]
async fn the_bound_on_entries_holds_under_load() {
    let (_folder, options) = folder();
    let storage = options.max_entries(500).open().await.unwrap();
    let other = connection(storage.path());
    let tasks: Vec<_> = (0..4)
        .map(|task| {
            let storage = storage.clone();
            tokio::spawn(async move {
                for round in 0..20 {
                    let writes = (0..100).map(|number| {
                        let key = key(&format!("{task}.{round}.{number}"));
                        set_write(&key, entry(&key, "x", &["tagged"]))
                    });
                    storage.write(writes.collect()).await.unwrap();
                }
            })
        })
        .collect();
    while !tasks.iter().all(|task| task.is_finished()) {
        assert!(number(&other, "SELECT count(*) FROM cache") <= 500);
        tokio::task::yield_now().await;
    }
    for task in tasks {
        task.await.unwrap();
    }
    let entries = number(&other, "SELECT count(*) FROM cache");
    assert!((400..=500).contains(&entries), "{entries}");
    assert_eq!(number(&other, "SELECT count(*) FROM cache_tags"), entries);
    assert_eq!(storage.stats().await.unwrap().entries, entries as u64);
}

#[tokio::test]
async fn the_bound_on_bytes_holds_under_load() {
    const BYTES_MAX: u64 = 4 << 20;
    const WAL_MAX: u64 = 1 << 20;
    let (folder, options) = folder();
    let options = options.max_bytes(BYTES_MAX).wal_bytes_max(WAL_MAX).cleanup_interval(None);
    let storage = options.open().await.unwrap();
    for round in 0..60 {
        let writes = (0..20).map(|number| {
            let key = key(&format!("{round}.{number}"));
            set_write(&key, entry(&key, vec![7u8; 20_000], &["tagged"]))
        });
        storage.write(writes.collect()).await.unwrap();
        let file = fs::metadata(folder.path().join("cache.db")).unwrap().len();
        assert!(file <= BYTES_MAX, "round {round}: the file has {file} bytes");
        let stored = storage.stats().await.unwrap().stored_bytes;
        assert!(stored <= BYTES_MAX + 2 * WAL_MAX + (1 << 20), "round {round}: {stored}");
    }
    assert!(holds(&storage, "59.19").await && !holds(&storage, "0.0").await);
    let payload_bytes = storage.stats().await.unwrap().payload_bytes;
    assert!(payload_bytes > BYTES_MAX / 2, "{payload_bytes}");
    let largest = storage.capabilities().value_bytes_max;
    assert_eq!(largest, BYTES_MAX / 4);
}

#[tokio::test]
async fn a_bound_that_was_lowered_is_reached_by_maintenance_within_its_budget() {
    let (_folder, options) = folder();
    let options = options.cleanup_interval(None);
    let storage = options.clone().open().await.unwrap();
    let writes = (0..3000).map(|number| {
        let key = key(&format!("k{number}"));
        set_write(&key, entry(&key, vec![1u8; 500], &[]))
    });
    storage.write(writes.collect()).await.unwrap();
    storage.close().await.unwrap();
    let storage = options.max_entries(100).open().await.unwrap();
    let budget = Budget { entries_max: 700, duration_max: Duration::MAX };
    let done = storage.maintain(budget).await.unwrap();
    assert_eq!((done.evicted, done.unfinished), (700, true));
    assert_eq!(storage.stats().await.unwrap().entries, 2300);
    let done = storage.maintain(Budget::UNLIMITED).await.unwrap();
    assert_eq!((done.evicted, done.unfinished), (2200, false));
    assert!(holds(&storage, "k2999").await && !holds(&storage, "k0").await);
}

#[tokio::test]
async fn a_bound_that_was_lowered_is_reached_by_itself() {
    let (_folder, options) = folder();
    let storage = options.clone().open().await.unwrap();
    for name in ["a", "b", "c"] {
        put(&storage, name).await;
    }
    storage.close().await.unwrap();
    let storage = options.max_entries(1).open().await.unwrap();
    for _ in 0..3000 {
        if storage.stats().await.unwrap().entries == 1 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the bound was not reached");
}

#[tokio::test]
async fn space_that_was_freed_is_given_back() {
    let (folder, options) = folder();
    let clock = Arc::new(ManualClock::new());
    let options = options.clock(Arc::clone(&clock) as _).cleanup_interval(None);
    let storage = options.open().await.unwrap();
    for number in 0..100 {
        let key = key(&format!("k{number}"));
        let end = clock.wall().after(Duration::from_secs(1));
        let entry = crate::common::until(entry(&key, vec![7u8; 50_000], &[]), end);
        set(&storage, &key, entry).await;
    }
    storage.flush().await.unwrap();
    clock.advance(Duration::from_secs(1));
    let done = storage.maintain(Budget::UNLIMITED).await.unwrap();
    assert_eq!((done.expired, done.unfinished), (100, false));
    assert!(done.freed_bytes > 4_000_000, "{done:?}");
    let file = fs::metadata(folder.path().join("cache.db")).unwrap().len();
    assert!(file < 500_000, "the file has {file} bytes");
    let stats = storage.stats().await.unwrap();
    assert_eq!((stats.entries, stats.payload_bytes, stats.expired), (0, 0, 100));
    assert!(stats.stored_bytes < 600_000, "{stats:?}");
}
