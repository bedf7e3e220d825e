//! Tables made, checked, refused.

use cache_core::atomics::{Answer, AtomicKind, AtomicName, Atomics, Operation};
use cache_core::storage::{Budget, InvalidationMode, Selector, Storage, StorageErrorKind};
use cache_postgres::{Postgres, PostgresOptions};
use tokio::task::JoinSet;

use crate::common::*;

async fn refused(options: &PostgresOptions, part: &str) {
    for create in [true, false] {
        let error = options.clone().create(create).open().await.unwrap_err();
        assert_eq!(error.kind(), StorageErrorKind::Incompatible, "{error}");
        assert!(error.to_string().contains(part), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tables_of_another_shape_are_refused_and_left_alone() {
    let server = shared_server().await;
    let mut admin = connect(&server.url()).await;
    for (change, part) in [
        ("DROP TABLE {s}.cache", "no table `cache`"),
        ("ALTER TABLE {s}.cache DROP COLUMN token", "no column token"),
        ("ALTER TABLE {s}.cache ALTER COLUMN kind TYPE integer", "no column kind smallint"),
        ("ALTER TABLE {s}.cache ADD COLUMN more text NOT NULL", "has a column more"),
        ("ALTER TABLE {s}.cache ALTER COLUMN key TYPE text COLLATE \"POSIX\"", "no column key"),
        ("DROP INDEX {s}.cache_tags", "`cache_tags` is missing"),
        ("DROP FUNCTION {s}.cache_advance()", "no function `cache_advance`"),
        ("DROP SEQUENCE {s}.cache_counter", "no sequence"),
        ("UPDATE {s}.cache_meta SET version = 3", "newer than 2"),
        ("UPDATE {s}.cache_meta SET version = 0", "does not say its version"),
        ("UPDATE {s}.cache_meta SET cell_function = 'crc'", "uses the cells `crc`"),
        ("DROP TABLE {s}.cache_meta", "something else"),
    ] {
        let options = options(&server.url(), "");
        options.clone().apply_schema().await.unwrap();
        options.clone().check_schema().await.unwrap();
        execute(&mut admin, &change.replace("{s}", options.schema_name())).await;
        refused(&options, part).await;
    }
    let options = options(&server.url(), "");
    let schema = options.schema_name();
    execute(&mut admin, &format!("CREATE SCHEMA {schema}; CREATE TABLE {schema}.cache (x int)"))
        .await;
    refused(&options, "something else").await;
    let columns =
        format!("SELECT count(*) FROM information_schema.columns WHERE table_schema = '{schema}'");
    assert_eq!(number(&mut admin, &columns).await, 1, "another's table was changed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_printed_script_makes_what_opening_expects() {
    let server = shared_server().await;
    let mut admin = connect(&server.url()).await;
    for unlogged in [false, true] {
        let options = options(&server.url(), "").table("prices").unlogged(unlogged);
        let missing = options.clone().check_schema().await.unwrap_err();
        assert_eq!(missing.kind(), StorageErrorKind::Incompatible, "{missing}");
        execute(&mut admin, &options.schema_script().unwrap()).await;
        options.clone().check_schema().await.unwrap();
        let schema = options.schema_name();
        let kept = format!(
            "SELECT count(*) FROM pg_class WHERE oid = '{schema}.prices'::regclass \
             AND relpersistence = '{}'",
            if unlogged { 'u' } else { 'p' }
        );
        assert_eq!(number(&mut admin, &kept).await, 1);
        let fence = format!(
            "SELECT count(*) FROM pg_class WHERE oid = '{schema}.prices_fence'::regclass \
             AND relpersistence = 'p'"
        );
        assert_eq!(number(&mut admin, &fence).await, 1, "the fence outlives a crash");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tables_of_the_first_schema_are_migrated_with_their_entries() {
    let server = shared_server().await;
    let mut admin = connect(&server.url()).await;
    let options = options(&server.url(), "");
    let storage = options.clone().open().await.unwrap();
    let key = key("kept");
    store(&storage, vec![set(&key, value(&key, "x", &[]))]).await;
    storage.close().await.unwrap();
    let undo = "DROP TABLE {s}.cache_atomics; DROP FUNCTION {s}.cache_atomic; \
                UPDATE {s}.cache_meta SET version = 1";
    execute(&mut admin, &undo.replace("{s}", options.schema_name())).await;
    let error = options.clone().create(false).open().await.unwrap_err();
    assert!(error.to_string().contains("schema version 1; 2 is current"), "{error}");
    let storage = options.clone().open().await.unwrap();
    assert!(read(&storage, &key).await.is_some());
    let name = AtomicName::new("t", "n", AtomicKind::Counter).unwrap();
    let add = Operation::Add { delta: 2, ttl: None, renew: false };
    assert_eq!(storage.apply(&name, &add).await.unwrap(), Answer::Count(Some(2)));
    storage.close().await.unwrap();
    options.check_schema().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_processes_open_an_empty_database_at_once() {
    let server = shared_server().await;
    let options = options(&server.url(), "&pool_size=1");
    let mut processes = JoinSet::new();
    for _ in 0..8 {
        processes.spawn(options.clone().open());
    }
    let key = key("all");
    while let Some(process) = processes.join_next().await {
        let storage = process.unwrap().unwrap();
        store(&storage, vec![set(&key, value(&key, "x", &[]))]).await;
        storage.close().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_tables_of_one_database_do_not_meet() {
    let server = shared_server().await;
    let one = options(&server.url(), "");
    let two = one.clone().table("other");
    let (one, two) = (one.open().await.unwrap(), two.open().await.unwrap());
    let key = key("same");
    store(&one, vec![set(&key, value(&key, "one", &[]))]).await;
    assert_eq!(read(&two, &key).await, None);
    assert_ne!(stamp(&one, &key).await.origin, stamp(&two, &key).await.origin);
    one.close().await.unwrap();
    two.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_cannot_be_used_is_refused() {
    let server = shared_server().await;
    let url = format!("postgres://postgres@127.0.0.1:{}/nowhere", server.port());
    let error = PostgresOptions::from_url(&url).unwrap().open().await.unwrap_err();
    assert_eq!(error.kind(), StorageErrorKind::Invalid, "{error}");
    let mut admin = connect(&server.url()).await;
    execute(&mut admin, "CREATE DATABASE latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0")
        .await;
    let url = format!("postgres://postgres@127.0.0.1:{}/latin", server.port());
    let error = PostgresOptions::from_url(&url).unwrap().open().await.unwrap_err();
    assert_eq!(error.kind(), StorageErrorKind::Incompatible, "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_role_needs_no_more_than_the_rights_that_the_guide_names() {
    let server = shared_server().await;
    let options = options(&server.url(), "");
    options.clone().apply_schema().await.unwrap();
    let mut admin = connect(&server.url()).await;
    let rights = "CREATE ROLE {s} LOGIN; GRANT USAGE ON SCHEMA {s} TO {s}; \
         GRANT SELECT, INSERT, UPDATE, DELETE ON {s}.cache, {s}.cache_fence, {s}.cache_meta, \
         {s}.cache_atomics TO {s}; \
         GRANT USAGE, SELECT, UPDATE ON SEQUENCE {s}.cache_counter TO {s}";
    let schema = options.schema_name();
    execute(&mut admin, &rights.replace("{s}", schema)).await;
    let url = format!("postgres://{schema}@127.0.0.1:{}/postgres?schema={schema}", server.port());
    let missing = PostgresOptions::from_url(&format!("{url}&table=other")).unwrap();
    let error = missing.open().await.unwrap_err();
    assert_eq!(error.kind(), StorageErrorKind::Denied, "{error}");
    let storage = Postgres::open(&format!("{url}&create=false&max_entries=1")).await.unwrap();
    let (one, two) = (key("one"), key("two"));
    let now = stamp(&storage, &one).await;
    store(&storage, vec![fill(&one, value(&one, "x", &[tag("t")]), now)]).await;
    store(&storage, vec![set(&two, value(&two, "x", &[tag("t")]))]).await;
    storage.maintain(Budget::UNLIMITED).await.unwrap();
    assert_eq!(storage.stats().await.unwrap().entries, 1);
    for selector in [
        Selector::AnyTag(vec![tag("t")]),
        Selector::Namespace("p".into()),
        Selector::Keys(vec![one]),
    ] {
        storage.invalidate(&selector, InvalidationMode::Remove).await.unwrap();
    }
    storage.close().await.unwrap();
    execute(&mut admin, &"DROP OWNED BY {s}; DROP ROLE {s}".replace("{s}", schema)).await;
}
