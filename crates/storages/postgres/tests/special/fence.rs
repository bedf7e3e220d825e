//! The fence where the suite cannot reach: overtaken fills, tables that lost rows, counters that
//! fell back, snapshots older than the counter they tell.

use cache_core::fence::cell_of_key;
use cache_core::storage::{InvalidationMode, Outcome, Selector, Storage, Write, WriteAction};

use crate::common::*;

cache_sql::database_tests!(
    PostgreSql,
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
async fn a_fill_overtaken_between_check_and_write_is_refused() {
    let server = shared_server().await;
    let chosen = options(&server.url(), "");
    let schema = chosen.schema_name().to_owned();
    let storage = chosen.open().await.unwrap();
    let key = key("overtaken");
    store(&storage, vec![set(&key, value(&key, "first", &[]))]).await;
    let before = stamp(&storage, &key).await;
    let (mut other, mut watcher) = (connect(&server.url()).await, connect(&server.url()).await);
    // As a change does it whose entry is gone again when it has been: the fill has passed the
    // fence, and waits for the row.
    let cell = cell_of_key(&key);
    execute(&mut other, &format!("BEGIN; DELETE FROM {schema}.cache WHERE key = '{key}'")).await;
    let (writer, late) = (storage.clone(), fill(&key, value(&key, "late", &[]), before));
    let writing = tokio::spawn(async move { write(&writer, late).await });
    wait_for(&mut watcher, WAITING).await;
    let raise = format!(
        "SELECT {schema}.cache_raise_cells({schema}.cache_advance(), ARRAY[{cell}]::smallint[]); \
         COMMIT"
    );
    execute(&mut other, &raise).await;
    assert_eq!(writing.await.unwrap().unwrap(), Outcome::Fenced);
    assert_eq!(read(&storage, &key).await, None, "what was loaded before a change");
    storage.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_invalidation_waits_for_a_fill_that_has_passed_the_fence() {
    let server = shared_server().await;
    let chosen = options(&server.url(), "");
    let schema = chosen.schema_name().to_owned();
    let storage = chosen.open().await.unwrap();
    let key = key("passed");
    store(&storage, vec![set(&key, value(&key, "first", &[]))]).await;
    let before = stamp(&storage, &key).await;
    let (mut other, mut watcher) = (connect(&server.url()).await, connect(&server.url()).await);
    let lock = format!("BEGIN; SELECT 1 FROM {schema}.cache WHERE key = '{key}' FOR UPDATE");
    execute(&mut other, &lock).await;
    let (writer, late) = (storage.clone(), fill(&key, value(&key, "late", &[]), before));
    let writing = tokio::spawn(async move { write(&writer, late).await });
    wait_for(&mut watcher, WAITING).await;
    let (remover, selector) = (storage.clone(), Selector::Keys(vec![key.clone()]));
    let removing =
        tokio::spawn(async move { remover.invalidate(&selector, InvalidationMode::Remove).await });
    wait_for(
        &mut watcher,
        "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted",
    )
    .await;
    execute(&mut other, "COMMIT").await;
    assert_eq!(writing.await.unwrap().unwrap(), Outcome::Stored);
    assert_eq!(removing.await.unwrap().unwrap().entries, 1);
    assert_eq!(read(&storage, &key).await, None, "a fill has outlived an invalidation");
    storage.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fence_that_lost_rows_refuses_what_was_loaded_before_and_mends_itself() {
    let server = shared_server().await;
    let chosen = options(&server.url(), "");
    let schema = chosen.schema_name().to_owned();
    let storage = chosen.open().await.unwrap();
    let mut admin = connect(&server.url()).await;
    for table in ["cache_fence", "cache_meta"] {
        let key = key(table);
        let before = stamp(&storage, &key).await;
        execute(&mut admin, &format!("TRUNCATE {schema}.{table}")).await;
        let late = fill(&key, value(&key, "late", &[]), before);
        assert_eq!(write(&storage, late).await.unwrap(), Outcome::Fenced, "{table}");
        let outcome = loop {
            let now = stamp(&storage, &key).await;
            let outcome = write(&storage, fill(&key, value(&key, "new", &[]), now)).await.unwrap();
            if outcome == Outcome::Stored || now.mark > before.mark + 60_000_000 {
                break outcome;
            }
        };
        assert_eq!(outcome, Outcome::Stored, "{table}: refuses for ever");
        let late = fill(&key, value(&key, "late", &[]), before);
        assert_eq!(write(&storage, late).await.unwrap(), Outcome::Fenced, "{table}");
    }
    assert_eq!(
        number(&mut admin, &format!("SELECT count(*) FROM {schema}.cache_fence")).await,
        4096
    );
    storage.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_takes_the_place_of_an_entry_goes_with_it() {
    let server = shared_server().await;
    let chosen = options(&server.url(), "");
    let schema = chosen.schema_name().to_owned();
    let storage = chosen.open().await.unwrap();
    let mut other = connect(&server.url()).await;
    let (kept, dropped, tag) = (key("kept"), key("dropped"), tag("being removed"));
    for key in [&kept, &dropped] {
        store(&storage, vec![set(key, value(key, "read", std::slice::from_ref(&tag)))]).await;
    }
    // An invalidation by another process has come to its raise.
    let cell = cache_core::fence::cell_of_tag(&tag);
    let raise =
        format!("SELECT {schema}.cache_raise(ARRAY[{}], ARRAY[{cell}]::smallint[])", cell % 32);
    execute(&mut other, &raise).await;
    let raised = stamp(&storage, &key("any")).await;
    for (key, tags, expected) in
        [(&kept, std::slice::from_ref(&tag), Outcome::Stored), (&dropped, &[], Outcome::Fenced)]
    {
        let found = storage.get(key).await.unwrap();
        assert_eq!(found.stamp, raised, "what was read is older than its stamp");
        let action = WriteAction::PutIfUnchanged {
            entry: value(key, "made of it", tags),
            expected: found.entry.map(|entry| entry.token),
            stamp: found.stamp,
        };
        let outcome = write(&storage, Write { key: key.clone(), action }).await.unwrap();
        assert_eq!(outcome, expected, "{key}");
    }
    // Its removal goes by its mark.
    let left = format!("SELECT count(*) FROM {schema}.cache WHERE stamp >= {}", raised.mark);
    assert_eq!(number(&mut other, &left).await, 0, "newer than what it was made of");
    storage.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fills_and_invalidations_leave_no_locks_and_few_multixacts() {
    let server = own_server(&[]).await;
    let storage = open(&server.url(), "").await;
    let mut admin = connect(&server.url()).await;
    let hot = tag("hot");
    let next = "SELECT (pg_control_checkpoint()).next_multixact_id::text::bigint";
    execute(&mut admin, "CHECKPOINT").await;
    let before = number(&mut admin, next).await;
    let mut tasks = tokio::task::JoinSet::new();
    for task in 0..8 {
        let (storage, hot) = (storage.clone(), hot.clone());
        tasks.spawn(async move {
            for at in 0..100 {
                let key = key(&format!("{task}-{at}"));
                let now = stamp(&storage, &key).await;
                let entry = value(&key, "x", std::slice::from_ref(&hot));
                write(&storage, fill(&key, entry, now)).await.unwrap();
            }
        });
    }
    while let Some(task) = tasks.join_next().await {
        task.unwrap();
    }
    let removed =
        storage.invalidate(&Selector::AnyTag(vec![hot]), InvalidationMode::Remove).await.unwrap();
    assert_eq!(removed.entries, 800);
    execute(&mut admin, "CHECKPOINT").await;
    let after = number(&mut admin, next).await;
    assert!(after - before < 10, "{} multixacts by 800 fills with one tag", after - before);
    let held = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'";
    assert_eq!(number(&mut admin, held).await, 0);
    storage.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_batch_costs_no_more_for_each_write() {
    let server = shared_server().await;
    // Looked at pair by pair, writes and cells would take minutes.
    let storage = open(&server.url(), "&timeout=40s").await;
    let keys: Vec<_> = (0..8_000).map(|at| key(&format!("large{at}"))).collect();
    let now = stamp(&storage, &keys[0]).await;
    let tags = [tag("a"), tag("b"), tag("c")];
    let fills = keys.iter().map(|key| fill(key, value(key, "x", &tags), now));
    store(&storage, fills.collect()).await;
    let again = keys.iter().map(|key| {
        let entry = value(key, "y", &tags);
        cache_core::storage::Write {
            key: key.clone(),
            action: WriteAction::Update { entry, stamp: now },
        }
    });
    store(&storage, again.collect()).await;
    storage.close().await.unwrap();
}
