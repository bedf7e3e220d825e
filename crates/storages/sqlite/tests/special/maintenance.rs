//! Clean-up, accesses and history, by hand and on the schedule.

use std::sync::Arc;
use std::time::Duration;

use cache_core::clock::{Clock, ManualClock, Timestamp};
use cache_core::storage::{Budget, InvalidationMode, Selector, Storage, WriteAction};
use cache_sqlite::{Sqlite, SqliteOptions};
use rusqlite::Connection;

use crate::common::{connection, entry, folder, holds, key, number, put, set, until, write};

fn manual(options: SqliteOptions) -> (SqliteOptions, ManualClock) {
    let clock = ManualClock::new();
    (options.clock(Arc::new(clock.clone())), clock)
}

async fn short_lived(storage: &Sqlite, clock: &ManualClock, name: &str, ttl: Duration) {
    let key = key(name);
    let end = clock.wall().after(ttl);
    set(storage, &key, until(entry(&key, "x", &["tagged"]), end)).await;
}

async fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..3000 {
        if holds() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("never: {what}");
}

#[tokio::test]
async fn clean_up_runs_by_itself_by_the_injected_clock() {
    let (_folder, options) = folder();
    let (options, clock) = manual(options);
    let storage = options.open().await.unwrap();
    short_lived(&storage, &clock, "short", Duration::from_secs(60)).await;
    put(&storage, "long").await;
    let other = connection(storage.path());
    clock.advance(Duration::from_secs(3599));
    assert!(!holds(&storage, "short").await, "past its time, cleaned up or not");
    // The run at the start may come late; what it finds then is past its time as well.
    clock.advance(Duration::from_secs(1));
    let rows = |sql| number(&other, sql);
    eventually("cleaned up", || rows("SELECT count(*) FROM cache") == 1).await;
    assert_eq!(rows("SELECT count(*) FROM cache_tags"), 0);
    assert!(holds(&storage, "long").await);
}

#[tokio::test]
async fn clean_up_and_renewal_race_without_loss() {
    let (_folder, options) = folder();
    let (options, clock) = manual(options);
    let storage = options.cleanup_interval(None).open().await.unwrap();
    for round in 0..30 {
        for number in 0..20 {
            short_lived(&storage, &clock, &format!("k{number}"), Duration::from_secs(1)).await;
        }
        clock.advance(Duration::from_secs(1));
        let cleaner = tokio::spawn({
            let storage = storage.clone();
            async move { storage.maintain(Budget::UNLIMITED).await.unwrap() }
        });
        for number in 0..20 {
            short_lived(&storage, &clock, &format!("k{number}"), Duration::from_secs(5)).await;
        }
        cleaner.await.unwrap();
        for number in 0..20 {
            assert!(
                holds(&storage, &format!("k{number}")).await,
                "round {round}: a fresh entry went"
            );
        }
        clock.advance(Duration::from_secs(5));
    }
}

#[tokio::test]
async fn clean_up_finds_entries_whose_end_has_moved() {
    let (_folder, options) = folder();
    let (options, clock) = manual(options);
    let storage = options.cleanup_interval(None).open().await.unwrap();
    let other = connection(storage.path());
    let planned = |name: &str| -> Option<i64> {
        let sql = "SELECT cleanup_at - expire_at FROM cache WHERE key = ?1";
        other.query_row(sql, [key(name).as_str()], |row| row.get(0)).unwrap()
    };
    let seconds = Duration::from_secs;
    for name in ["sooner", "later", "ends", "same"] {
        short_lived(&storage, &clock, name, seconds(100)).await;
    }
    put(&storage, "never").await;
    short_lived(&storage, &clock, "sooner", seconds(50)).await;
    short_lived(&storage, &clock, "later", seconds(200)).await;
    short_lived(&storage, &clock, "never", seconds(300)).await;
    put(&storage, "ends").await;
    // The index is written only where clean-up would come too late.
    assert_eq!((planned("sooner"), planned("never")), (Some(0), Some(0)));
    assert_eq!(planned("later"), Some(-100_000));
    let expired = async |after: u64| {
        clock.advance(seconds(after));
        storage.maintain(Budget::UNLIMITED).await.unwrap().expired
    };
    assert_eq!(expired(50).await, 1, "sooner");
    assert_eq!(expired(50).await, 1, "same");
    assert_eq!(planned("later"), Some(0), "clean-up has come to it, and put it to its end");
    assert_eq!(expired(100).await, 1, "later");
    assert_eq!(expired(100).await, 1, "never, which got an end");
    assert!(holds(&storage, "ends").await);
    assert_eq!(number(&other, "SELECT count(*) FROM cache WHERE cleanup_at IS NULL"), 1);
    // A touch moves the end as well.
    short_lived(&storage, &clock, "touched", seconds(100)).await;
    let token = storage.get(&key("touched")).await.unwrap().entry.unwrap().token;
    let end = clock.wall().after(seconds(10));
    let touch = WriteAction::Touch { token, fresh_until: end, kept_until: end };
    write(&storage, &key("touched"), touch).await;
    assert_eq!(expired(10).await, 1, "touched");
}

#[tokio::test]
async fn a_budget_of_no_time_does_nothing_and_says_so() {
    let (_folder, options) = folder();
    let (options, clock) = manual(options);
    let storage = options.cleanup_interval(None).open().await.unwrap();
    short_lived(&storage, &clock, "short", Duration::from_secs(1)).await;
    clock.advance(Duration::from_secs(1));
    let budget = Budget { entries_max: u64::MAX, duration_max: Duration::ZERO };
    let done = storage.maintain(budget).await.unwrap();
    assert_eq!((done.expired, done.unfinished), (0, true));
    let budget = Budget { entries_max: 0, duration_max: Duration::MAX };
    let done = storage.maintain(budget).await.unwrap();
    assert_eq!((done.expired, done.unfinished), (0, true));
    assert_eq!(storage.maintain(Budget::UNLIMITED).await.unwrap().expired, 1);
}

fn accesses(other: &Connection, name: &str) -> (i64, i64) {
    let sql = "SELECT access_count, last_accessed FROM cache WHERE key = ?1";
    other.query_row(sql, [key(name).as_str()], |row| Ok((row.get(0)?, row.get(1)?))).unwrap()
}

#[tokio::test]
async fn trap_24_accesses_are_written_in_batches_and_never_by_a_get() {
    let (_folder, options) = folder();
    let (options, clock) = manual(options);
    let options = options.cleanup_interval(None).stats_interval(None);
    let storage = options.open().await.unwrap();
    let other = connection(storage.path());
    for name in ["a", "b"] {
        put(&storage, name).await;
    }
    let (_, stored) = accesses(&other, "a");
    clock.advance(Duration::from_secs(5));
    let version = number(&other, "PRAGMA data_version");
    for _ in 0..10 {
        assert!(holds(&storage, "a").await);
    }
    let many: Vec<_> = (0..20).map(|_| key("b")).collect();
    storage.get_many(&many).await.unwrap();
    assert_eq!(number(&other, "PRAGMA data_version"), version, "a read has written");
    assert_eq!(accesses(&other, "a").0, 0);
    // The interval passes by the injected clock.
    clock.advance(Duration::from_secs(5));
    eventually("accesses written", || accesses(&other, "a").0 == 10).await;
    assert!(accesses(&other, "a").1 >= stored + 5_000_000);
    assert_eq!(accesses(&other, "b").0, 20);
    // And before a flush has returned.
    assert!(holds(&storage, "a").await);
    storage.flush().await.unwrap();
    assert_eq!(accesses(&other, "a").0, 11);
}

#[tokio::test]
async fn closing_writes_the_accesses() {
    let (_folder, options) = folder();
    let storage = options.open().await.unwrap();
    put(&storage, "a").await;
    assert!(holds(&storage, "a").await);
    storage.close().await.unwrap();
    assert_eq!(accesses(&connection(storage.path()), "a").0, 1);
}

#[tokio::test]
async fn the_history_tells_what_was_done_and_forgets_it_in_time() {
    let (_folder, options) = folder();
    let (options, clock) = manual(options);
    let options = options.cleanup_interval(None).stats_retention(Duration::from_secs(100));
    let storage = options.open().await.unwrap();
    let start = clock.wall();
    put(&storage, "a").await;
    assert!(holds(&storage, "a").await && !holds(&storage, "b").await);
    storage.get_many(&[key("a"), key("b"), key("c")]).await.unwrap();
    let selector = Selector::Keys(vec![key("b")]);
    storage.invalidate(&selector, InvalidationMode::Remove).await.unwrap();
    storage.sample().await.unwrap();
    let history = storage.history(start).await.unwrap();
    let told: Vec<_> = history
        .iter()
        .map(|sample| (sample.operation.as_str(), sample.calls, sample.hits, sample.misses))
        .collect();
    assert_eq!(
        told,
        [("get", 2, 1, 1), ("get_many", 1, 1, 2), ("write", 1, 1, 0), ("invalidate", 1, 0, 0)]
    );
    assert!(history.iter().all(|sample| sample.at == start && sample.failures == 0));
    assert!(history.iter().all(|sample| sample.entries == 1 && sample.payload_bytes == 1));
    assert!(history.iter().all(|sample| sample.longest_us <= sample.total_us));
    // Only what happened since stands in the next one, which the schedule makes.
    clock.advance(Duration::from_secs(50));
    assert!(holds(&storage, "a").await);
    clock.advance(Duration::from_secs(250));
    let other = connection(storage.path());
    let rows = "SELECT count(*) FROM cache_stats WHERE operation = 'get'";
    eventually("a second sample", || number(&other, rows) == 2).await;
    let later = storage.history(start.after(Duration::from_millis(1))).await.unwrap();
    assert_eq!((later.len(), later[0].calls), (1, 1));
    storage.maintain(Budget::UNLIMITED).await.unwrap();
    assert_eq!(storage.history(Timestamp::from_unix_ms(0)).await.unwrap(), later);
}

#[tokio::test]
async fn a_large_invalidation_leaves_what_came_after_it() {
    let (_folder, options) = folder();
    let storage = options.cleanup_interval(None).open().await.unwrap();
    let last = key("k03499");
    for expire in [false, true] {
        // More than one step takes; the last of them is listed last.
        let writes = (0..3500).map(|number| {
            let key = key(&format!("k{number:05}"));
            crate::common::set_write(&key, entry(&key, "old", &["all"]))
        });
        storage.write(writes.collect()).await.unwrap();
        let everything = Selector::Namespace("t".to_owned());
        let mode = if expire { InvalidationMode::Expire } else { InvalidationMode::Remove };
        // Both are queued in this order before the first step is done, or the second even later.
        let set = WriteAction::Set { entry: entry(&last, "new", &["all"]) };
        let clear = storage.invalidate(&everything, mode);
        let (cleared, outcome) = tokio::join!(clear, write(&storage, &last, set));
        assert!(cleared.unwrap().entries >= 3499);
        assert_eq!(outcome, cache_core::storage::Outcome::Stored);
        let found = storage.get(&last).await.unwrap().entry.unwrap();
        assert_eq!(
            (found.payload.as_ref(), found.is_fresh(Timestamp::from_unix_ms(1))),
            (&b"new"[..], true)
        );
        let other = connection(storage.path());
        let old =
            "SELECT count(*) FROM cache WHERE value = CAST('old' AS BLOB) AND fresh_until != 0";
        assert_eq!(number(&other, old), 0);
    }
}
