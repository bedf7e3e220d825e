//! Bounds and clean-up, by one process and by many.

use std::time::Duration;

use cache_core::storage::{Budget, Storage};

use crate::common::*;

cache_sql::database_tests!(
    MariaDb,
    maintenance,
    [
        many_processes_clean_up_side_by_side,
        the_bound_evicts_what_was_used_least_recently,
        the_bound_on_bytes_is_held,
        maintenance_comes_by_itself,
    ]
);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_bound_is_looked_at_when_much_was_stored() {
    let server = shared_server().await;
    let chosen = options(&server.url(), "&max_entries=10001");
    let storage = chosen.cleanup_interval(Some(Duration::from_secs(3600))).open().await.unwrap();
    for part in 0..6 {
        let batch = (0..2_000).map(|at| {
            let key = key(&format!("{part}-{at}"));
            let entry = value(&key, "x", &[]);
            set(&key, entry)
        });
        store(&storage, batch.collect()).await;
    }
    for _ in 0..1_000 {
        if storage.stats().await.unwrap().entries == 10_001 {
            storage.close().await.unwrap();
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the bound was not looked at");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_goes_takes_its_tags_along() {
    let server = shared_server().await;
    let chosen = options(&server.url(), "&max_entries=5");
    let table = chosen.table_name().to_owned();
    let storage = chosen.open().await.unwrap();
    let tags = [tag("a"), tag("b")];
    let gone = key("expired");
    store(
        &storage,
        vec![set(
            &gone,
            cache_core::entry::Entry {
                tags: cache_core::key::Tags::new(tags.to_vec()),
                ..expired(&gone)
            }
            .sealed(&gone),
        )],
    )
    .await;
    for at in 0..20 {
        let key = key(&format!("k{at}"));
        store(&storage, vec![set(&key, value(&key, "x", &tags))]).await;
    }
    storage.maintain(Budget::UNLIMITED).await.unwrap();
    let mut admin = connect(&server.url()).await;
    assert_eq!(number(&mut admin, &format!("SELECT COUNT(*) FROM {table}_tags")).await, 10);
    let lonely = format!(
        "SELECT COUNT(*) FROM {table}_tags t LEFT JOIN {table} e ON e.`key` = t.`key` \
         WHERE e.`key` IS NULL"
    );
    assert_eq!(number(&mut admin, &lonely).await, 0);
    storage.close().await.unwrap();
}
