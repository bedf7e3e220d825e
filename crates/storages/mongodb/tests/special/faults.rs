//! Servers that die, freeze, refuse, and connections that are cut.

use std::sync::Arc;
use std::time::{Duration, Instant};

use cache_core::storage::{
    InvalidationMode, Outcome, Selector, Storage, StorageError, StorageErrorKind,
};
use cache_core::testing::reads_go_on_by_the_source;
use cache_mongodb::MongoDb;
use mongodb::bson::doc;
use tiers_servers::{MongoDb as Server, Proxy};

use super::common::{
    SLACK, TIMEOUT, entry, fail, holds, key, options, options_of, own_server, set, set_write,
};

/// Every kind of call; gives what each answered.
async fn every_call(storage: &MongoDb) -> Vec<Result<(), StorageError>> {
    let keys = [key("k"), key("other")];
    let selector = Selector::Keys(keys.to_vec());
    vec![
        storage.get(&keys[0]).await.map(drop),
        storage.get_many(&keys).await.map(drop),
        storage.stamps(&keys).await.map(drop),
        set(storage, "k", &["t"]).await,
        storage.invalidate(&selector, InvalidationMode::Remove).await.map(drop),
        storage.stats().await.map(drop),
        storage.maintain(cache_core::storage::Budget::UNLIMITED).await.map(drop),
    ]
}

/// Every call answers in time that the server cannot be had.
async fn assert_unavailable(storage: &MongoDb) {
    let answers = tokio::time::timeout(TIMEOUT * 7 + SLACK, every_call(storage)).await;
    let answers = answers.unwrap_or_else(|elapsed| panic!("a call hangs: {elapsed}"));
    for (number, answer) in answers.into_iter().enumerate() {
        let Err(error) = answer else { panic!("call {number} was answered") };
        assert_eq!(error.kind(), StorageErrorKind::Unavailable, "call {number}: {error}");
        assert!(error.is_transient());
    }
    let begun = Instant::now();
    let error = storage.get(&key("k")).await.map(drop).unwrap_err();
    assert_eq!(error.kind(), StorageErrorKind::Unavailable, "{error}");
    assert!(begun.elapsed() < TIMEOUT + SLACK, "{:?}", begun.elapsed());
}

/// It works again, by itself and soon.
async fn assert_recovers(storage: &MongoDb) {
    let begun = Instant::now();
    loop {
        match set(storage, "again", &["t"]).await {
            Ok(()) => break,
            Err(error) => {
                assert!(error.is_transient(), "{error}");
                assert!(begun.elapsed() < Duration::from_secs(30), "it does not recover: {error}");
            }
        }
    }
    assert!(holds(storage, "again").await.unwrap());
    let selector = Selector::AnyTag(vec![super::common::tag("t")]);
    storage.invalidate(&selector, InvalidationMode::Remove).await.unwrap();
    assert!(!holds(storage, "again").await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_was_paused_is_unavailable_and_comes_back() {
    let Some(server) = own_server(&[]) else { return };
    let storage = options(&server).timeout(TIMEOUT).open().await.unwrap();
    set(&storage, "k", &[]).await.unwrap();
    server.pause().unwrap();
    assert_unavailable(&storage).await;
    server.resume().unwrap();
    assert_recovers(&storage).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_killed_in_the_middle_of_batches_comes_back_with_whole_entries() {
    let Some(server) = own_server(&[]) else { return };
    let options = options(&server).timeout(TIMEOUT);
    let storage = options.open().await.unwrap();
    let writer = tokio::spawn({
        let storage = storage.clone();
        async move {
            let mut failures = 0;
            for round in 0u32.. {
                let keys: Vec<_> = (0..50).map(|number| key(&format!("k{number}"))).collect();
                let writes = keys.iter().map(|key| {
                    let mut payload = vec![round as u8; 4_000];
                    payload[..4].copy_from_slice(&round.to_le_bytes());
                    set_write(key, payload, &["t"])
                });
                match storage.write(writes.collect()).await {
                    Ok(outcomes) => {
                        failures += outcomes.iter().filter(|outcome| outcome.is_err()).count();
                    }
                    Err(error) => {
                        assert!(error.is_transient(), "{error}");
                        failures += 1;
                    }
                }
                if failures > 0 {
                    return;
                }
            }
        }
    });
    tokio::time::sleep(Duration::from_millis(300)).await;
    server.kill().unwrap();
    tokio::time::timeout(Duration::from_secs(30), writer).await.expect("it hangs").unwrap();
    assert_unavailable(&storage).await;
    server.restart().unwrap();
    assert_recovers(&storage).await;
    for number in 0..50 {
        // Verifies what it finds.
        let key = key(&format!("k{number}"));
        if let Some(entry) = storage.get(&key).await.unwrap().entry {
            entry.verify(&key).unwrap();
            assert!(entry.payload[4..].iter().all(|byte| *byte == entry.payload[0]));
        }
    }
}

/// The proxy's URL: the driver is not to look for other members.
fn through(proxy: &Proxy) -> String {
    format!("mongodb://127.0.0.1:{}/?directConnection=true&heartbeatFrequencyMS=500", proxy.port())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_that_is_cut_is_asked_for_again_and_never_torn() {
    let Some(server) = own_server(&[]) else { return };
    let proxy = Proxy::to(server.port()).unwrap();
    let storage = options_of(&through(&proxy)).open().await.unwrap();
    let big = key("big");
    storage.write(vec![set_write(&big, vec![7; 300_000], &["t"])]).await.unwrap();
    for bytes in [1, 15, 16, 17, 100, 1_000, 50_000, 299_000] {
        proxy.cut_after_reply_bytes(bytes);
        let lookup = storage.get(&big).await.unwrap();
        let found = lookup.entry.unwrap();
        found.verify(&big).unwrap();
        assert_eq!(found.payload.len(), 300_000);
        // A fill whose replies are lost tells the truth all the same.
        let key = key(&format!("fill{bytes}"));
        proxy.cut_after_reply_bytes(bytes);
        let action = cache_core::storage::WriteAction::Fill {
            entry: entry(&key, "x", &[]),
            stamp: lookup.stamp,
        };
        let write = cache_core::storage::Write { key: key.clone(), action };
        let outcome = storage.write(vec![write]).await.unwrap().remove(0).unwrap();
        assert_eq!(outcome, Outcome::Stored);
        assert!(storage.get(&key).await.unwrap().entry.is_some());
        // And so does an invalidation.
        proxy.cut_after_reply_bytes(bytes);
        let selector = Selector::Keys(vec![key.clone()]);
        storage.invalidate(&selector, InvalidationMode::Remove).await.unwrap();
        assert!(storage.get(&key).await.unwrap().entry.is_none());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_network_that_stalls_or_refuses_is_unavailable_and_comes_back() {
    let Some(server) = own_server(&[]) else { return };
    let proxy = Proxy::to(server.port()).unwrap();
    let storage = options_of(&through(&proxy)).timeout(TIMEOUT).open().await.unwrap();
    proxy.stall();
    assert_unavailable(&storage).await;
    proxy.resume();
    assert_recovers(&storage).await;
    proxy.refuse(true);
    proxy.cut();
    assert_unavailable(&storage).await;
    proxy.refuse(false);
    assert_recovers(&storage).await;
    // Nor is one opened.
    proxy.refuse(true);
    let begun = Instant::now();
    let error = options_of(&through(&proxy)).timeout(TIMEOUT).open().await.map(drop).unwrap_err();
    assert_eq!(error.kind(), StorageErrorKind::Unavailable, "{error}");
    assert!(begun.elapsed() < TIMEOUT + SLACK);
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_wait_for_a_connection_up_to_their_time() {
    let Some(server) = own_server(&[]) else { return };
    let proxy = Proxy::to(server.port()).unwrap();
    let patient = options_of(&through(&proxy)).pool_size(1).open().await.unwrap();
    set(&patient, "k", &[]).await.unwrap();
    let gets = (0..64).map(|_| holds(&patient, "k"));
    for held in futures_util::future::join_all(gets).await {
        assert!(held.unwrap());
    }
    let hasty = options_of(&through(&proxy)).pool_size(1).timeout(TIMEOUT).open().await.unwrap();
    proxy.stall();
    let begun = Instant::now();
    let gets = (0..8).map(|_| holds(&hasty, "k"));
    for held in futures_util::future::join_all(gets).await {
        assert_eq!(held.unwrap_err().kind(), StorageErrorKind::Unavailable);
    }
    assert!(begun.elapsed() < TIMEOUT + SLACK, "{:?}", begun.elapsed());
    proxy.resume();
    assert_recovers(&hasty).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_call_leaves_connection_and_entry_sound() {
    let Some(server) = own_server(&[]) else { return };
    let proxy = Proxy::to(server.port()).unwrap();
    let storage = options_of(&through(&proxy)).pool_size(1).open().await.unwrap();
    set(&storage, "k", &[]).await.unwrap();
    for _ in 0..5 {
        proxy.stall();
        let cancelled = tokio::time::timeout(Duration::from_millis(50), holds(&storage, "k")).await;
        assert!(cancelled.is_err(), "a stalled call was answered");
        proxy.resume();
        // The reply of the first is not taken for that of another.
        assert!(!holds(&storage, "nothing").await.unwrap());
        assert!(holds(&storage, "k").await.unwrap());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_told_and_an_election_is_waited_for() {
    let Some(server) = own_server(&["--enable-test-commands"]) else { return };
    let storage = options(&server).open().await.unwrap();
    fail(&server, doc! { "times": 1 }, doc! { "failCommands": ["update"], "errorCode": 14031 })
        .await;
    let error = set(&storage, "k", &[]).await.unwrap_err();
    assert_eq!(error.kind(), StorageErrorKind::Full, "{error}");
    assert!(!error.is_transient());
    assert!(!holds(&storage, "k").await.unwrap());
    // A server that may only be read is about to have a successor.
    for command in ["aggregate", "update"] {
        fail(&server, doc! { "times": 2 }, doc! { "failCommands": [command], "errorCode": 10107 })
            .await;
        set(&storage, command, &[]).await.unwrap();
        assert!(holds(&storage, command).await.unwrap());
    }
    // Nobody else has it, however often it is tried: what was written is not to be relied on.
    let unmet = doc! { "code": 64, "errmsg": "waiting for replication timed out" };
    fail(
        &server,
        doc! { "times": 7 },
        doc! { "failCommands": ["update"], "writeConcernError": unmet },
    )
    .await;
    let error = set(&storage, "k", &[]).await.unwrap_err();
    assert_eq!(error.kind(), StorageErrorKind::Unavailable, "{error}");
    // Rights that were taken away.
    fail(&server, doc! { "times": 1 }, doc! { "failCommands": ["aggregate"], "errorCode": 13 })
        .await;
    let error = holds(&storage, "k").await.unwrap_err();
    assert_eq!(error.kind(), StorageErrorKind::Denied, "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_denied_and_never_shown() {
    let Some(server) = own_server(&["--auth"]) else { return };
    let url = format!(
        "mongodb://somebody:hunter2@127.0.0.1:{}/?directConnection=true&authSource=admin",
        server.port()
    );
    let options = options_of(&url).timeout(Duration::from_secs(20));
    assert!(!format!("{options:?}").contains("hunter2"));
    let error = options.open().await.map(drop).unwrap_err();
    assert_eq!(error.kind(), StorageErrorKind::Denied, "{error}");
    assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn reads_go_on_by_the_source_while_the_server_is_dead() {
    let Some(server) = own_server(&[]) else { return };
    let storage = options(&server).timeout(TIMEOUT).open().await.unwrap();
    let server = Arc::new(server);
    let hurt = |hurt: fn(&Server) -> anyhow::Result<()>| {
        let server = Arc::clone(&server);
        let hurt = move || tokio::task::spawn_blocking(move || hurt(&server).unwrap());
        async move || hurt().await.unwrap()
    };
    let (kill, restart) = (hurt(|server| server.kill()), hurt(|server| server.restart()));
    let read_max = TIMEOUT * 2 + SLACK;
    reads_go_on_by_the_source(storage.into_storage(), read_max, kill, restart).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn reads_go_on_by_the_source_while_the_server_stands_still() {
    let Some(server) = own_server(&[]) else { return };
    let proxy = Proxy::to(server.port()).unwrap();
    let storage = options_of(&through(&proxy)).timeout(TIMEOUT).open().await.unwrap();
    let (stall, resume) = (async || proxy.stall(), async || proxy.resume());
    let read_max = TIMEOUT * 2 + SLACK;
    reads_go_on_by_the_source(storage.into_storage(), read_max, stall, resume).await;
}
