//! Bounds and clean-up, by one process and by many.

use cache_core::storage::{InvalidationMode, Selector, Storage};

use crate::common::*;

cache_sql::database_tests!(
    PostgreSql,
    maintenance,
    [
        many_processes_clean_up_side_by_side,
        the_bound_evicts_what_was_used_least_recently,
        the_bound_on_bytes_is_held,
        maintenance_comes_by_itself,
    ]
);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_table_is_estimated() {
    let server = shared_server().await;
    let chosen = options(&server.url(), "&timeout=60s&unlogged=true");
    let schema = chosen.schema_name().to_owned();
    let storage = chosen.open().await.unwrap();
    let mut admin = connect(&server.url()).await;
    let many = format!(
        "INSERT INTO {schema}.cache SELECT -1, -1, 0, 0, NULL, 1, 1, 1, 10, 10, 0, 0, 0, \
         'p:' || g || ':v1', NULL, NULL, repeat('x', 10)::bytea FROM generate_series(1, 150000) g"
    );
    execute(&mut admin, &many).await;
    let stats = storage.stats().await.unwrap();
    assert!(stats.entries.abs_diff(150_000) < 30_000, "{} entries", stats.entries);
    assert!(stats.payload_bytes.abs_diff(stats.entries * 10) <= 10, "of 10 bytes each");
    execute(&mut admin, &format!("TRUNCATE {schema}.cache")).await;
    storage.close().await.unwrap();
}

/// The server looks at no other entries where it keeps a plan for whatever tags are asked for, as it
/// may after some times.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tag_is_found_without_a_look_at_all_entries() {
    const ENTRIES: i64 = 30_000;
    let server = shared_server().await;
    let mut admin = connect(&server.url()).await;
    let planned = "CREATE ROLE planned SUPERUSER LOGIN; \
                   ALTER ROLE planned SET plan_cache_mode = force_generic_plan";
    execute(&mut admin, planned).await;
    let url = server.url().replace("postgres@", "planned@");
    let chosen = options(&url, "&timeout=60s&unlogged=true");
    let schema = chosen.schema_name().to_owned();
    let storage = chosen.open().await.unwrap();
    let many = format!(
        "INSERT INTO {schema}.cache SELECT -1, -1, 0, 0, NULL, 1, 1, 1, 10, 10, 0, 0, 0, \
         'p:' || g || ':v1', ARRAY['p:' || g % 1000], ARRAY[1]::smallint[], \
         repeat('x', 10)::bytea FROM generate_series(1, {ENTRIES}) g"
    );
    execute(&mut admin, &many).await;
    execute(&mut admin, &format!("ANALYZE {schema}.cache")).await;
    for number in 0..20 {
        let selector = Selector::AnyTag(vec![tag(&number.to_string())]);
        let ended = storage.invalidate(&selector, InvalidationMode::Remove).await.unwrap();
        assert_eq!(ended.entries, 30);
    }
    // What a connection has counted is known once it is closed.
    storage.close().await.unwrap();
    let counted = |index: &str, what: &str| {
        format!(
            "SELECT coalesce(sum({what}), 0)::bigint FROM pg_stat_user_indexes \
             WHERE schemaname = '{schema}' AND indexrelname = 'cache_{index}'"
        )
    };
    let (tags, keys) = (counted("tags", "idx_scan"), counted("key", "idx_tup_read"));
    for _ in 0..600 {
        if number(&mut admin, &tags).await >= 20 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert!(number(&mut admin, &tags).await >= 20, "found by their tags");
    let looked_at = number(&mut admin, &keys).await;
    assert!(looked_at < ENTRIES, "{looked_at} looked at");
}
