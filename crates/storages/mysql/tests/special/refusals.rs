//! What a server refuses: passwords, writes, packets, deadlocks, connections that are ended.

use cache_core::key::Key;
use cache_core::storage::{
    InvalidationMode, Outcome, Selector, Storage, StorageErrorKind, Write, WriteAction,
};

use crate::common::*;

/// Makes a user with all rights to the database, and none to the server.
async fn user(url: &str, name: &str) {
    let mut admin = connect(url).await;
    let sql =
        format!("CREATE USER {name}@'%' IDENTIFIED BY 'right'; GRANT ALL ON tiers.* TO {name}@'%'");
    execute(&mut admin, &sql).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_password_is_denied_and_not_shown() {
    let server = shared_server().await;
    user(&server.url(), "guest").await;
    let url = |password: &str| server.url().replace("root@", &format!("guest:{password}@"));
    let error = options(&url("SECRET"), "").open().await.unwrap_err();
    assert_eq!(error.kind(), StorageErrorKind::Denied, "{error}");
    let shown = format!("{error} {error:?} {:?}", options(&url("SECRET"), ""));
    assert!(!shown.contains("SECRET"), "{shown}");
    let storage = open(&url("right"), "").await;
    assert!(!format!("{storage:?}").contains("right"), "{storage:?}");
    storage.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_rights_of_the_guide_are_enough() {
    let server = shared_server().await;
    let chosen = options(&server.url(), "");
    let table = chosen.table_name();
    let mut admin = connect(&server.url()).await;
    execute(&mut admin, &chosen.schema_script().unwrap()).await;
    execute(&mut admin, "CREATE USER program@'%' IDENTIFIED BY 'right'").await;
    for end in ["", "_meta", "_fence", "_tags", "_totals", "_atomics", "_events"] {
        let grant =
            format!("GRANT SELECT, INSERT, UPDATE, DELETE ON tiers.{table}{end} TO program@'%'");
        execute(&mut admin, &grant).await;
    }
    let url = server.url().replace("root@", "program:right@");
    let url = format!("{url}?table={table}&create=false&events_max=1");
    let storage = cache_mysql::MySql::open(&url).await.unwrap();
    let (key, tags) = (key("k"), [tag("t")]);
    store(&storage, vec![set(&key, value(&key, "x", &tags))]).await;
    assert!(read(&storage, &key).await.is_some());
    let any = Selector::AnyTag(tags.to_vec());
    assert_eq!(storage.invalidate(&any, InvalidationMode::Remove).await.unwrap().entries, 1);
    storage.maintain(cache_core::storage::Budget::UNLIMITED).await.unwrap();
    cache_sql::testing::schema::events_are_appended_read_and_trimmed(&storage).await;
    storage.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_is_told_and_nothing_is_half_done() {
    let server = shared_server().await;
    let chosen = options(&server.url(), "");
    let table = chosen.table_name().to_owned();
    let storage = chosen.open().await.unwrap();
    let key = key("full");
    store(&storage, vec![set(&key, value(&key, "x", &[tag("old")]))]).await;
    let mut admin = connect(&server.url()).await;
    for event in ["UPDATE", "INSERT"] {
        // The tags are written last.
        let on = if event == "INSERT" { format!("{table}_tags") } else { table.clone() };
        let full = format!(
            "CREATE TRIGGER {table}_full BEFORE {event} ON {on} FOR EACH ROW \
             SIGNAL SQLSTATE 'HY000' SET MYSQL_ERRNO = 1114, MESSAGE_TEXT = 'the table is full'"
        );
        execute(&mut admin, &full).await;
        let now = stamp(&storage, &key).await;
        for write in [
            set(&key, value(&key, "y", &[tag("new")])),
            fill(&key, value(&key, "y", &[tag("new")]), now),
        ] {
            let error = crate::common::write(&storage, write).await.unwrap_err();
            assert_eq!(error.kind(), StorageErrorKind::Full, "{error}");
        }
        // Undone as a whole: what stood there still does, with its tags.
        assert_eq!(&read(&storage, &key).await.unwrap().payload[..], b"x");
        execute(&mut admin, &format!("DROP TRIGGER {table}_full")).await;
    }
    let old = Selector::AnyTag(vec![tag("old")]);
    assert_eq!(storage.invalidate(&old, InvalidationMode::Remove).await.unwrap().entries, 1);
    store(&storage, vec![set(&key, value(&key, "z", &[]))]).await;
    storage.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_takes_no_writes_is_unavailable_until_it_does() {
    let server = own_server(&[]).await;
    user(&server.url(), "guest").await;
    let url = server.url().replace("root@", "guest:right@");
    let storage = open_hurried(options(&url, ""), HURRY).await;
    let key = key("read-only");
    store(&storage, vec![set(&key, value(&key, "x", &[]))]).await;
    let mut admin = connect(&server.url()).await;
    execute(&mut admin, "SET GLOBAL read_only = 1").await;
    // A new connection is asked, and tells what the server is.
    let begun = std::time::Instant::now();
    let error = write(&storage, set(&key, value(&key, "y", &[]))).await.unwrap_err();
    assert_eq!(error.kind(), StorageErrorKind::Unavailable, "{error}");
    assert!(error.to_string().contains("`read_only`"), "{error}");
    assert!(begun.elapsed() < LONG, "took {:?}", begun.elapsed());
    // It may be a replica by now, and behind: what it says is not taken.
    let error = storage.get(&key).await.unwrap_err();
    assert_eq!(error.kind(), StorageErrorKind::Unavailable, "{error}");
    assert!(error.to_string().contains("read_only"), "{error}");
    let error = options(&url, "").timeout(HURRY).open().await.unwrap_err();
    assert_eq!(error.kind(), StorageErrorKind::Unavailable, "{error}");
    execute(&mut admin, "SET GLOBAL read_only = 0").await;
    assert_eq!(&read(&storage, &key).await.unwrap().payload[..], b"x");
    store(&storage, vec![set(&key, value(&key, "z", &[]))]).await;
    storage.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_small_packet_bounds_values_and_cuts_batches() {
    let server = own_server(&["--max-allowed-packet=1M"]).await;
    let storage = open(&server.url(), "").await;
    let largest = storage.capabilities().value_bytes_max;
    assert!((300_000..500_000).contains(&largest), "{largest}");
    let largest = usize::try_from(largest).unwrap();
    let (key, other) = (key("large"), key("other"));
    let outcome = write(&storage, set(&key, value(&key, vec![7; largest + 1], &[]))).await.unwrap();
    assert_eq!(outcome, Outcome::TooLarge);
    // As many tags as an entry has at most in sane use.
    let tags: Vec<_> = (0..50).map(|at| tag(&format!("{at}{}", "x".repeat(200)))).collect();
    store(&storage, vec![set(&key, value(&key, vec![7; largest], &tags))]).await;
    assert_eq!(read(&storage, &key).await.unwrap().payload.len(), largest);
    let keys: Vec<Key> = (0..20).map(|at| crate::common::key(&format!("k{at}"))).collect();
    let batch = keys.iter().map(|key| set(key, value(key, vec![8; largest / 2], &[])));
    store(&storage, batch.collect()).await;
    for found in storage.get_many(&keys).await.unwrap() {
        assert_eq!(found.unwrap().entry.unwrap().payload.len(), largest / 2);
    }

    // Made smaller while it is open: refused, and all else goes on.
    let mut admin = connect(&server.url()).await;
    execute(&mut admin, "SET GLOBAL max_allowed_packet = 65536").await;
    let kill = "SELECT CAST(id AS SIGNED) FROM information_schema.processlist \
                WHERE id <> CONNECTION_ID() LIMIT 1";
    let ended = number(&mut admin, kill).await;
    execute(&mut admin, &format!("KILL {ended}")).await;
    let error = write(&storage, set(&key, value(&key, vec![9; largest], &[]))).await.unwrap_err();
    let kind = error.kind();
    // The server may close before its answer is read.
    assert!(matches!(kind, StorageErrorKind::Invalid | StorageErrorKind::Unavailable), "{error}");
    store(&storage, vec![set(&other, value(&other, "small", &[]))]).await;
    assert_eq!(&read(&storage, &other).await.unwrap().payload[..], b"small");
    storage.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deadlock_between_batches_is_tried_again() {
    let server = own_server(&[]).await;
    let chosen = options(&server.url(), "");
    let table = chosen.table_name().to_owned();
    let storage = chosen.open().await.unwrap();
    let (first, second) = (key("a"), key("b"));
    let mut other = connect(&server.url()).await;
    let mut watcher = connect(&server.url()).await;
    execute(&mut other, "CREATE TABLE heavy (number INT PRIMARY KEY) ENGINE = InnoDB").await;
    let deadlocks = "SELECT CAST(variable_value AS SIGNED) FROM information_schema.global_status \
                     WHERE variable_name = 'Innodb_deadlocks'";
    for kind in ["sets", "fills", "mixed"] {
        let both = |payload: &str| [&first, &second].map(|key| value(key, payload, &[tag("t")]));
        let [one, two] = both("before");
        store(&storage, vec![set(&first, one), set(&second, two)]).await;
        let now = stamp(&storage, &first).await;
        let [one, two] = both("after");
        let batch: Vec<Write> = match kind {
            "sets" => vec![set(&first, one), set(&second, two)],
            "fills" => vec![fill(&first, one, now), fill(&second, two, now)],
            _ => vec![
                set(&first, one),
                Write {
                    key: second.clone(),
                    action: WriteAction::Update { entry: two, stamp: now },
                },
            ],
        };
        let change = |key: &Key| format!("UPDATE {table} SET idle_ms = 5 WHERE `key` = '{key}'");
        let before = number(&mut watcher, deadlocks).await;
        // The other locks what the batch writes last, and then what it writes first. It has done
        // more, so that the batch is the one that is given up.
        execute(
            &mut other,
            "START TRANSACTION; DELETE FROM heavy; INSERT INTO heavy SELECT seq FROM seq_1_to_5000",
        )
        .await;
        execute(&mut other, &change(&second)).await;
        let writer = storage.clone();
        let writing = tokio::spawn(async move { writer.write(batch).await });
        wait_for(&mut watcher, WAITING).await;
        execute(&mut other, &change(&first)).await;
        execute(&mut other, "COMMIT").await;
        for outcome in writing.await.unwrap().unwrap() {
            assert_eq!(outcome.unwrap(), Outcome::Stored, "{kind}");
        }
        for key in [&first, &second] {
            assert_eq!(&read(&storage, key).await.unwrap().payload[..], b"after");
        }
        assert!(number(&mut watcher, deadlocks).await > before, "{kind}: there was none");
    }
    storage.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_an_administrator_ends_is_replaced() {
    let server = shared_server().await;
    user(&server.url(), "ended").await;
    let url = server.url().replace("root@", "ended:right@");
    let storage = open(&url, "&pool_size=4").await;
    let mut admin = connect(&server.url()).await;
    let key = key("ended");
    for _ in 0..5 {
        store(&storage, vec![set(&key, value(&key, "x", &[]))]).await;
        execute(&mut admin, "KILL USER ended").await;
        assert_eq!(&read(&storage, &key).await.unwrap().payload[..], b"x");
        execute(&mut admin, "KILL USER ended").await;
    }
    storage.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lock_that_is_held_too_long_is_waited_for_no_longer_than_the_timeout() {
    let server = shared_server().await;
    let chosen = options(&server.url(), "");
    let table = chosen.table_name().to_owned();
    let storage = open_hurried(chosen, HURRY).await;
    let key = key("held");
    store(&storage, vec![set(&key, value(&key, "x", &[]))]).await;
    let mut other = connect(&server.url()).await;
    let lock = format!("START TRANSACTION; SELECT 1 FROM {table} FOR UPDATE");
    execute(&mut other, &lock).await;
    let begun = std::time::Instant::now();
    let error = write(&storage, set(&key, value(&key, "y", &[]))).await.unwrap_err();
    assert_eq!(error.kind(), StorageErrorKind::Unavailable, "{error}");
    assert!(begun.elapsed() < LONG, "took {:?}", begun.elapsed());
    // Reads do not wait.
    assert_eq!(&read(&storage, &key).await.unwrap().payload[..], b"x");
    execute(&mut other, "ROLLBACK").await;
    store(&storage, vec![set(&key, value(&key, "z", &[]))]).await;
    assert_eq!(&read(&storage, &key).await.unwrap().payload[..], b"z");
    storage.close().await.unwrap();
}
