//! The fence where the suite cannot reach: overtaken fills, tables that lost rows, counters that
//! fell back, snapshots older than the counter they tell.

use cache_core::fence::{cell_of_key, cell_of_tag};
use cache_core::key::{Glob, KeyPattern};
use cache_core::storage::{InvalidationMode, Outcome, Selector, Storage};

use crate::common::*;

cache_sql::database_tests!(
    MariaDb,
    fence,
    [
        a_counter_that_fell_back_passes_the_stamps_that_it_gave,
        an_entry_that_was_found_has_no_stamp_newer_than_its_read,
        a_large_removal_takes_all_that_is_older_and_nothing_that_is_newer,
        a_batch_of_all_kinds_keeps_to_its_order_on_one_cell,
        a_fill_is_stored_under_its_own_stamp_however_it_is_sent,
    ]
);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fill_waits_for_an_open_invalidation_and_sees_it() {
    let server = own_server(&[]).await;
    let chosen = options(&server.url(), "");
    let table = chosen.table_name().to_owned();
    let storage = chosen.open().await.unwrap();
    let (mut other, mut watcher) = (connect(&server.url()).await, connect(&server.url()).await);
    let tags = [tag("open")];
    for (at, cell) in [cell_of_key(&key("overtaken0")), cell_of_tag(&tags[0])].iter().enumerate() {
        let key = key(&format!("overtaken{at}"));
        let before = stamp(&storage, &key).await;
        let raise = format!(
            "UPDATE {table}_meta SET counter = counter + 1; START TRANSACTION; \
             UPDATE {table}_fence SET mark = (SELECT counter FROM {table}_meta) WHERE cell = {cell}"
        );
        execute(&mut other, &raise).await;
        let (writer, late) = (storage.clone(), fill(&key, value(&key, "late", &tags), before));
        let writing = tokio::spawn(async move { write(&writer, late).await });
        wait_for(&mut watcher, WAITING).await;
        execute(&mut other, "COMMIT").await;
        assert_eq!(writing.await.unwrap().unwrap(), Outcome::Fenced);
        assert_eq!(read(&storage, &key).await, None, "what was loaded before a change");
    }
    storage.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_invalidation_waits_for_a_fill_that_has_passed_the_fence() {
    let server = own_server(&[]).await;
    let chosen = options(&server.url(), "");
    let table = chosen.table_name().to_owned();
    let storage = chosen.open().await.unwrap();
    let tags = [tag("passed")];
    let (mut other, mut watcher) = (connect(&server.url()).await, connect(&server.url()).await);
    for selector in [
        Selector::Keys(vec![key("passed")]),
        Selector::AnyTag(tags.to_vec()),
        Selector::Pattern(KeyPattern::new("p", Glob::parse("pass*").unwrap(), None)),
        Selector::Namespace("p".to_owned()),
    ] {
        let key = key("passed");
        store(&storage, vec![set(&key, value(&key, "first", &tags))]).await;
        let before = stamp(&storage, &key).await;
        let lock =
            format!("START TRANSACTION; SELECT 1 FROM {table} WHERE `key` = '{key}' FOR UPDATE");
        execute(&mut other, &lock).await;
        let (writer, late) = (storage.clone(), fill(&key, value(&key, "late", &tags), before));
        let writing = tokio::spawn(async move { write(&writer, late).await });
        wait_for(&mut watcher, WAITING).await;
        let (remover, named) = (storage.clone(), selector.clone());
        let removing =
            tokio::spawn(async move { remover.invalidate(&named, InvalidationMode::Remove).await });
        wait_for(&mut watcher, &format!("SELECT ({WAITING}) > 1")).await;
        execute(&mut other, "COMMIT").await;
        assert_eq!(writing.await.unwrap().unwrap(), Outcome::Stored);
        assert_eq!(removing.await.unwrap().unwrap().entries, 1, "{selector:?}");
        assert_eq!(read(&storage, &key).await, None, "a fill has outlived {selector:?}");
    }
    storage.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fence_that_lost_rows_refuses_what_was_loaded_before_and_mends_itself() {
    let server = shared_server().await;
    let chosen = options(&server.url(), "");
    let table = chosen.table_name().to_owned();
    let storage = chosen.open().await.unwrap();
    let mut admin = connect(&server.url()).await;
    for lost in ["_fence", "_meta", "_totals"] {
        let key = key(lost);
        let before = stamp(&storage, &key).await;
        execute(&mut admin, &format!("TRUNCATE {table}{lost}")).await;
        let late = fill(&key, value(&key, "late", &[]), before);
        let outcome = write(&storage, late.clone()).await.unwrap();
        if lost == "_totals" {
            assert_eq!(outcome, Outcome::Stored);
            storage.maintain(cache_core::storage::Budget::UNLIMITED).await.unwrap();
            continue;
        }
        assert_eq!(outcome, Outcome::Fenced, "{lost}");
        let now = stamp(&storage, &key).await;
        let outcome = write(&storage, fill(&key, value(&key, "new", &[]), now)).await.unwrap();
        assert_eq!(outcome, Outcome::Stored, "{lost}: refuses for ever");
        assert_eq!(write(&storage, late).await.unwrap(), Outcome::Fenced, "{lost}");
        // Sets and invalidations mend it, too.
        execute(&mut admin, &format!("TRUNCATE {table}{lost}")).await;
        store(&storage, vec![set(&key, value(&key, "set", &[]))]).await;
        for selector in [Selector::Keys(vec![key.clone()]), Selector::Namespace("p".to_owned())] {
            execute(&mut admin, &format!("TRUNCATE {table}{lost}")).await;
            let before = stamp(&storage, &key).await;
            storage.invalidate(&selector, InvalidationMode::Remove).await.unwrap();
            let late = fill(&key, value(&key, "late", &[]), before);
            assert_eq!(write(&storage, late).await.unwrap(), Outcome::Fenced, "{lost}");
            assert_eq!(read(&storage, &key).await, None);
        }
    }
    for (end, rows) in [("_fence", 4096), ("_meta", 1), ("_totals", 1)] {
        let count = format!("SELECT COUNT(*) FROM {table}{end}");
        assert_eq!(number(&mut admin, &count).await, rows, "{end}");
    }
    storage.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fills_beside_removals_by_their_tag_end_and_leave_nothing_behind() {
    let server = shared_server().await;
    let chosen = options(&server.url(), "&timeout=30s");
    let table = chosen.table_name().to_owned();
    let storage = chosen.open().await.unwrap();
    let hot = tag("hot");
    let mut tasks = tokio::task::JoinSet::new();
    for task in 0..6 {
        let (storage, hot) = (storage.clone(), hot.clone());
        tasks.spawn(async move {
            for round in 0..25 {
                // Keys that others write, too, in another order.
                let keys: Vec<_> =
                    (0..20).map(|at| key(&format!("{}", (at * 7 + task) % 30))).collect();
                let now = stamp(&storage, &keys[0]).await;
                let batch = keys.iter().map(|key| {
                    let entry = value(key, "x", std::slice::from_ref(&hot));
                    if round % 3 == 0 { set(key, entry) } else { fill(key, entry, now) }
                });
                storage.write(batch.collect()).await.unwrap();
                if round % 5 == task % 5 {
                    let any = Selector::AnyTag(vec![hot.clone()]);
                    storage.invalidate(&any, InvalidationMode::Remove).await.unwrap();
                }
            }
        });
    }
    while let Some(task) = tasks.join_next().await {
        task.unwrap();
    }
    let mut admin = connect(&server.url()).await;
    let apart = format!(
        "SELECT (SELECT COUNT(*) FROM {table}) - (SELECT COUNT(*) FROM {table}_tags t \
         JOIN {table} e ON e.`key` = t.`key`) \
         + 1000 * (SELECT COUNT(*) FROM {table}_tags t LEFT JOIN {table} e ON e.`key` = t.`key` \
         WHERE e.`key` IS NULL)"
    );
    assert_eq!(number(&mut admin, &apart).await, 0, "entries and tags are apart");
    let any = Selector::AnyTag(vec![hot]);
    storage.invalidate(&any, InvalidationMode::Remove).await.unwrap();
    assert_eq!(storage.stats().await.unwrap().entries, 0);
    storage.close().await.unwrap();
}
