//! Bounds and clean-up, by one process and by many.

use cache_core::storage::Storage;

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
