//! The log of events where it is lost, trimmed away or meddled with.

use std::time::Duration;

use bytes::Bytes;
use cache_core::backplane::{EventLog, Page, Position};
use cache_core::storage::Storage;
use cache_redis::Redis;

use crate::common::{ask, blocking, connection, eventually, opened, options, server};

async fn append(log: &Redis, text: &'static str) {
    log.append(vec![Bytes::from_static(text.as_bytes())]).await.unwrap();
}

async fn page(log: &Redis, after: &Position) -> Page {
    log.read(after, Duration::ZERO, 100).await.unwrap()
}

/// A log with an event that was read and one that was not, and the position between.
async fn read_in_part(log: &Redis) -> Position {
    append(log, "read").await;
    let end = log.end().await.unwrap();
    append(log, "unread").await;
    end
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_was_flushed_or_emptied_is_a_gap() {
    let server = server();
    let log = opened(&server).await;
    let mut administrator = connection(server.port()).await;
    for command in ["FLUSHALL", "DEL tiers:{0}:events", "XTRIM tiers:{0}:events MAXLEN 0"] {
        // Noticed though nothing is appended, and though something is.
        for appended in [false, true] {
            let at = read_in_part(&log).await;
            let _: redis::Value = ask(&mut administrator, command).await;
            if appended {
                append(&log, "new").await;
            }
            let lost = page(&log, &at).await;
            assert!(lost.gap, "{command}, {appended}");
            append(&log, "after").await;
            let found = page(&log, &lost.next).await;
            assert!(!found.gap && found.events.ends_with(&[Bytes::from_static(b"after")]));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_was_restarted_is_a_gap_whatever_it_kept() {
    let server = crate::common::server_with(&["--appendonly", "yes", "--appendfsync", "always"]);
    let log = options(&server.url()).timeout(Duration::from_secs(2)).open().await.unwrap();
    let at = read_in_part(&log).await;
    blocking(|| server.kill());
    blocking(|| server.restart());
    eventually("it answers", || async { log.end().await.is_ok() }).await;
    append(&log, "new").await;
    let found = page(&log, &at).await;
    assert!(found.gap, "what it has lost is not known");
    assert_eq!(found.events.last().unwrap(), "new");
    assert!(!page(&log, &found.next).await.gap);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_that_wait_hold_up_nobody_and_are_woken() {
    let server = server();
    let log = opened(&server).await;
    let end = log.end().await.unwrap();
    let readers: Vec<_> = (0..6)
        .map(|_| {
            let (log, end) = (log.clone(), end.clone());
            tokio::spawn(async move {
                let mut page = log.read(&end, Duration::from_secs(30), 10).await.unwrap();
                while page.events.is_empty() {
                    page = log.read(&page.next, Duration::from_secs(30), 10).await.unwrap();
                }
                page.events
            })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(200)).await;
    let begun = std::time::Instant::now();
    assert!(log.stats().await.is_ok());
    append(&log, "wake").await;
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    for reader in readers {
        assert_eq!(reader.await.unwrap(), ["wake"]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_comes_back_after_its_connection_was_cut() {
    let server = server();
    let log = opened(&server).await;
    let mut at = log.end().await.unwrap();
    let mut administrator = connection(server.port()).await;
    let killing = tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(200)).await;
        let _: redis::Value = ask(&mut administrator, "CLIENT KILL TYPE normal SKIPME yes").await;
    });
    let cut = log.read(&at, Duration::from_secs(2), 10).await;
    assert!(cut.is_err() || cut.unwrap().events.is_empty());
    killing.await.unwrap();
    append(&log, "after").await;
    let found = page(&log, &at).await;
    at = found.next.clone();
    assert_eq!((found.events.len(), found.gap), (1, false), "nothing was missed");
    assert!(log.read(&at, Duration::from_millis(50), 10).await.unwrap().events.is_empty());
}
