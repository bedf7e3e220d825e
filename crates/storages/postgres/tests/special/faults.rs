//! Each fault on a real server: errors say what they are, nothing hangs, the storage comes back
//! by itself, nothing torn is read.

use std::time::{Duration, Instant};

use cache_core::key::Key;
use cache_core::storage::{
    InvalidationMode, Outcome, Selector, Storage, StorageErrorKind, Write, WriteAction,
};
use cache_sql::testing::faults::{self, recovered};

use crate::common::*;

/// A timeout that tests wait for.
const HURRY: Duration = Duration::from_secs(1);

cache_sql::database_faults!(PostgreSql, tiers_servers::Postgres);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_killed_in_the_middle_of_batches_leaves_whole_entries() {
    let server = own_server(&[]).await;
    let chosen = options(&server.url(), "&unlogged=true");
    let storage = open_hurried(chosen, Duration::from_secs(2)).await;
    let key = key("other");
    let before = stamp(&storage, &key).await;
    faults::a_server_killed_in_the_middle_of_batches_leaves_whole_entries::<PostgreSql>(
        &server,
        &storage,
        HURRY * 3,
    )
    .await;
    // What was loaded before the server died is of another life of it.
    let outcome = write(&storage, fill(&key, value(&key, "old", &[]), before)).await.unwrap();
    assert_eq!(outcome, Outcome::Fenced, "a fill loaded before the server died");
    let after = stamp(&storage, &key).await;
    assert!(after.mark >= before.mark && after.origin != before.origin);
    let outcome = write(&storage, fill(&key, value(&key, "new", &[]), after)).await.unwrap();
    assert_eq!(outcome, Outcome::Stored);
    storage.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_invalidation_outlives_a_crash_of_the_server() {
    let server = own_server(&["wal_writer_delay=10s"]).await;
    let storage = open(&server.url(), "").await;
    faults::an_invalidation_outlives_a_crash_of_the_server::<PostgreSql>(&server, &storage).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_stands_still_is_waited_for_no_longer_than_the_timeout() {
    let server = shared_server().await;
    let (proxy, url) = proxy(&server).await;
    let storage = open_hurried(options(&url, "&pool_size=2"), HURRY).await;
    faults::a_server_that_stands_still_is_waited_for_no_longer_than_the_timeout::<PostgreSql>(
        &proxy,
        &storage,
        HURRY * 3,
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
    // The process that has the connection may go on; one that is new gets no answer.
    let begun = Instant::now();
    let opened = options(&server.url(), "").timeout(HURRY).open().await;
    assert_eq!(opened.unwrap_err().kind(), StorageErrorKind::Unavailable);
    assert!(begun.elapsed() < HURRY * 3, "took {:?}", begun.elapsed());
    server.resume().unwrap();
    recovered(&storage, &key).await;
    assert_eq!(&read(&storage, &key).await.unwrap().payload[..], b"x");
    storage.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_cut_in_the_middle_of_a_reply_is_replaced() {
    let server = shared_server().await;
    let (proxy, url) = proxy(&server).await;
    // Opening is tried again, too.
    proxy.cut_after_reply_bytes(20);
    let storage = open(&url, "&pool_size=3").await;
    faults::a_connection_cut_in_the_middle_of_a_reply_is_replaced::<PostgreSql>(&proxy, &storage)
        .await;
    // A condition that a write has itself made untrue does not make it fail, tried again.
    let key = key("condition");
    store(&storage, vec![set(&key, value(&key, "again", &[]))]).await;
    let (stamp, entry) = (stamp(&storage, &key).await, value(&key, "changed", &[]));
    let expected = read(&storage, &key).await.map(|entry| entry.token);
    let action = WriteAction::PutIfUnchanged { entry, expected, stamp };
    proxy.cut_after_reply_bytes(5);
    let outcome = write(&storage, Write { key: key.clone(), action }).await.unwrap();
    assert_eq!(outcome, Outcome::Stored);
    assert_eq!(&read(&storage, &key).await.unwrap().payload[..], b"changed");
    storage.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_password_is_denied_and_not_shown() {
    let server = own_server(&[]).await;
    let mut admin = connect(&server.url()).await;
    execute(
        &mut admin,
        "CREATE ROLE guest LOGIN PASSWORD 'right'; GRANT CREATE ON DATABASE postgres TO guest",
    )
    .await;
    let rules = server.folder().join("data/pg_hba.conf");
    let trusting = std::fs::read_to_string(&rules).unwrap();
    let rule = "host all guest 127.0.0.1/32 scram-sha-256\n";
    std::fs::write(&rules, format!("{rule}{trusting}")).unwrap();
    execute(&mut admin, "SELECT pg_reload_conf()").await;
    let url = |password: &str| server.url().replace("postgres@", &format!("guest:{password}@"));
    // Rules are read again by a signal; until then everybody is trusted.
    let begun = Instant::now();
    let error = loop {
        match options(&url("SECRET"), "").open().await {
            Err(error) => break error,
            Ok(storage) => storage.close().await.unwrap(),
        }
        assert!(begun.elapsed() < Duration::from_secs(10), "the rules are not read");
    };
    assert_eq!(error.kind(), StorageErrorKind::Denied, "{error}");
    let shown = format!("{error} {error:?} {:?}", options(&url("SECRET"), ""));
    assert!(!shown.contains("SECRET"), "{shown}");
    let storage = open(&url("right"), "").await;
    assert!(!format!("{storage:?}").contains("right"), "{storage:?}");
    storage.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_and_a_server_that_takes_no_writes_are_told() {
    let server = shared_server().await;
    let chosen = options(&server.url(), "");
    let schema = chosen.schema_name().to_owned();
    let storage = chosen.open().await.unwrap();
    let key = key("full");
    store(&storage, vec![set(&key, value(&key, "x", &[]))]).await;
    let mut admin = connect(&server.url()).await;
    let full = format!(
        "CREATE FUNCTION {schema}.refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
         RAISE EXCEPTION 'could not extend file' USING ERRCODE = 'disk_full'; END $$; \
         CREATE TRIGGER refuse BEFORE INSERT OR UPDATE ON {schema}.cache \
         FOR EACH ROW EXECUTE FUNCTION {schema}.refuse()"
    );
    execute(&mut admin, &full).await;
    let error = write(&storage, set(&key, value(&key, "y", &[]))).await.unwrap_err();
    assert_eq!(error.kind(), StorageErrorKind::Full, "{error}");
    // Undone as a whole: what stood there still does, and can be read.
    assert_eq!(&read(&storage, &key).await.unwrap().payload[..], b"x");
    let selector = Selector::Keys(vec![key.clone()]);
    storage.invalidate(&selector, InvalidationMode::Remove).await.unwrap();
    execute(&mut admin, &format!("DROP TRIGGER refuse ON {schema}.cache")).await;
    store(&storage, vec![set(&key, value(&key, "z", &[]))]).await;

    let url = format!(
        "{}?schema={schema}&options=-c%20default_transaction_read_only%3Don&create=false",
        server.url()
    );
    let reader = cache_postgres::Postgres::open(&url).await.unwrap();
    assert_eq!(&read(&reader, &key).await.unwrap().payload[..], b"z");
    // Each connection is tried once, and none is lent again.
    let begun = Instant::now();
    let error = write(&reader, set(&key, value(&key, "y", &[]))).await.unwrap_err();
    assert_eq!(error.kind(), StorageErrorKind::Unavailable, "{error}");
    assert!(error.to_string().contains("25006"), "{error}");
    assert!(begun.elapsed() < HURRY * 10, "took {:?}", begun.elapsed());
    drop(reader);
    storage.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_goes_on_by_a_connection_that_takes_it() {
    let server = own_server(&[]).await;
    let mut admin = connect(&server.url()).await;
    for query in ["", "&prepared=false"] {
        let chosen = options(&server.url(), query);
        chosen.clone().apply_schema().await.unwrap();
        let read_only = "ALTER DATABASE postgres SET default_transaction_read_only = on";
        execute(&mut admin, read_only).await;
        let storage = chosen.open().await.unwrap();
        faults::a_write_goes_on_by_a_connection_that_takes_it::<PostgreSql>(
            &mut admin,
            &storage,
            "ALTER DATABASE postgres RESET default_transaction_read_only",
            HURRY * 10,
        )
        .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reads_go_on_by_the_source_while_the_server_is_dead() {
    let server = own_server(&[]).await;
    let storage = open_hurried(options(&server.url(), ""), HURRY).await;
    faults::reads_go_on_by_the_source_while_the_server_is_dead::<PostgreSql>(
        &server,
        &storage,
        HURRY * 10,
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reads_go_on_by_the_source_while_the_server_stands_still() {
    let server = shared_server().await;
    let (proxy, url) = proxy(&server).await;
    let storage = open_hurried(options(&url, ""), HURRY).await;
    faults::reads_go_on_by_the_source_while_the_server_stands_still::<PostgreSql>(
        &proxy,
        &storage,
        HURRY * 10,
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deadlock_between_batches_is_tried_again() {
    let server = own_server(&["deadlock_timeout=300ms"]).await;
    let chosen = options(&server.url(), "&timeout=20s");
    let schema = chosen.schema_name().to_owned();
    let storage = chosen.open().await.unwrap();
    let (first, second) = (key("a"), key("b"));
    let both = |payload: &str| {
        vec![set(&first, value(&first, payload, &[])), set(&second, value(&second, payload, &[]))]
    };
    store(&storage, both("before")).await;
    let mut other = connect(&server.url()).await;
    let mut watcher = connect(&server.url()).await;
    let change =
        |key: &Key| format!("UPDATE {schema}.cache SET idle_ms = NULL WHERE key = '{key}'");
    // The other locks what the batch writes last, and then what it writes first. It looks for a
    // deadlock late, so that the batch is the one that is given up.
    execute(&mut other, "SET deadlock_timeout = '10s'; BEGIN").await;
    execute(&mut other, &change(&second)).await;
    let writer = storage.clone();
    let batch = both("after");
    let writing = tokio::spawn(async move { writer.write(batch).await });
    wait_for(&mut watcher, WAITING).await;
    execute(&mut other, &change(&first)).await;
    execute(&mut other, "COMMIT").await;
    for outcome in writing.await.unwrap().unwrap() {
        assert_eq!(outcome.unwrap(), Outcome::Stored);
    }
    for key in [&first, &second] {
        assert_eq!(&read(&storage, key).await.unwrap().payload[..], b"after");
    }
    storage.close().await.unwrap();
    // A server's process tells what it has counted at the latest when it ends.
    wait_for(&mut watcher, "SELECT deadlocks FROM pg_stat_database WHERE datname = 'postgres'")
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_an_administrator_ends_is_replaced() {
    let server = shared_server().await;
    let chosen = options(&server.url(), "&application_name=ended&pool_size=4");
    let storage = chosen.open().await.unwrap();
    let mut admin = connect(&server.url()).await;
    let key = key("ended");
    for _ in 0..5 {
        store(&storage, vec![set(&key, value(&key, "x", &[]))]).await;
        execute(
            &mut admin,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'ended'",
        )
        .await;
        assert_eq!(&read(&storage, &key).await.unwrap().payload[..], b"x");
    }
    storage.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pool_that_is_used_up_waits_until_the_timeout() {
    let server = shared_server().await;
    let chosen = options(&server.url(), "&pool_size=1");
    let storage = open_hurried(chosen.clone(), HURRY).await;
    let expected = HURRY / 2..HURRY * 3;
    faults::a_pool_that_is_used_up_waits_until_the_timeout::<PostgreSql>(
        &server.url(),
        &chosen,
        &storage,
        expected,
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_that_are_dropped_leave_no_answer_for_others() {
    let server = shared_server().await;
    for query in ["&pool_size=2", "&pool_size=2&prepared=false"] {
        let storage = open(&server.url(), query).await;
        let keys: Vec<Key> = (0..8).map(|at| key(&format!("dropped{at}"))).collect();
        let entries = |keys: &[Key]| {
            keys.iter().map(|key| set(key, value(key, key.as_str(), &[]))).collect::<Vec<_>>()
        };
        store(&storage, entries(&keys)).await;
        let tag = Selector::AnyTag(vec![tag("none")]);
        for polls in 1..60 {
            // Left after so many steps, wherever that is.
            let mut steps = 0;
            let mut calls = futures_util::future::join3(
                storage.get(&keys[polls % 8]),
                storage.write(entries(&keys[..4])),
                storage.invalidate(&tag, InvalidationMode::Remove),
            );
            let left = std::future::poll_fn(|context| {
                steps += 1;
                let call = std::pin::Pin::new(&mut calls);
                if Future::poll(call, context).is_ready() || steps > polls % 12 {
                    return std::task::Poll::Ready(());
                }
                std::task::Poll::Pending
            });
            left.await;
            drop(calls);
            for lookup in storage.get_many(&keys).await.unwrap().into_iter().zip(&keys) {
                let (lookup, key) = (lookup.0.unwrap().entry.unwrap(), lookup.1);
                lookup.verify(key).unwrap();
                assert_eq!(&lookup.payload[..], key.as_str().as_bytes());
            }
        }
        storage.close().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_statement_that_no_longer_fits_its_table_is_prepared_anew() {
    let server = shared_server().await;
    let chosen = options(&server.url(), "&pool_size=1");
    let schema = chosen.schema_name().to_owned();
    let storage = chosen.open().await.unwrap();
    let key = key("planned");
    store(&storage, vec![set(&key, value(&key, "x", &[]))]).await;
    assert!(read(&storage, &key).await.is_some());
    let mut admin = connect(&server.url()).await;
    let other = format!("ALTER TABLE {schema}.cache ALTER COLUMN key TYPE text COLLATE \"POSIX\"");
    execute(&mut admin, &other).await;
    assert!(read(&storage, &key).await.is_some());
    storage.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_do_not_answer_cost_one_timeout() {
    let server = shared_server().await;
    let (proxy, url) = proxy(&server).await;
    let storage = open_hurried(options(&url, "&pool_size=4"), HURRY).await;
    let key = key("moved");
    store(&storage, vec![set(&key, value(&key, "x", &[]))]).await;
    let reads = (0..4).map(|_| storage.get(&key));
    futures_util::future::try_join_all(reads).await.unwrap();
    proxy.stall();
    let error = storage.get(&key).await.unwrap_err();
    assert_eq!(error.kind(), StorageErrorKind::Unavailable, "{error}");
    let connections = proxy.connections();
    proxy.resume();
    storage.get(&key).await.unwrap();
    assert!(proxy.connections() > connections, "one of those that may be dead was used");
    storage.close().await.unwrap();
}
