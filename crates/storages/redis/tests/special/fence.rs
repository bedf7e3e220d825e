//! The fence on the server, where it is lost or another's.

use cache_core::key::{Glob, KeyPattern};
use cache_core::storage::{InvalidationMode, Outcome, Selector, Storage};

use crate::common::{
    ask, connection, fill, holds, key, opened, options, put, remove_key, remove_tag, server, set,
    stamp,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fence_that_is_lost_refuses_everything_that_was_being_loaded() {
    let server = server();
    let storage = opened(&server).await;
    let mut connection = connection(server.port()).await;
    for lost in ["FLUSHALL", "DEL tiers:{0}:fence", "DEL tiers:{0}:counter"] {
        let before = stamp(&storage, "a").await;
        ask::<()>(&mut connection, lost).await;
        assert_eq!(fill(&storage, "a", &["tag"], before).await, Outcome::Fenced, "{lost}");
        let after = storage.get(&key("a")).await.unwrap().stamp;
        assert_eq!(fill(&storage, "a", &["tag"], after).await, Outcome::Stored, "{lost}");
        assert_eq!(remove_tag(&storage, "tag").await.unwrap(), 1);
        assert_eq!(fill(&storage, "a", &["tag"], after).await, Outcome::Fenced, "{lost}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_makes_a_lost_fence_before_it_gives_a_stamp() {
    let server = server();
    let storage = opened(&server).await;
    let mut connection = connection(server.port()).await;
    let keys = [key("a"), key("b")];
    for way in 0..3 {
        ask::<()>(&mut connection, "FLUSHALL").await;
        let stamp = match way {
            0 => storage.get(&keys[0]).await.unwrap().stamp,
            1 => storage.get_many(&keys).await.unwrap().remove(0).unwrap().stamp,
            _ => storage.stamps(&keys).await.unwrap()[0],
        };
        assert_eq!(fill(&storage, "a", &[], stamp).await, Outcome::Stored, "way {way}");
        remove_key(&storage, "a").await.unwrap();
        assert_eq!(fill(&storage, "a", &[], stamp).await, Outcome::Fenced, "way {way}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scripts_that_the_server_forgot_are_taught_again() {
    let server = server();
    let storage = opened(&server).await;
    let mut connection = connection(server.port()).await;
    let everything = Selector::Pattern(KeyPattern::new("t", Glob::any(), None));
    for _ in 0..2 {
        ask::<()>(&mut connection, "SCRIPT FLUSH").await;
        set(&storage, "a", &["tag"]).await;
        set(&storage, "b", &[]).await;
        ask::<()>(&mut connection, "SCRIPT FLUSH").await;
        assert_eq!(remove_tag(&storage, "tag").await.unwrap(), 1);
        ask::<()>(&mut connection, "SCRIPT FLUSH").await;
        let removed = storage.invalidate(&everything, InvalidationMode::Remove).await.unwrap();
        assert_eq!(removed.entries, 1);
        assert!(!holds(&storage, "b").await);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_counter_that_fell_back_gives_no_stamp_twice() {
    let server = server();
    let storage = opened(&server).await;
    let mut connection = connection(server.port()).await;
    // As of a clock that was an hour ahead when it was raised last.
    let before = stamp(&storage, "a").await;
    let ahead = before.mark + 3_600_000_000;
    let mut counter = before.origin.to_le_bytes().to_vec();
    counter.extend(ahead.to_le_bytes());
    put(&mut connection, "tiers:{0}:counter", &counter).await;
    remove_key(&storage, "a").await.unwrap();
    assert_eq!(stamp(&storage, "a").await.mark, ahead + 1);
    ask::<()>(&mut connection, "DEL tiers:{0}:fence").await;
    remove_key(&storage, "a").await.unwrap();
    assert!(stamp(&storage, "a").await.mark > ahead + 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn databases_and_prefixes_keep_stores_apart() {
    let server = server();
    let first = opened(&server).await;
    let database = options(&format!("{}/1", server.url())).open().await.unwrap();
    let prefix = options(&server.url()).key_prefix("other").open().await.unwrap();
    for storage in [&first, &database, &prefix] {
        set(storage, "a", &["tag"]).await;
    }
    let before = stamp(&database, "a").await;
    assert_eq!(remove_tag(&first, "tag").await.unwrap(), 1);
    let everything = Selector::Namespace("t".to_owned());
    set(&first, "a", &[]).await;
    first.invalidate(&everything, InvalidationMode::Remove).await.unwrap();
    assert!(!holds(&first, "a").await);
    assert!(holds(&database, "a").await && holds(&prefix, "a").await);
    assert_eq!(fill(&database, "a", &[], before).await, Outcome::Stored, "another's fence");
    assert_eq!(first.stats().await.unwrap().entries, 0);
}
