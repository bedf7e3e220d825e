//! Tables made, checked, refused.

use cache_core::storage::{Budget, InvalidationMode, Selector, Storage, StorageErrorKind};
use cache_postgres::{Postgres, PostgresOptions};
use cache_sql::testing::schema;

use crate::common::*;

cache_sql::database_tests!(
    PostgreSql,
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
        ("DROP TABLE {t}", "no table `cache`"),
        ("ALTER TABLE {t} DROP COLUMN token", "no column token"),
        ("ALTER TABLE {t} ALTER COLUMN kind TYPE integer", "no column kind smallint"),
        ("ALTER TABLE {t} ADD COLUMN more text NOT NULL", "has a column more"),
        ("ALTER TABLE {t} ALTER COLUMN key TYPE text COLLATE \"POSIX\"", "no column key"),
        ("DROP INDEX {t}_tags", "`cache_tags` is missing"),
        ("DROP FUNCTION {t}_advance()", "no function `cache_advance`"),
        ("DROP SEQUENCE {t}_counter", "no sequence"),
        ("UPDATE {t}_meta SET version = 3", "newer than 2"),
        ("UPDATE {t}_meta SET version = 0", "does not say its version"),
        ("UPDATE {t}_meta SET cell_function = 'crc'", "uses the cells `crc`"),
        ("DROP TABLE {t}_meta", "something else"),
    ];
    // Where the schema is, the first part of the table's name says.
    let another = "DO $$ BEGIN EXECUTE 'CREATE SCHEMA ' || split_part('{t}', '.', 1); END $$; \
                   CREATE TABLE {t} (x int)";
    let columns = "SELECT count(*) FROM information_schema.columns \
                   WHERE table_schema = split_part('{t}', '.', 1)";
    schema::tables_of_another_shape_are_refused_and_left_alone::<PostgreSql>(
        &server.url(),
        &changes,
        another,
        columns,
    )
    .await;
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
async fn two_tables_of_one_database_do_not_meet() {
    let server = shared_server().await;
    let one = options(&server.url(), "");
    let two = one.clone().table("other");
    let (one, two) = (one.open().await.unwrap(), two.open().await.unwrap());
    schema::two_tables_of_one_database_do_not_meet(&one, &two).await;
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
    let mut admin = connect(&server.url()).await;
    execute(&mut admin, &options.schema_script().unwrap()).await;
    let rights = "CREATE ROLE {s} LOGIN; GRANT USAGE ON SCHEMA {s} TO {s}; \
         GRANT SELECT, INSERT, UPDATE, DELETE ON {s}.cache, {s}.cache_fence, {s}.cache_meta, \
         {s}.cache_atomics, {s}.cache_events TO {s}; \
         GRANT USAGE, SELECT, UPDATE ON SEQUENCE {s}.cache_counter TO {s}";
    let schema = options.schema_name();
    execute(&mut admin, &rights.replace("{s}", schema)).await;
    let url = format!("postgres://{schema}@127.0.0.1:{}/postgres?schema={schema}", server.port());
    let missing = PostgresOptions::from_url(&format!("{url}&table=other")).unwrap();
    let error = missing.open().await.unwrap_err();
    assert_eq!(error.kind(), StorageErrorKind::Denied, "{error}");
    let url = format!("{url}&create=false&max_entries=1&events_max=1");
    let storage = Postgres::open(&url).await.unwrap();
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
    schema::events_are_appended_read_and_trimmed(&storage).await;
    storage.close().await.unwrap();
    execute(&mut admin, &"DROP OWNED BY {s}; DROP ROLE {s}".replace("{s}", schema)).await;
}
