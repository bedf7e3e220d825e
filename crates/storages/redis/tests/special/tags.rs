//! The sets of tags: exact, and no larger than they have to be.

use std::time::{Duration, Instant};

use cache_core::storage::{Budget, Storage, Write, WriteAction};

use crate::common::{
    ask, connection, entry, eventually, holds, key, now, opened, options, remove_tag, server, set,
    until, write,
};

fn write_until(name: &str, tags: &[&str], ends: Duration) -> Write {
    let key = key(name);
    let entry = until(entry(&key, "x", tags), now().after(ends));
    Write { key, action: WriteAction::Set { entry } }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sets_lose_what_has_ended() {
    let server = server();
    let storage = options(&server.url()).cleanup_interval(None).open().await.unwrap();
    let mut connection = connection(server.port()).await;
    // In one script, so that none has ended when another is written.
    let short = Duration::from_secs(1);
    let names = (0..40).map(|number| format!("short{number}"));
    let writes = names.map(|name| write_until(&name, &["often", "never"], short));
    storage.write(writes.collect()).await.unwrap();
    set(&storage, "stays", &["often", "never"]).await;
    assert_eq!(ask::<u64>(&mut connection, "TTL tiers:{0}:t:t:never").await as i64, -1);
    tokio::time::sleep(short + Duration::from_millis(100)).await;
    // A write takes some of them out of each of its tags.
    for _ in 0..6 {
        set(&storage, "another", &["often"]).await;
    }
    assert_eq!(ask::<u64>(&mut connection, "ZCARD tiers:{0}:t:t:often").await, 2);
    assert_eq!(ask::<u64>(&mut connection, "ZCARD tiers:{0}:t:t:never").await, 41);
    let done = storage.maintain(Budget::UNLIMITED).await.unwrap();
    assert!(!done.unfinished);
    assert_eq!(ask::<u64>(&mut connection, "ZCARD tiers:{0}:t:t:never").await, 1);
    assert_eq!(remove_tag(&storage, "never").await.unwrap(), 1);
    assert_eq!(ask::<u64>(&mut connection, "EXISTS tiers:{0}:t:t:never").await, 0);
    // It went from its other set, too.
    assert_eq!(ask::<u64>(&mut connection, "ZCARD tiers:{0}:t:t:often").await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sets_are_cleaned_up_by_themselves_and_by_one_process() {
    let server = server();
    let interval = Duration::from_millis(300);
    let open = || options(&server.url()).cleanup_interval(Some(interval)).open();
    let (first, second) = (open().await.unwrap(), open().await.unwrap());
    let mut connection = connection(server.port()).await;
    for number in 0..20 {
        let short = write_until(&format!("short{number}"), &["tag"], Duration::from_millis(50));
        write(&first, short).await.unwrap();
    }
    eventually("the set is empty", || {
        let mut connection = connection.clone();
        async move { ask::<u64>(&mut connection, "EXISTS tiers:{0}:t:t:tag").await == 0 }
    })
    .await;
    // Two clients come by; one of them in each interval does it.
    let begun = Instant::now();
    ask::<()>(&mut connection, "CONFIG RESETSTAT").await;
    tokio::time::sleep(interval * 10).await;
    let info: String = ask(&mut connection, "INFO commandstats").await;
    let scans = calls(&info, "scan") as f64;
    let turns = begun.elapsed().as_secs_f64() / (interval.as_secs_f64() * 0.9);
    assert!(scans <= turns + 1.0, "{scans} scans in {turns} turns");
    first.close().await.unwrap();
    drop(second);
}

/// How often the server has carried out a command.
pub(crate) fn calls(info: &str, command: &str) -> u64 {
    let head = format!("cmdstat_{command}:calls=");
    let line = info.lines().find_map(|line| line.strip_prefix(&head));
    line.and_then(|line| line.split(',').next()?.parse().ok()).unwrap_or(0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_overwritten_leaves_no_trace_in_sets() {
    let server = server();
    let storage = opened(&server).await;
    let mut connection = connection(server.port()).await;
    for number in 0..50 {
        // A tag of its own each time, of an entry that has no end.
        set(&storage, "a", &[&format!("round{number}"), "all"]).await;
    }
    let keys: Vec<String> = ask(&mut connection, "KEYS tiers:{0}:t:*").await;
    assert_eq!(keys.len(), 2, "{keys:?}");
    assert_eq!(remove_tag(&storage, "round48").await.unwrap(), 0);
    assert!(holds(&storage, "a").await);
    crate::common::remove_key(&storage, "a").await.unwrap();
    let keys: Vec<String> = ask(&mut connection, "KEYS tiers:*").await;
    assert_eq!(keys.len(), 2, "fence and counter, not {keys:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_entry_of_many_long_tags_is_found_by_each() {
    let server = server();
    let storage = opened(&server).await;
    let labels: Vec<String> =
        (0..60).map(|number| format!("{number}-{}", "x".repeat(200))).collect();
    let labels: Vec<&str> = labels.iter().map(String::as_str).collect();
    for label in [labels[0], labels[31], labels[59]] {
        set(&storage, "a", &labels).await;
        let selector = cache_core::storage::Selector::AnyTag(vec![crate::common::tag(label)]);
        let mut listed = storage.scan(&selector);
        let details = futures_util::StreamExt::next(&mut listed).await.unwrap().unwrap();
        assert_eq!(details.tags.as_slice().len(), 60);
        drop(listed);
        assert_eq!(remove_tag(&storage, label).await.unwrap(), 1);
        assert!(!holds(&storage, "a").await);
    }
}
