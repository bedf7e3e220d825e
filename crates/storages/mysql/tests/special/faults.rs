//! Each fault on a real server: errors say what they are, nothing hangs, the storage comes back
//! by itself, nothing torn is read.

use std::time::{Duration, Instant};

use cache_core::storage::{Storage, StorageErrorKind};
use cache_sql::testing::faults::{self, recovered};

use crate::common::*;

cache_sql::database_faults!(MariaDb, tiers_servers::MariaDb);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_killed_in_the_middle_of_batches_leaves_whole_entries() {
    let server = own_server(&[]).await;
    let storage = open_hurried(options(&server.url(), ""), Duration::from_secs(3)).await;
    faults::a_server_killed_in_the_middle_of_batches_leaves_whole_entries::<MariaDb>(
        &server, &storage, LONG,
    )
    .await;
    storage.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_invalidation_outlives_a_crash_of_the_server() {
    let server = own_server(&["--innodb-flush-log-at-trx-commit=1"]).await;
    let storage = open(&server.url(), "").await;
    faults::an_invalidation_outlives_a_crash_of_the_server::<MariaDb>(&server, &storage).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_stands_still_is_waited_for_no_longer_than_the_timeout() {
    let server = shared_server().await;
    let (proxy, url) = proxy(&server).await;
    let storage = open_hurried(options(&url, "&pool_size=2"), HURRY).await;
    faults::a_server_that_stands_still_is_waited_for_no_longer_than_the_timeout::<MariaDb>(
        &proxy, &storage, LONG,
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_paused_server_is_unavailable_and_comes_back() {
    let server = own_server(&[]).await;
    let storage = open_hurried(options(&server.url(), "&pool_size=1"), HURRY).await;
    let key = key("paused");
    store(&storage, vec![set(&key, value(&key, "x", &[]))]).await;
    server.pause().unwrap();
    // The signal takes its time to reach all threads.
    let begun = Instant::now();
    let error = loop {
        match storage.get(&key).await {
            Err(error) => break error,
            Ok(_) => assert!(begun.elapsed() < Duration::from_secs(10), "it does not stand still"),
        }
    };
    let begun = Instant::now();
    assert_eq!(error.kind(), StorageErrorKind::Unavailable, "{error}");
    let error = write(&storage, set(&key, value(&key, "y", &[]))).await.unwrap_err();
    assert_eq!(error.kind(), StorageErrorKind::Unavailable, "{error}");
    let opened = options(&server.url(), "").timeout(HURRY).open().await;
    assert_eq!(opened.unwrap_err().kind(), StorageErrorKind::Unavailable);
    assert!(begun.elapsed() < LONG, "took {:?}", begun.elapsed());
    server.resume().unwrap();
    recovered(&storage, &key).await;
    // What was asked for while it stood still may have been done all the same, as a whole.
    let payload = read(&storage, &key).await.unwrap().payload;
    assert!(&payload[..] == b"x" || &payload[..] == b"y", "{payload:?}");
    storage.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_cut_in_the_middle_of_a_reply_is_replaced() {
    let server = shared_server().await;
    let (proxy, url) = proxy(&server).await;
    let storage = open(&url, "&pool_size=3").await;
    faults::a_connection_cut_in_the_middle_of_a_reply_is_replaced::<MariaDb>(&proxy, &storage)
        .await;
    storage.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pool_that_is_used_up_waits_until_the_timeout() {
    let server = shared_server().await;
    let chosen = options(&server.url(), "&pool_size=1");
    let storage = open_hurried(chosen.clone(), HURRY).await;
    let expected = HURRY - Duration::from_millis(100)..LONG;
    faults::a_pool_that_is_used_up_waits_until_the_timeout::<MariaDb>(
        &server.url(),
        &chosen,
        &storage,
        expected,
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_goes_on_by_a_connection_that_takes_it() {
    let server = own_server(&[]).await;
    let mut admin = connect(&server.url()).await;
    for query in ["", "&prepared=false"] {
        let chosen = options(&server.url(), query);
        chosen.clone().apply_schema().await.unwrap();
        execute(&mut admin, "SET GLOBAL tx_read_only = 1").await;
        let storage = chosen.open().await.unwrap();
        faults::a_write_goes_on_by_a_connection_that_takes_it::<MariaDb>(
            &mut admin,
            &storage,
            "SET GLOBAL tx_read_only = 0",
            LONG,
        )
        .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reads_go_on_by_the_source_while_the_server_is_dead() {
    let server = own_server(&[]).await;
    let storage = open_hurried(options(&server.url(), ""), HURRY).await;
    faults::reads_go_on_by_the_source_while_the_server_is_dead::<MariaDb>(&server, &storage, LONG)
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reads_go_on_by_the_source_while_the_server_stands_still() {
    let server = shared_server().await;
    let (proxy, url) = proxy(&server).await;
    let storage = open_hurried(options(&url, ""), HURRY).await;
    faults::reads_go_on_by_the_source_while_the_server_stands_still::<MariaDb>(
        &proxy, &storage, LONG,
    )
    .await;
}
