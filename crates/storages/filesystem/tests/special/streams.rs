//! Values that come and go piece by piece, under the same fence as all others.

use std::io::ErrorKind;

use bytes::Bytes;
use cache_core::entry::Entry;
use cache_core::storage::{
    InvalidationMode, Outcome, Selector, Storage, StorageErrorKind, Write, WriteAction,
};
use cache_filesystem::Filesystem;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::common::{
    content, entry, folder, key, put, remove, settle, tag, value, values, wait_for_files,
};

/// What a writer is told of an entry: all but its payload.
fn blank(name: &str, tags: &[&str]) -> Entry {
    entry(&key(name), Bytes::new(), tags)
}

fn set(name: &str) -> Write {
    Write { key: key(name), action: WriteAction::Set { entry: blank(name, &[]) } }
}

async fn write(storage: &Filesystem, write: Write, pieces: &[&[u8]]) -> Outcome {
    let mut writer = storage.writer(write).await.unwrap();
    for piece in pieces {
        writer.write_all(piece).await.unwrap();
    }
    writer.commit().await.unwrap()
}

async fn read(storage: &Filesystem, name: &str) -> Option<Vec<u8>> {
    let mut reader = storage.reader(&key(name)).await.unwrap().value?;
    let mut bytes = Vec::new();
    reader.read_to_end(&mut bytes).await.unwrap();
    assert_eq!(reader.payload_bytes(), bytes.len() as u64);
    Some(bytes)
}

#[tokio::test]
async fn what_was_streamed_is_read_both_ways() {
    let (_folder, options) = folder();
    let storage = options.open().await.unwrap();
    let whole = content(1, 3_000_000);
    let pieces: Vec<&[u8]> = whole.chunks(70_001).collect();
    assert_eq!(write(&storage, set("a"), &pieces).await, Outcome::Stored);
    assert_eq!(read(&storage, "a").await.unwrap(), whole);
    assert_eq!(value(&storage, "a").await.unwrap(), whole);
    let stored = storage.get(&key("a")).await.unwrap().entry.unwrap();
    assert_eq!(stored.decoded_bytes, 3_000_000);
    // What came at once is streamed too.
    put(&storage, "b", content(2, 100_000)).await;
    assert_eq!(read(&storage, "b").await.unwrap(), content(2, 100_000));
    // Nothing at all is a value.
    assert_eq!(write(&storage, set("c"), &[]).await, Outcome::Stored);
    assert_eq!(read(&storage, "c").await.unwrap(), b"");
    assert_eq!(value(&storage, "c").await.unwrap(), Bytes::new());
    assert_eq!(read(&storage, "d").await, None);
    assert_eq!(storage.damaged_reads(), 0);
}

#[tokio::test]
async fn trap_25_nobody_sees_a_value_before_it_is_committed() {
    let (_folder, options) = folder();
    let storage = options.open().await.unwrap();
    put(&storage, "a", "old").await;
    let mut writer = storage.writer(set("a")).await.unwrap();
    writer.write_all(b"new").await.unwrap();
    writer.flush().await.unwrap();
    assert_eq!((writer.bytes(), value(&storage, "a").await.unwrap()), (3, Bytes::from("old")));
    assert_eq!(writer.commit().await.unwrap(), Outcome::Stored);
    assert_eq!(value(&storage, "a").await.unwrap(), "new");
    settle(&storage).await;
    assert_eq!(values(storage.path()).len(), 1);
}

#[tokio::test]
async fn a_writer_that_is_dropped_leaves_nothing() {
    let (_folder, options) = folder();
    let storage = options.open().await.unwrap();
    let mut writer = storage.writer(set("a")).await.unwrap();
    writer.write_all(&[7; 100_000]).await.unwrap();
    writer.flush().await.unwrap();
    assert_eq!(values(storage.path()).len(), 1);
    drop(writer);
    wait_for_files(storage.path(), 0).await;
    assert_eq!(value(&storage, "a").await, None);
}

#[tokio::test]
async fn a_stream_that_began_before_an_invalidation_is_refused() {
    let (_folder, options) = folder();
    let storage = options.open().await.unwrap();
    let fill = async || {
        let stamp = storage.reader(&key("a")).await.unwrap().stamp;
        let entry = blank("a", &["group"]);
        let write = Write { key: key("a"), action: WriteAction::Fill { entry, stamp } };
        let mut writer = storage.writer(write).await.unwrap();
        writer.write_all(b"loaded").await.unwrap();
        writer
    };
    for selector in [
        Selector::Keys(vec![key("a")]),
        Selector::AnyTag(vec![tag("group")]),
        Selector::Namespace("t".to_owned()),
    ] {
        let writer = fill().await;
        storage.invalidate(&selector, InvalidationMode::Remove).await.unwrap();
        assert_eq!(writer.commit().await.unwrap(), Outcome::Fenced, "{selector:?}");
        wait_for_files(storage.path(), 0).await;
        assert_eq!(read(&storage, "a").await, None);
    }
    assert_eq!(fill().await.commit().await.unwrap(), Outcome::Stored);
    assert_eq!(read(&storage, "a").await.unwrap(), b"loaded");
}

#[tokio::test]
async fn a_reader_goes_on_to_the_end_of_what_it_opened() {
    let (_folder, options) = folder();
    let storage = options.open().await.unwrap();
    let whole = content(3, 1_000_000);
    put(&storage, "a", whole.clone()).await;
    let mut reader = storage.reader(&key("a")).await.unwrap().value.unwrap();
    let mut bytes = vec![0; 10];
    reader.read_exact(&mut bytes).await.unwrap();
    remove(&storage, "a").await;
    settle(&storage).await;
    assert!(values(storage.path()).is_empty());
    reader.read_to_end(&mut bytes).await.unwrap();
    assert_eq!(bytes, whole);
}

#[tokio::test]
async fn more_than_is_taken_is_refused_and_removes_what_was_there() {
    let (_folder, options) = folder();
    let storage = options.value_bytes_max(1000).open().await.unwrap();
    put(&storage, "a", "old").await;
    let mut writer = storage.writer(set("a")).await.unwrap();
    writer.write_all(&[1; 1000]).await.unwrap();
    let error = writer.write_all(&[1]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::FileTooLarge);
    assert_eq!(writer.commit().await.unwrap(), Outcome::TooLarge);
    assert_eq!(value(&storage, "a").await, None);
    settle(&storage).await;
    wait_for_files(storage.path(), 0).await;
    assert_eq!(write(&storage, set("a"), &[&[1; 1000]]).await, Outcome::Stored);
}

#[tokio::test]
async fn an_action_that_stores_nothing_has_no_writer() {
    let (_folder, options) = folder();
    let storage = options.open().await.unwrap();
    let (token, end) = (blank("a", &[]).token, cache_core::clock::Timestamp::NEVER);
    let action = WriteAction::Touch { token, fresh_until: end, kept_until: end };
    let error = storage.writer(Write { key: key("a"), action }).await.unwrap_err();
    assert_eq!((error.kind(), error.key()), (StorageErrorKind::Invalid, Some(&key("a"))));
    storage.close().await.unwrap();
    let error = storage.writer(set("a")).await.unwrap_err();
    assert_eq!(error.kind(), StorageErrorKind::Closed);
}

/// Dropped at any moment of its commit, a value is the old one or the new one, and no file is left
/// that is neither's.
#[tokio::test]
async fn a_commit_that_is_dropped_is_done_or_not() {
    let (_folder, options) = folder();
    let storage = options.open().await.unwrap();
    for polls in 0..6 {
        put(&storage, "a", "old").await;
        let mut writer = storage.writer(set("a")).await.unwrap();
        writer.write_all(b"new").await.unwrap();
        let mut commit = Box::pin(writer.commit());
        for _ in 0..polls {
            if futures_util::poll!(&mut commit).is_ready() {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(2)).await;
        }
        drop(commit);
        storage.flush().await.unwrap();
        let found = value(&storage, "a").await.unwrap();
        assert!(found == "old" || found == "new");
        settle(&storage).await;
        wait_for_files(storage.path(), 1).await;
    }
}
