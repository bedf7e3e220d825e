//! Steps whose replies are lost, and keys that are not ours.

use std::time::Duration;

use cache_core::atomics::{Answer, AtomicKind, AtomicName, Atomics, Operation, Owner};
use cache_core::storage::{Selector, StorageErrorKind};
use cache_redis::RedisOptions;
use tiers_servers::Proxy;

use crate::common::{ask, blocking, connection, kind, opened, server};

fn name(text: &str, kind: AtomicKind) -> AtomicName {
    AtomicName::new("t", text, kind).unwrap()
}

const ADD: Operation = Operation::Add { delta: 1, ttl: None, renew: false };

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_addition_whose_reply_is_lost_is_told_and_not_sent_again() {
    let server = server();
    let direct = opened(&server).await;
    let proxy = blocking(|| Proxy::to(server.port()));
    let storage = RedisOptions::server("127.0.0.1", proxy.port())
        .timeout(Duration::from_secs(2))
        .open()
        .await
        .unwrap();
    let counter = name("n", AtomicKind::Counter);
    assert_eq!(storage.apply(&counter, &ADD).await.unwrap(), Answer::Count(Some(1)));
    proxy.cut_after_reply_bytes(0);
    assert_eq!(kind(storage.apply(&counter, &ADD).await), StorageErrorKind::Unavailable);
    let count = direct.apply(&counter, &Operation::Count).await.unwrap();
    assert_eq!(count, Answer::Count(Some(2)), "carried out once");
    // What may be sent twice is: the lock is this owner's, whichever of the two took it.
    let lock = name("l", AtomicKind::Lock);
    let (ttl, retention) = (Duration::from_secs(60), Duration::from_secs(60));
    let acquire = Operation::Acquire { owner: Owner::random(), ttl, retention };
    storage.apply(&counter, &Operation::Count).await.unwrap();
    proxy.cut_after_reply_bytes(0);
    let acquired = storage.apply(&lock, &acquire).await.unwrap();
    assert_eq!(direct.apply(&lock, &acquire).await.unwrap(), acquired);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_are_no_entries_to_statistics_and_scans() {
    use cache_core::storage::Storage;
    use futures_util::StreamExt;
    let server = server();
    let storage = opened(&server).await;
    storage.apply(&name("n", AtomicKind::Counter), &ADD).await.unwrap();
    assert_eq!(storage.stats().await.unwrap().entries, 0);
    let selector = Selector::Namespace("t".to_owned());
    assert_eq!(storage.scan(&selector).count().await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_of_another_kind_is_told_and_left() {
    let server = server();
    let storage = opened(&server).await;
    let counter = name("n", AtomicKind::Counter);
    storage.apply(&counter, &ADD).await.unwrap();
    let mut connection = connection(server.port()).await;
    let keys: Vec<String> = ask(&mut connection, "KEYS *:a:*").await;
    let [key] = &keys[..] else { panic!("{keys:?}") };
    ask::<()>(&mut connection, &format!("DEL {key}")).await;
    ask::<()>(&mut connection, &format!("SET {key} text")).await;
    assert_eq!(kind(storage.apply(&counter, &ADD).await), StorageErrorKind::Incompatible);
    let kept: String = ask(&mut connection, &format!("GET {key}")).await;
    assert_eq!(kept, "text");
}
