//! What other programs and other settings left under our names.

use cache_core::storage::{Outcome, Storage, StorageErrorKind};

use crate::common::{
    ask, connection, fill, holds, key, kind, opened, options, put, remove_key, server, set,
    set_write, stamp, write,
};

const ENTRY: &str = "tiers:{0}:e:t:a:v1";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_value_that_is_not_ours_is_damage_and_is_replaced() {
    let server = server();
    let storage = opened(&server).await;
    let mut connection = connection(server.port()).await;
    for (make, expected) in [
        (format!("SET {ENTRY} x"), Some(StorageErrorKind::Corrupt)),
        (format!("SET {ENTRY} {}", "x".repeat(300)), Some(StorageErrorKind::Incompatible)),
        // A read takes no notice of what is no string.
        (format!("RPUSH {ENTRY} x"), None),
    ] {
        for round in 0..3 {
            ask::<()>(&mut connection, &format!("DEL {ENTRY}")).await;
            ask::<()>(&mut connection, &make).await;
            let found = storage.get(&key("a")).await;
            match expected {
                Some(expected) => {
                    let error = found.unwrap_err();
                    assert_eq!((error.kind(), error.key()), (expected, Some(&key("a"))));
                    // It fails alone.
                    set(&storage, "b", &[]).await;
                    let many = storage.get_many(&[key("a"), key("b")]).await.unwrap();
                    assert!(many[0].is_err() && many[1].as_ref().unwrap().entry.is_some());
                }
                None => assert_eq!(found.unwrap().entry, None),
            }
            match round {
                0 => set(&storage, "a", &["tag"]).await,
                1 => {
                    let stamp = stamp(&storage, "a").await;
                    assert_eq!(fill(&storage, "a", &[], stamp).await, Outcome::Stored);
                }
                _ => {
                    remove_key(&storage, "a").await.unwrap();
                    set(&storage, "a", &[]).await;
                }
            }
            assert!(holds(&storage, "a").await, "{make}, round {round}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_torn_record_is_never_a_value() {
    let server = server();
    let storage = opened(&server).await;
    write(&storage, set_write("a", vec![7u8; 500], &["tag", "other"])).await.unwrap();
    let mut connection = connection(server.port()).await;
    let whole: Vec<u8> = ask(&mut connection, &format!("GET {ENTRY}")).await;
    for at in (0..whole.len()).step_by(7) {
        let mut damaged = whole.clone();
        damaged.truncate(at);
        put(&mut connection, ENTRY, &damaged).await;
        assert!(storage.get(&key("a")).await.is_err(), "cut after {at} bytes");
        // Whatever lies there, writes and removals go on.
        let token = cache_core::entry::Token(1);
        let now = crate::common::now();
        let action =
            cache_core::storage::WriteAction::Touch { token, fresh_until: now, kept_until: now };
        let touched = write(&storage, cache_core::storage::Write { key: key("a"), action }).await;
        assert_eq!(touched.unwrap(), Outcome::ConditionFailed);
    }
    for at in [25, 33, 41, 49, 50, 51, 60, whole.len() - 1] {
        let mut damaged = whole.clone();
        damaged[at] ^= 0x40;
        put(&mut connection, ENTRY, &damaged).await;
        let found = storage.get(&key("a")).await;
        // The checksum of the entry is the engine's to check; both together find everything.
        let whole = found
            .is_ok_and(|lookup| lookup.entry.is_some_and(|entry| entry.verify(&key("a")).is_ok()));
        assert!(!whole, "byte {at} was changed");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_of_another_kind_are_told() {
    let server = server();
    let mut connection = connection(server.port()).await;
    for name in ["fence", "counter"] {
        ask::<()>(&mut connection, "FLUSHALL").await;
        ask::<()>(&mut connection, &format!("RPUSH tiers:{{0}}:{name} x")).await;
        let error = options(&server.url()).open().await.unwrap_err();
        assert_eq!(error.kind(), StorageErrorKind::Incompatible, "{error}");
    }
    ask::<()>(&mut connection, "FLUSHALL").await;
    ask::<()>(&mut connection, "SET tiers:{0}:fence something-else-altogether").await;
    let error = options(&server.url()).open().await.unwrap_err();
    assert_eq!(error.kind(), StorageErrorKind::Incompatible, "{error}");
    ask::<()>(&mut connection, "FLUSHALL").await;
    let storage = opened(&server).await;
    ask::<()>(&mut connection, "SET tiers:{0}:t:t:tag x").await;
    let refused = write(&storage, set_write("a", "x", &["tag"])).await;
    assert_eq!(kind(refused), StorageErrorKind::Incompatible);
    // Nothing of it was stored, and others are not touched by it.
    assert!(!holds(&storage, "a").await);
    set(&storage, "a", &["other"]).await;
}
