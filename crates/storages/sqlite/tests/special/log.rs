//! The write-ahead log stays within its bound.

use std::fs;
use std::time::Duration;

use cache_core::storage::Storage;

use crate::common::{connection, entry, folder, key, put, set_write};

#[tokio::test]
async fn the_log_is_bounded_under_a_flood() {
    const WAL_MAX: u64 = 1 << 20;
    let (folder, options) = folder();
    let storage = options.wal_bytes_max(WAL_MAX).open().await.unwrap();
    let wal = folder.path().join("cache.db-wal");
    let mut longest = 0;
    for round in 0..100 {
        let writes = (0..25).map(|number| {
            let key = key(&format!("k{}", (round * 25 + number) % 400));
            set_write(&key, entry(&key, vec![7u8; 10_000], &[]))
        });
        storage.write(writes.collect()).await.unwrap();
        longest = longest.max(fs::metadata(&wal).unwrap().len());
    }
    // 30 MiB were written.
    assert!(longest <= WAL_MAX, "{longest}");
}

#[tokio::test]
async fn the_log_is_bounded_under_large_batches_of_short_values() {
    const WAL_MAX: u64 = 1 << 20;
    let (folder, options) = folder();
    let storage = options.wal_bytes_max(WAL_MAX).open().await.unwrap();
    let wal = folder.path().join("cache.db-wal");
    for round in 0..10 {
        let writes = (0..1000).map(|number| {
            let key = key(&format!("k{}", (round * 300 + number * 7) % 8000));
            set_write(&key, entry(&key, vec![7u8; 100], &["tagged"]))
        });
        storage.write(writes.collect()).await.unwrap();
        let bytes = fs::metadata(&wal).unwrap().len();
        assert!(bytes <= WAL_MAX, "round {round}: {bytes}");
    }
}

#[tokio::test]
async fn a_log_that_a_reader_held_is_brought_in_once_it_lets_go() {
    const WAL_MAX: u64 = 256 << 10;
    let (folder, options) = folder();
    let storage = options.wal_bytes_max(WAL_MAX).open().await.unwrap();
    put(&storage, "first").await;
    let other = connection(storage.path());
    other.execute_batch("BEGIN; SELECT count(*) FROM cache;").unwrap();
    for round in 0..40 {
        let key = key(&format!("k{round}"));
        storage.write(vec![set_write(&key, entry(&key, vec![7u8; 50_000], &[]))]).await.unwrap();
    }
    let wal = folder.path().join("cache.db-wal");
    assert!(fs::metadata(&wal).unwrap().len() > 4 * WAL_MAX, "the reader holds nothing");
    other.execute_batch("COMMIT").unwrap();
    for _ in 0..1000 {
        if fs::metadata(&wal).unwrap().len() <= 2 * WAL_MAX {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
        put(&storage, "more").await;
    }
    panic!("the log was not brought in");
}

#[tokio::test]
async fn a_flush_survives_a_copy_of_the_files() {
    let (folder, options) = folder();
    let storage = options.open().await.unwrap();
    put(&storage, "a").await;
    storage.flush().await.unwrap();
    let copy = tempfile::tempdir().unwrap();
    for name in ["cache.db", "cache.db-wal"] {
        fs::copy(folder.path().join(name), copy.path().join(name)).unwrap();
    }
    let other =
        cache_sqlite::SqliteOptions::new(copy.path().join("cache.db")).open().await.unwrap();
    assert!(crate::common::holds(&other, "a").await);
}
