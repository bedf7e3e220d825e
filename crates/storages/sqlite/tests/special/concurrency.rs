//! Many callers, full queues, calls given up.

use std::sync::Arc;
use std::time::Duration;

use cache_core::clock::ManualClock;
use cache_core::storage::{Storage, StorageErrorKind, Write, WriteAction};

use crate::common::{connection, entry, folder, holds, key, put, set_write};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sixty_four_callers_read_what_they_wrote() {
    let (_folder, options) = folder();
    let storage = options.open().await.unwrap();
    let tasks = (0..64).map(|task| {
        let storage = storage.clone();
        tokio::spawn(async move {
            for round in 0..40 {
                let key = key(&format!("{task}.{}", round % 5));
                // Some too long to be read on this thread.
                let length = if round % 8 == 0 { 100_000 } else { 100 };
                let value = entry(&key, vec![round as u8; length], &["all"]);
                let token = value.token;
                storage.write(vec![set_write(&key, value)]).await.unwrap();
                let found = storage.get(&key).await.unwrap().entry.unwrap();
                assert_eq!(found.token, token);
                found.verify(&key).unwrap();
                let many = storage.get_many(&vec![key; 20]).await.unwrap();
                assert!(many.iter().all(|found| {
                    found.as_ref().unwrap().entry.as_ref().unwrap().token == token
                }));
            }
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
    assert_eq!(storage.stats().await.unwrap().entries, 64 * 5);
}

/// Batches are read on the caller's thread, by a reader, or partly by both.
#[tokio::test]
async fn a_batch_is_answered_in_order_whoever_reads_it() {
    let (_folder, options) = folder();
    let storage = options.open().await.unwrap();
    let stamp = storage.get(&key("nowhere")).await.unwrap().stamp;
    for (count, long) in [(1, 0), (24, 25), (25, 26), (26, 7), (90, 60), (90, 90), (700, 3)] {
        let keys: Vec<_> = (0..count).map(|number| key(&format!("{count}.{number}"))).collect();
        let length = |index: usize| if index == long { 100_000 } else { 10 };
        // Every third is not there.
        let there = |index: &usize| index % 3 != 2;
        let writes = (0..count).filter(there).map(|index| {
            let key = &keys[index];
            let fill = WriteAction::Fill { entry: entry(key, vec![1; length(index)], &[]), stamp };
            Write { key: key.clone(), action: fill }
        });
        storage.write(writes.collect()).await.unwrap();
        let found = storage.get_many(&keys).await.unwrap();
        assert_eq!(found.len(), count);
        for (index, lookup) in found.into_iter().enumerate() {
            let lookup = lookup.unwrap();
            assert_eq!(lookup.stamp, stamp, "the stamp of {index}");
            let found = lookup.entry.inspect(|entry| entry.verify(&keys[index]).unwrap());
            let expected = there(&index).then(|| length(index));
            assert_eq!(found.map(|entry| entry.payload.len()), expected, "{index} of {count}");
        }
    }
}

#[tokio::test]
async fn a_lock_that_stays_is_unavailable_and_reads_go_on() {
    let (_folder, options) = folder();
    let storage = options.timeout(Duration::from_millis(100)).open().await.unwrap();
    put(&storage, "a").await;
    let other = connection(storage.path());
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let key = key("b");
    let error = storage.write(vec![set_write(&key, entry(&key, "x", &[]))]).await.unwrap_err();
    assert_eq!(error.kind(), StorageErrorKind::Unavailable, "{error}");
    assert!(error.is_transient());
    assert!(holds(&storage, "a").await);
    other.execute_batch("COMMIT").unwrap();
    put(&storage, "b").await;
}

#[tokio::test]
async fn a_queue_that_is_full_makes_callers_wait_and_gives_up_in_time() {
    let (_folder, options) = folder();
    let clock = ManualClock::new();
    // The lock is waited for in real time, the queue by the injected clock.
    let timeout = Duration::from_secs(20);
    let options = options.timeout(timeout).clock(Arc::new(clock.clone()));
    let storage = options.open().await.unwrap();
    let other = connection(storage.path());
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let large = || {
        let storage = storage.clone();
        tokio::spawn(async move {
            let key = key("large");
            storage.write(vec![set_write(&key, entry(&key, vec![1u8; 40 << 20], &[]))]).await
        })
    };
    let first = large();
    while clock.sleepers() < 1 {
        tokio::task::yield_now().await;
    }
    let second = large();
    while clock.sleepers() < 2 {
        tokio::task::yield_now().await;
    }
    clock.advance(2 * timeout);
    for call in [first, second] {
        let error = call.await.unwrap().unwrap_err();
        assert_eq!(error.kind(), StorageErrorKind::Unavailable, "{error}");
        assert!(error.to_string().contains("queued"), "{error}");
    }
    other.execute_batch("COMMIT").unwrap();
    // The first was accepted and is carried out, for nobody can tell; the second was never taken.
    storage.flush().await.unwrap();
    assert!(holds(&storage, "large").await);
    assert_eq!(storage.stats().await.unwrap().entries, 1);
}
