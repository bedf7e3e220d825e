//! Tables made, checked, refused.

use cache_core::storage::{Storage, StorageErrorKind};
use cache_mysql::MySqlOptions;
use cache_sql::testing::schema;

use crate::common::*;

cache_sql::database_tests!(
    MariaDb,
    schema,
    [
        tables_of_the_first_schema_are_migrated_with_their_entries,
        many_processes_open_an_empty_database_at_once,
    ]
);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tables_of_another_shape_are_refused_and_left_alone() {
    let server = shared_server().await;
    let changes = [
        ("DROP TABLE {t}", "there is no table"),
        ("ALTER TABLE {t} DROP COLUMN token", "no column token"),
        ("ALTER TABLE {t} MODIFY kind INT NOT NULL", "no column kind smallint"),
        ("ALTER TABLE {t} MODIFY stamp BIGINT UNSIGNED NOT NULL", "no column stamp bigint"),
        ("ALTER TABLE {t} MODIFY value BLOB NOT NULL", "no column value longblob"),
        ("ALTER TABLE {t} ADD COLUMN more TEXT NOT NULL", "has a column more"),
        ("ALTER TABLE {t} MODIFY `key` VARCHAR(512) NOT NULL", "no column key"),
        ("ALTER TABLE {t}_tags DROP KEY {t}_tags_key", "no index (key)"),
        ("ALTER TABLE {t} ENGINE = MyISAM", "not by InnoDB"),
        ("UPDATE {t}_meta SET version = 3", "newer than 2"),
        ("UPDATE {t}_meta SET cell_function = 'crc'", "uses the cells `crc`"),
        ("ALTER TABLE {t}_meta DROP COLUMN origin", "no column origin"),
        ("DROP TABLE {t}_meta", "something else"),
    ];
    let columns = "SELECT COUNT(*) FROM information_schema.columns WHERE table_name LIKE '{t}%'";
    schema::tables_of_another_shape_are_refused_and_left_alone::<MariaDb>(
        &server.url(),
        &changes,
        "CREATE TABLE {t} (x INT)",
        columns,
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn columns_that_were_added_and_may_be_empty_do_not_matter() {
    let server = shared_server().await;
    let mut admin = connect(&server.url()).await;
    let options = options(&server.url(), "");
    options.clone().apply_schema().await.unwrap();
    let add = "ADD COLUMN note TEXT, ADD COLUMN number INT NOT NULL DEFAULT 5";
    execute(&mut admin, &format!("ALTER TABLE {} {add}", options.table_name())).await;
    let storage = options.open().await.unwrap();
    let key = key("k");
    store(&storage, vec![set(&key, value(&key, "x", &[]))]).await;
    assert!(read(&storage, &key).await.is_some());
    storage.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_printed_script_makes_what_opening_expects_and_can_be_run_again() {
    let server = shared_server().await;
    let mut admin = connect(&server.url()).await;
    let options = options(&server.url(), "");
    let missing = options.clone().check_schema().await.unwrap_err();
    assert_eq!(missing.kind(), StorageErrorKind::Incompatible, "{missing}");
    let script = options.schema_script().unwrap();
    execute(&mut admin, &script).await;
    options.clone().check_schema().await.unwrap();
    let origin = format!("SELECT origin FROM {}_meta", options.table_name());
    let before = number(&mut admin, &origin).await;
    execute(&mut admin, &script).await;
    assert_eq!(number(&mut admin, &origin).await, before, "it is the same table");
    let cells = format!("SELECT COUNT(*) FROM {}_fence", options.table_name());
    assert_eq!(number(&mut admin, &cells).await, 4096);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tables_that_were_not_finished_are_finished() {
    let server = shared_server().await;
    let mut admin = connect(&server.url()).await;
    let options = options(&server.url(), "");
    let script = options.schema_script().unwrap();
    let (first, _) = script.split_once("-- Which entries bear a tag").unwrap();
    execute(&mut admin, first).await;
    refused_unless_made(&options).await;
    let storage = options.open().await.unwrap();
    let key = key("k");
    store(&storage, vec![set(&key, value(&key, "x", &[tag("t")]))]).await;
    storage.close().await.unwrap();
}

async fn refused_unless_made(options: &MySqlOptions) {
    let error = options.clone().check_schema().await.unwrap_err();
    assert_eq!(error.kind(), StorageErrorKind::Incompatible, "{error}");
    assert!(error.to_string().contains("not finished"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_tables_of_one_database_do_not_meet() {
    let server = shared_server().await;
    let (one, two) = (open(&server.url(), "").await, open(&server.url(), "").await);
    schema::two_tables_of_one_database_do_not_meet(&one, &two).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_is_not_there_is_refused() {
    let server = shared_server().await;
    let url = format!("mysql://root@127.0.0.1:{}/nowhere", server.port());
    let error = MySqlOptions::from_url(&url).unwrap().open().await.unwrap_err();
    assert_eq!(error.kind(), StorageErrorKind::Invalid, "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn settings_of_the_server_and_the_database_change_nothing() {
    let settings = &[
        "--sql-mode=ANSI_QUOTES,NO_BACKSLASH_ESCAPES,PIPES_AS_CONCAT,ANSI",
        "--character-set-server=latin1",
        "--collation-server=latin1_german1_ci",
        "--default-time-zone=+05:30",
        "--transaction-isolation=SERIALIZABLE",
        "--lower-case-table-names=1",
    ];
    let server = own_server(settings).await;
    for query in ["", "&prepared=false"] {
        let storage = open(&server.url(), query).await;
        let (small, large) = (key("ä'\\\""), key("Ä'\\\""));
        let tags = [tag("ß\\"), tag("SS")];
        store(&storage, vec![set(&small, value(&small, b"\\\0'\xff", &tags))]).await;
        let before = stamp(&storage, &large).await;
        let outcome = write(&storage, fill(&large, value(&large, "x", &tags[1..]), before)).await;
        assert_eq!(outcome.unwrap(), cache_core::storage::Outcome::Stored);
        assert_eq!(&read(&storage, &small).await.unwrap().payload[..], b"\\\0'\xff");
        assert_eq!(&read(&storage, &large).await.unwrap().payload[..], b"x");
        let short = cache_core::entry::Entry {
            kept_until: now().after(std::time::Duration::from_millis(1)),
            ..value(&small, "short", &tags)
        };
        store(&storage, vec![set(&small, short.sealed(&small))]).await;
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        assert_eq!(read(&storage, &small).await, None, "by the server's clock");
        let any = cache_core::storage::Selector::AnyTag(vec![tag("ß\\")]);
        let mode = cache_core::storage::InvalidationMode::Remove;
        assert_eq!(storage.invalidate(&any, mode).await.unwrap().entries, 1);
        storage.close().await.unwrap();
    }
}
