//! Bounds: what was used least recently goes.

use std::time::Duration;

use cache_core::storage::{Budget, Storage};

use super::common::{holds, key, options, server, set, set_write};

#[tokio::test(flavor = "multi_thread")]
async fn what_was_used_least_recently_goes_first() {
    let Some(server) = server() else { return };
    let options = options(&server);
    let storage = options.clone().open().await.unwrap();
    for number in 0..30 {
        set(&storage, &format!("k{number}"), &[]).await.unwrap();
    }
    // Dates have milliseconds.
    tokio::time::sleep(Duration::from_millis(5)).await;
    assert!(holds(&storage, "k3").await.unwrap());
    storage.close().await.unwrap();
    let storage = options.max_entries(20).open().await.unwrap();
    let some = Budget { entries_max: 4, duration_max: Duration::from_secs(60) };
    let done = storage.maintain(some).await.unwrap();
    assert_eq!((done.evicted, done.unfinished), (4, true));
    let done = storage.maintain(Budget::UNLIMITED).await.unwrap();
    assert_eq!((done.evicted, done.unfinished), (6, false));
    let mut left = Vec::new();
    for number in 0..30 {
        if holds(&storage, &format!("k{number}")).await.unwrap() {
            left.push(number);
        }
    }
    let expected: Vec<_> = [3].into_iter().chain(11..30).collect();
    assert_eq!(left, expected, "k3 was used, the others in the order of their writing");
    let stats = storage.stats().await.unwrap();
    assert_eq!((stats.entries, stats.evicted), (20, 10));
    let done = storage.maintain(Budget::UNLIMITED).await.unwrap();
    assert_eq!((done.evicted, done.unfinished), (0, false));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_bound_on_bytes_holds() {
    let Some(server) = server() else { return };
    let storage = options(&server).max_bytes(200_000).open().await.unwrap();
    for round in 0..5 {
        let keys: Vec<_> = (0..20).map(|number| key(&format!("k{round}-{number}"))).collect();
        let writes = keys.iter().map(|key| set_write(key, vec![7; 10_000], &[])).collect();
        for outcome in storage.write(writes).await.unwrap() {
            outcome.unwrap();
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let stats = storage.stats().await.unwrap();
    assert!(stats.evicted > 0, "{stats:?}");
    assert!((150_000..=200_000).contains(&stats.payload_bytes), "{stats:?}");
    assert!(holds(&storage, "k4-0").await.unwrap(), "the newest went");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_write_does_not_stay_for_is_evicted_behind_it() {
    let Some(server) = server() else { return };
    let options =
        options(&server).max_entries(50).cleanup_interval(Some(Duration::from_secs(3600)));
    let storage = options.open().await.unwrap();
    let keys: Vec<_> = (0..1_500).map(|number| key(&format!("k{number}"))).collect();
    storage.write(keys.iter().map(|key| set_write(key, "x", &[])).collect()).await.unwrap();
    let begun = std::time::Instant::now();
    while storage.stats().await.unwrap().entries > 50 {
        assert!(begun.elapsed() < Duration::from_secs(60), "not all was evicted");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
