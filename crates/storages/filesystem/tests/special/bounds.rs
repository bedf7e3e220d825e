//! The bound on bytes, and which files go.

use cache_core::storage::{Budget, Storage};

use crate::common::{content, folder, put, settle, value, values};

const VALUE_BYTES: usize = 100_000;

fn bytes_on_disk(store: &std::path::Path) -> u64 {
    values(store).iter().map(|file| file.metadata().unwrap().len()).sum()
}

#[tokio::test]
async fn files_stay_within_the_bound_and_the_used_ones_stay() {
    let (_folder, options) = folder();
    let bytes_max = 4 << 20;
    let storage = options.max_bytes(bytes_max).open().await.unwrap();
    put(&storage, "used", content(0, VALUE_BYTES)).await;
    for number in 0..100 {
        put(&storage, &number.to_string(), content(number, VALUE_BYTES)).await;
        assert!(value(&storage, "used").await.is_some(), "evicted at {number}");
    }
    settle(&storage).await;
    let stats = storage.stats().await.unwrap();
    let kept = values(storage.path()).len() as u64;
    assert_eq!((stats.entries, stats.evicted), (kept, 101 - kept));
    assert_eq!(stats.payload_bytes, kept * VALUE_BYTES as u64);
    let on_disk = bytes_on_disk(storage.path());
    assert!(on_disk <= bytes_max && on_disk > bytes_max / 2, "{on_disk}");
    assert!(stats.stored_bytes >= on_disk);
    // The newest of those that were not used again are there, the oldest are not.
    assert_eq!(value(&storage, "99").await.unwrap(), content(99, VALUE_BYTES));
    assert_eq!(value(&storage, "0").await, None);
}

#[tokio::test]
async fn a_smaller_bound_is_kept_after_opening() {
    let (_folder, options) = folder();
    let storage = options.clone().open().await.unwrap();
    for number in 0..50 {
        put(&storage, &number.to_string(), content(number, VALUE_BYTES)).await;
    }
    storage.close().await.unwrap();
    let storage = options.max_bytes(2 << 20).open().await.unwrap();
    let done = storage.maintain(Budget::UNLIMITED).await.unwrap();
    assert!(
        done.evicted >= 29 && done.freed_bytes >= done.evicted * VALUE_BYTES as u64,
        "{done:?}"
    );
    assert!(bytes_on_disk(storage.path()) <= 2 << 20);
}

#[tokio::test]
async fn replaced_and_removed_values_leave_no_file() {
    let (_folder, options) = folder();
    let storage = options.open().await.unwrap();
    for round in 0..5 {
        for name in ["a", "b", "c"] {
            put(&storage, name, content(round, 10_000)).await;
        }
    }
    crate::common::remove(&storage, "c").await;
    settle(&storage).await;
    assert_eq!(values(storage.path()).len(), 2);
    put(&storage, "b", "").await;
    settle(&storage).await;
    assert_eq!(values(storage.path()).len(), 1);
    assert_eq!(value(&storage, "a").await.unwrap(), content(4, 10_000));
    assert_eq!(value(&storage, "b").await.unwrap(), "");
}
