//! Servers without room: memory, disk, and what they evict.

use cache_core::storage::{Outcome, Storage, StorageErrorKind};

use crate::common::{
    ask, connection, eventually, fill, holds, key, kind, opened, options, remove_key, remove_tag,
    server_with, set, set_write, stamp, write,
};

/// Writes until the server has no room left.
async fn fill_up(storage: &cache_redis::Redis) -> StorageErrorKind {
    for number in 0..1_000 {
        let stored =
            write(storage, set_write(&format!("big{number}"), vec![1u8; 50_000], &[])).await;
        if let Err(error) = stored {
            return error.kind();
        }
    }
    panic!("there is room for everything")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_without_memory_takes_invalidations_all_the_same() {
    let server = server_with(&["--maxmemory", "4mb", "--maxmemory-policy", "noeviction"]);
    let storage = opened(&server).await;
    set(&storage, "a", &["tag"]).await;
    set(&storage, "b", &[]).await;
    assert_eq!(fill_up(&storage).await, StorageErrorKind::Full);
    let before = stamp(&storage, "a").await;
    let mut connection = connection(server.port()).await;
    ask::<()>(&mut connection, "CONFIG SET maxmemory 1mb").await;
    assert_eq!(kind(write(&storage, set_write("c", "x", &[])).await), StorageErrorKind::Full);
    assert!(holds(&storage, "a").await && holds(&storage, "big0").await);
    assert_eq!(remove_tag(&storage, "tag").await.unwrap(), 1);
    assert_eq!(remove_key(&storage, "b").await.unwrap(), 1);
    let pattern =
        cache_core::key::KeyPattern::new("t", cache_core::key::Glob::parse("big*").unwrap(), None);
    let selector = cache_core::storage::Selector::Pattern(pattern);
    let mode = cache_core::storage::InvalidationMode::Expire;
    assert!(storage.invalidate(&selector, mode).await.unwrap().entries > 10);
    ask::<()>(&mut connection, "CONFIG SET maxmemory 64mb").await;
    assert_eq!(fill(&storage, "a", &["tag"], before).await, Outcome::Fenced);
    set(&storage, "c", &[]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn entries_with_tags_are_refused_where_any_key_may_be_evicted() {
    let server = server_with(&["--maxmemory", "3mb", "--maxmemory-policy", "allkeys-lru"]);
    let storage = opened(&server).await;
    let refused = write(&storage, set_write("a", "x", &["tag"])).await.unwrap_err();
    assert_eq!(refused.kind(), StorageErrorKind::Invalid, "{refused}");
    assert!(refused.to_string().contains("accept_tag_eviction"), "{refused}");
    assert!(refused.key().is_some());
    // Those without are taken, and so is what is evicted beside them: reads and fences go on.
    for number in 0..600 {
        let name = format!("n{number}");
        let before = stamp(&storage, &name).await;
        let outcome = fill(&storage, &name, &[], before).await;
        assert!(matches!(outcome, Outcome::Stored | Outcome::Fenced));
        let large = format!("large{number}");
        write(&storage, set_write(&large, vec![1u8; 20_000], &[])).await.unwrap();
        remove_key(&storage, &name).await.unwrap();
        assert_eq!(fill(&storage, &name, &[], before).await, Outcome::Fenced);
    }
    let mut connection = connection(server.port()).await;
    let info: String = ask(&mut connection, "INFO stats").await;
    let evicted = info.lines().find_map(|line| line.strip_prefix("evicted_keys:"));
    assert_ne!(evicted, Some("0"), "the server has room for everything");
    let accepting = options(&server.url()).accept_tag_eviction(true).open().await.unwrap();
    set(&accepting, "a", &["tag"]).await;
    assert_eq!(remove_tag(&accepting, "tag").await.unwrap(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fence_that_is_evicted_lets_nothing_old_in() {
    let server = server_with(&["--maxmemory-policy", "allkeys-random"]);
    let storage = opened(&server).await;
    let mut connection = connection(server.port()).await;
    let before = stamp(&storage, "a").await;
    remove_key(&storage, "a").await.unwrap();
    // Less than the server needs for itself: everything goes.
    ask::<()>(&mut connection, "CONFIG SET maxmemory 1").await;
    eventually("it is empty", || {
        let mut connection = connection.clone();
        async move { ask::<u64>(&mut connection, "DBSIZE").await == 0 }
    })
    .await;
    ask::<()>(&mut connection, "CONFIG SET maxmemory 0").await;
    assert_eq!(fill(&storage, "a", &[], before).await, Outcome::Fenced);
    let after = stamp(&storage, "a").await;
    assert_eq!(fill(&storage, "a", &[], after).await, Outcome::Stored);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_whose_disk_fails_is_read_on() {
    let server = server_with(&["--save", "3600 1000000"]);
    let storage = opened(&server).await;
    set(&storage, "a", &[]).await;
    let mut connection = connection(server.port()).await;
    // What it would save its state to is gone.
    std::fs::remove_dir_all(server.folder()).unwrap();
    let _: Result<String, _> = redis::cmd("BGSAVE").query_async(&mut connection).await;
    eventually("it takes no more writes", || async {
        let written = write(&storage, set_write("b", "x", &[])).await;
        written.is_err_and(|error| error.kind() == StorageErrorKind::Full)
    })
    .await;
    assert!(holds(&storage, "a").await);
    assert!(storage.get_many(&[key("a")]).await.unwrap()[0].as_ref().unwrap().entry.is_some());
    ask::<()>(&mut connection, "CONFIG SET stop-writes-on-bgsave-error no").await;
    set(&storage, "b", &[]).await;
}
