//! Rows that hold what they cannot: told, never a panic, and gone once they are written again.

use cache_core::storage::Outcome;
use cache_core::storage::{
    InvalidationMode, Selector, Storage, StorageErrorKind, Write, WriteAction,
};
use futures_util::StreamExt;

use crate::common::{connection, entry, folder, holds, key, number, put, set, tag, write};

#[tokio::test]
async fn a_damaged_row_fails_alone_and_can_be_written_again() {
    for (column, value) in [
        ("kind", "7"),
        ("data_type", "300"),
        ("data_type", "-1"),
        ("compressed", "9"),
        ("compressed", "-1"),
        ("decoded_bytes", "-1"),
        ("decoded_bytes", "5000000000"),
        ("size_bytes", "1"),
        ("idle_ms", "-5"),
        ("tags", "'not json'"),
        ("tags", "'[1]'"),
        ("tags", "'[\"no prefix\"]'"),
    ] {
        let (_folder, options) = folder();
        let storage = options.open().await.unwrap();
        let broken = key("broken");
        set(&storage, &broken, entry(&broken, "value", &["one"])).await;
        put(&storage, "sound").await;
        let other = connection(storage.path());
        other
            .execute_batch(&format!(
                "UPDATE cache SET {column} = {value} WHERE key = 't:broken:v1'"
            ))
            .unwrap();
        let error = storage.get(&broken).await.unwrap_err();
        assert_eq!(error.kind(), StorageErrorKind::Corrupt, "{column}: {error}");
        assert_eq!(error.key(), Some(&broken));
        assert!(error.to_string().contains(column), "{column}: {error}");
        // By a few keys at once, and by more than are read at once.
        for count in [1, 20] {
            let mut keys = vec![key("sound"); count];
            keys.push(broken.clone());
            let answers = storage.get_many(&keys).await.unwrap();
            assert!(answers[..count].iter().all(|answer| answer.as_ref().unwrap().entry.is_some()));
            assert_eq!(answers[count].as_ref().unwrap_err().kind(), StorageErrorKind::Corrupt);
        }
        set(&storage, &broken, entry(&broken, "again", &["two"])).await;
        assert_eq!(storage.get(&broken).await.unwrap().entry.unwrap().payload, "again");
        // The tags that the damaged column did not tell are gone all the same.
        assert_eq!(number(&other, "SELECT count(*) FROM cache_tags"), 1, "{column}");
        let removed = Selector::AnyTag(vec![tag("two")]);
        storage.invalidate(&removed, InvalidationMode::Remove).await.unwrap();
        assert!(!holds(&storage, "broken").await && holds(&storage, "sound").await);
        assert_eq!(storage.stats().await.unwrap().entries, 1);
    }
}

#[tokio::test]
async fn a_damaged_row_is_told_by_a_scan_and_taken_by_its_tag() {
    let (_folder, options) = folder();
    let storage = options.open().await.unwrap();
    for name in ["broken", "sound"] {
        set(&storage, &key(name), entry(&key(name), "x", &["one"])).await;
    }
    let other = connection(storage.path());
    other.execute_batch("UPDATE cache SET tags = 'x' WHERE key = 't:broken:v1'").unwrap();
    let everything = Selector::Namespace("t".to_owned());
    let listed: Vec<_> = storage.scan(&everything).collect().await;
    assert_eq!(listed.len(), 2);
    let errors: Vec<_> = listed.into_iter().filter_map(Result::err).collect();
    assert_eq!(errors.len(), 1);
    assert_eq!(errors[0].key(), Some(&key("broken")));
    let removed = Selector::AnyTag(vec![tag("one")]);
    storage.invalidate(&removed, InvalidationMode::Remove).await.unwrap();
    assert_eq!(number(&other, "SELECT count(*) FROM cache"), 0);
    assert_eq!(number(&other, "SELECT count(*) FROM cache_tags"), 0);
}

#[tokio::test]
async fn keys_of_one_digest_never_stand_for_each_other() {
    let (_folder, options) = folder();
    let storage = options.open().await.unwrap();
    let mine = key("mine");
    set(&storage, &mine, entry(&mine, "x", &["old"])).await;
    let other = connection(storage.path());
    // Another key with the same digest: none is known, so it is made by hand.
    other.execute_batch("UPDATE cache SET key = 't:theirs:v1'").unwrap();
    assert!(!holds(&storage, "mine").await);
    assert_eq!(
        storage.get_many(std::slice::from_ref(&mine)).await.unwrap()[0].as_ref().unwrap().entry,
        None
    );
    let selector = Selector::Keys(vec![mine.clone()]);
    let removed = storage.invalidate(&selector, InvalidationMode::Remove).await.unwrap();
    assert_eq!(removed.entries, 0);
    assert_eq!(number(&other, "SELECT count(*) FROM cache"), 1, "theirs was removed");
    // It is no newer entry, no entry to touch, and none that a condition could mean.
    let found = storage.get(&mine).await.unwrap();
    let put = WriteAction::PutIfUnchanged {
        entry: entry(&mine, "mine", &["new"]),
        expected: None,
        stamp: found.stamp,
    };
    assert_eq!(write(&storage, &mine, put).await, Outcome::Stored);
    assert_eq!(storage.get(&mine).await.unwrap().entry.unwrap().payload, "mine");
    let tags: String =
        other.query_row("SELECT group_concat(tag) FROM cache_tags", [], |row| row.get(0)).unwrap();
    assert_eq!(tags, "t:new");
    let stats = storage.stats().await.unwrap();
    assert_eq!((stats.entries, stats.payload_bytes), (1, 4));
}

#[tokio::test]
async fn a_write_that_fails_is_undone_alone() {
    let (_folder, options) = folder();
    let storage = options.open().await.unwrap();
    let other = connection(storage.path());
    other
        .execute_batch(
            "CREATE TRIGGER refuse BEFORE INSERT ON cache_tags WHEN new.tag = 't:refused' \
             BEGIN SELECT raise(ABORT, 'refused'); END",
        )
        .unwrap();
    let names = ["a", "b", "c"];
    let writes = names.iter().map(|name| {
        let tags: &[&str] = if *name == "b" { &["fine", "refused"] } else { &["fine"] };
        let key = key(name);
        let action = WriteAction::Set { entry: entry(&key, "x", tags) };
        Write { key, action }
    });
    let outcomes = storage.write(writes.collect()).await.unwrap();
    assert!(outcomes[0].is_ok() && outcomes[2].is_ok());
    let error = outcomes[1].as_ref().unwrap_err();
    assert_eq!((error.kind(), error.key()), (StorageErrorKind::Failed, Some(&key("b"))));
    assert!(
        holds(&storage, "a").await && !holds(&storage, "b").await && holds(&storage, "c").await
    );
    assert_eq!(number(&other, "SELECT count(*) FROM cache_tags"), 2);
    assert_eq!(storage.stats().await.unwrap().entries, 2);
    // Beside others in one group, one that fails takes none along.
    let calls = (0..40).map(|number| {
        let storage = storage.clone();
        tokio::spawn(async move {
            let key = key(&format!("g{number}"));
            let tags: &[&str] = if number % 4 == 0 { &["refused"] } else { &[] };
            let action = WriteAction::Set { entry: entry(&key, "x", tags) };
            storage.write(vec![Write { key, action }]).await.is_ok()
        })
    });
    for (number, call) in calls.collect::<Vec<_>>().into_iter().enumerate() {
        assert_eq!(call.await.unwrap(), number % 4 != 0);
        assert_eq!(holds(&storage, &format!("g{number}")).await, number % 4 != 0);
    }
}

#[tokio::test]
async fn a_fence_whose_row_is_gone_refuses_what_was_loaded_before() {
    let (_folder, options) = folder();
    let storage = options.open().await.unwrap();
    let wanted = key("a");
    let before = storage.get(&wanted).await.unwrap().stamp;
    connection(storage.path()).execute_batch("DELETE FROM cache_meta").unwrap();
    let without = storage.get(&wanted).await.unwrap();
    assert_eq!(without.entry, None);
    for stamp in [before, without.stamp] {
        let fill = WriteAction::Fill { entry: entry(&wanted, "old", &[]), stamp };
        assert_eq!(write(&storage, &wanted, fill).await, Outcome::Fenced);
    }
    let stamp = storage.get(&wanted).await.unwrap().stamp;
    assert_ne!(stamp.origin, before.origin);
    let fill = WriteAction::Fill { entry: entry(&wanted, "new", &[]), stamp };
    assert_eq!(write(&storage, &wanted, fill).await, Outcome::Stored);
}
