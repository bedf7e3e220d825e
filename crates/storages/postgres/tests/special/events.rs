//! The log of events: commits out of order, wake-ups that are lost, a server that crashes.

use std::time::Duration;

use bytes::Bytes;
use cache_core::backplane::{EventLog, Page, Position};
use cache_core::storage::StorageErrorKind;
use cache_postgres::Postgres;

use crate::common::*;

async fn append(log: &Postgres, text: &'static str) {
    log.append(vec![Bytes::from_static(text.as_bytes())]).await.unwrap();
}

async fn page(log: &Postgres, after: &Position) -> Page {
    log.read(after, Duration::ZERO, 100).await.unwrap()
}

/// An append whose transaction stays open holds up those that come after it: no number is seen
/// before the one below it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_event_is_missed_that_commits_late() {
    let server = shared_server().await;
    let chosen = options(&server.url(), "");
    let schema = chosen.schema_name().to_owned();
    let log = chosen.open().await.unwrap();
    let start = log.end().await.unwrap();
    let mut late = connect(&server.url()).await;
    execute(&mut late, "BEGIN").await;
    let sql = format!("SELECT \"{schema}\".\"cache_append_events\"(ARRAY['late'::bytea], 1000)");
    execute(&mut late, &sql).await;
    let second = tokio::spawn({
        let log = log.clone();
        async move { append(&log, "second").await }
    });
    let mut watcher = connect(&server.url()).await;
    let waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted";
    wait_for(&mut watcher, waiting).await;
    let before = page(&log, &start).await;
    assert!(before.events.is_empty() && !before.gap, "{before:?}");
    execute(&mut late, "COMMIT").await;
    second.await.unwrap();
    let after = page(&log, &before.next).await;
    assert_eq!(after.events, ["late", "second"]);
    assert!(!after.gap);
    // One that is undone leaves no hole.
    execute(&mut late, "BEGIN").await;
    execute(&mut late, &sql).await;
    execute(&mut late, "ROLLBACK").await;
    append(&log, "third").await;
    let last = page(&log, &after.next).await;
    assert_eq!((last.events.len(), last.gap), (1, false));
}

/// The connection that listens is cut again and again: events come all the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_whose_wake_up_was_lost_looks_by_itself() {
    let server = own_server(&[]).await;
    let log = open(&server.url(), "").await;
    let mut at = log.end().await.unwrap();
    let mut administrator = connect(&server.url()).await;
    let listening = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'LISTEN%'";
    for _ in 0..3 {
        let reading = tokio::spawn({
            let (log, at) = (log.clone(), at.clone());
            async move {
                let mut page = log.read(&at, Duration::from_secs(1), 10).await.unwrap();
                while page.events.is_empty() {
                    page = log.read(&page.next, Duration::from_secs(1), 10).await.unwrap();
                }
                page
            }
        });
        wait_for(&mut administrator, listening).await;
        let cut = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
                   WHERE query LIKE 'LISTEN%'";
        number(&mut administrator, cut).await;
        append(&log, "event").await;
        let page = tokio::time::timeout(Duration::from_secs(20), reading).await.unwrap().unwrap();
        assert_eq!((page.events.len(), page.gap), (1, false));
        at = page.next;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_crashed_and_a_table_that_was_emptied_are_gaps() {
    let server = own_server(&[]).await;
    let chosen = options(&server.url(), "");
    let schema = chosen.schema_name().to_owned();
    let log = chosen.open().await.unwrap();
    append(&log, "before").await;
    let mut at = log.end().await.unwrap();
    let mut administrator = connect(&server.url()).await;
    execute(&mut administrator, &format!("TRUNCATE \"{schema}\".\"cache_events\"")).await;
    assert!(page(&log, &at).await.gap);
    append(&log, "new").await;
    assert!(page(&log, &at).await.gap);
    at = log.end().await.unwrap();
    let hurt = std::sync::Arc::clone(&server);
    blocking(move || hurt.kill().unwrap()).await;
    let hurt = std::sync::Arc::clone(&server);
    blocking(move || hurt.restart().unwrap()).await;
    let mut found = log.read(&at, Duration::ZERO, 10).await;
    while found.is_err() {
        found = log.read(&at, Duration::ZERO, 10).await;
    }
    assert!(found.unwrap().gap);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tables_are_made_only_where_they_may_be() {
    let server = shared_server().await;
    let chosen = options(&server.url(), "");
    drop(chosen.clone().open().await.unwrap());
    let log = chosen.clone().create(false).open().await.unwrap();
    let error = log.end().await.unwrap_err();
    assert_eq!(error.kind(), StorageErrorKind::Incompatible, "{error}");
    let maker = chosen.open().await.unwrap();
    append(&maker, "made").await;
    append(&log, "used").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_printed_script_makes_the_log_too() {
    let server = shared_server().await;
    let chosen = options(&server.url(), "");
    let mut administrator = connect(&server.url()).await;
    execute(&mut administrator, &chosen.schema_script().unwrap()).await;
    let log = chosen.create(false).open().await.unwrap();
    append(&log, "event").await;
}
