//! Tables made, checked, refused.

use std::time::Duration;

use bytes::Bytes;
use cache_core::atomics::{Answer, AtomicKind, AtomicName, Atomics, Operation};
use cache_core::storage::{Storage, StorageErrorKind};
use tokio::task::JoinSet;

use super::{Database, change, key, read, set, stamp, store, value};

async fn refused<D: Database>(options: &D::Options, part: &str) {
    for create in [true, false] {
        let error = D::open(D::create(options.clone(), create)).await.err().unwrap();
        assert_eq!(error.kind(), StorageErrorKind::Incompatible, "{error}");
        assert!(error.to_string().contains(part), "{part}: {error}");
    }
}

/// Tables are refused after each of `changes` (statements, and a part of what is then said), and
/// where `another` was made of somebody else, whose columns `columns` counts: one.
pub async fn tables_of_another_shape_are_refused_and_left_alone<D: Database>(
    url: &str,
    changes: &[(&str, &str)],
    another: &str,
    columns: &str,
) {
    let mut admin = D::connect(url).await;
    for (statements, part) in changes {
        let options = D::options(url, "");
        D::apply_schema(options.clone()).await.unwrap();
        D::check_schema(options.clone()).await.unwrap();
        change::<D>(&mut admin, &options, statements).await;
        refused::<D>(&options, part).await;
    }
    let options = D::options(url, "");
    change::<D>(&mut admin, &options, another).await;
    refused::<D>(&options, "something else").await;
    let columns = columns.replace("{t}", &D::table(&options));
    assert_eq!(D::number(&mut admin, &columns).await, 1, "another's table was changed");
}

/// Tables of an older release are brought to this one where that is allowed.
pub async fn tables_of_the_first_schema_are_migrated_with_their_entries<D: Database>(url: &str) {
    let mut admin = D::connect(url).await;
    let options = D::options(url, "");
    let storage = D::open(options.clone()).await.unwrap();
    let key = key("kept");
    store(&storage, vec![set(&key, value(&key, "x", &[]))]).await;
    storage.close().await.unwrap();
    change::<D>(&mut admin, &options, D::UNDO_SECOND_SCHEMA).await;
    let error = D::open(D::create(options.clone(), false)).await.err().unwrap();
    assert!(error.to_string().contains("schema version 1; 2 is current"), "{error}");
    let storage = D::open(options.clone()).await.unwrap();
    assert!(read(&storage, &key).await.is_some());
    let name = AtomicName::new("t", "n", AtomicKind::Counter).unwrap();
    let add = Operation::Add { delta: 2, ttl: None, renew: false };
    assert_eq!(storage.apply(&name, &add).await.unwrap(), Answer::Count(Some(2)));
    storage.close().await.unwrap();
    D::check_schema(options).await.unwrap();
}

/// One of many processes makes the tables, and all can use them.
pub async fn many_processes_open_an_empty_database_at_once<D: Database>(url: &str) {
    let options = D::options(url, "&pool_size=1");
    let mut processes = JoinSet::new();
    for _ in 0..8 {
        processes.spawn(D::open(options.clone()));
    }
    let key = key("all");
    while let Some(process) = processes.join_next().await {
        let storage = process.unwrap().unwrap();
        store(&storage, vec![set(&key, value(&key, "x", &[]))]).await;
        storage.close().await.unwrap();
    }
}

/// Storages of two tables know nothing of each other.
pub async fn two_tables_of_one_database_do_not_meet(one: &dyn Storage, two: &dyn Storage) {
    let key = key("same");
    store(one, vec![set(&key, value(&key, "one", &[]))]).await;
    assert_eq!(read(two, &key).await, None);
    assert_ne!(stamp(one, &key).await.origin, stamp(two, &key).await.origin);
    one.close().await.unwrap();
    two.close().await.unwrap();
}

/// A backplane's log takes events, gives them, and removes those over its bound, which is one.
pub async fn events_are_appended_read_and_trimmed(storage: &dyn Storage) {
    let log = storage.events().unwrap();
    let before = log.end().await.unwrap();
    let event = |text: &'static str| Bytes::from_static(text.as_bytes());
    log.append(vec![event("one")]).await.unwrap();
    let page = log.read(&before, Duration::from_secs(10), 8).await.unwrap();
    assert_eq!((page.events, page.gap), (vec![event("one")], false));
    log.append(vec![event("two")]).await.unwrap();
    assert!(log.read(&before, Duration::ZERO, 8).await.unwrap().gap, "one is over the bound");
    let page = log.read(&page.next, Duration::ZERO, 8).await.unwrap();
    assert_eq!((page.events, page.gap), (vec![event("two")], false));
}
