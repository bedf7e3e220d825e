//! Files that are deleted, cut off, overwritten or replaced behind the storage's back: a counted miss,
//! and never a wrong value.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use bytes::Bytes;
use cache_core::cache::Cache;
use cache_core::node::{DynamicNode, NodeDefinition, TierDefinition};
use cache_core::source::{LoadError, source_fn};
use cache_core::storage::{Storage, Write, WriteAction};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::common::{content, entry, file_of, folder, is_damaged, key, put, value, values};

/// What happens to a file, and how.
type Harm = (&'static str, fn(&Path));

/// What can happen to a file of [`LENGTH`] bytes.
const HARMS: [Harm; 8] = [
    ("deleted", |file| fs::remove_file(file).unwrap()),
    ("emptied", |file| fs::write(file, "").unwrap()),
    ("cut off", |file| {
        let file = fs::OpenOptions::new().write(true).open(file).unwrap();
        file.set_len(LENGTH as u64 - 1).unwrap();
    }),
    ("overwritten", |file| fs::write(file, content(99, LENGTH)).unwrap()),
    ("changed in one bit", |file| {
        let mut bytes = fs::read(file).unwrap();
        bytes[LENGTH / 2] ^= 0x10;
        fs::write(file, bytes).unwrap();
    }),
    ("a folder", |file| {
        fs::remove_file(file).unwrap();
        fs::create_dir(file).unwrap();
    }),
    ("a link", |file| {
        let target = file.with_file_name("target");
        fs::rename(file, &target).unwrap();
        std::os::unix::fs::symlink(target, file).unwrap();
    }),
    // Who opens it waits for somebody to write.
    ("a pipe", |file| {
        fs::remove_file(file).unwrap();
        assert!(Command::new("mkfifo").arg(file).status().unwrap().success());
    }),
];

const LENGTH: usize = 300_000;

#[tokio::test]
async fn a_harmed_file_is_a_counted_miss() {
    for (what, harm) in HARMS {
        let (_folder, options) = folder();
        let storage = options.open().await.unwrap();
        let loads = std::sync::atomic::AtomicU64::new(0);
        let source = source_fn(move |_: DynamicNode| {
            let load = loads.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            async move { Ok::<_, LoadError>(content(load, LENGTH)) }
        });
        let cache = Cache::builder().prefix("t").storage("file", storage.clone().into_storage());
        let cache = cache.build().unwrap();
        let tier = TierDefinition::new("file").ttl(Duration::from_secs(600));
        let definition = NodeDefinition::new("tracks", "track:{id}").tier(tier);
        let tracks = cache.bind_as(definition, source).unwrap();
        let node = DynamicNode::new("track:1");
        assert_eq!(*tracks.get(&node).await.unwrap(), content(0, LENGTH));
        assert_eq!(*tracks.get(&node).await.unwrap(), content(0, LENGTH));
        harm(&file_of(storage.path(), &content(0, LENGTH)));
        // Loaded again and stored again, as often as it happens.
        assert_eq!(*tracks.get(&node).await.unwrap(), content(1, LENGTH), "{what}");
        assert_eq!(*tracks.get(&node).await.unwrap(), content(1, LENGTH), "{what}");
        let stats = tracks.stats();
        let tier = stats.tier("file").unwrap();
        assert_eq!((tier.damaged, tier.hits), (1, 2), "{what}");
        cache.close().await.unwrap();
    }
}

#[tokio::test]
async fn one_harmed_file_of_a_batch_harms_no_other() {
    for (what, harm) in HARMS {
        let (_folder, options) = folder();
        let storage = options.open().await.unwrap();
        for (seed, name) in ["a", "b", "c"].into_iter().enumerate() {
            put(&storage, name, content(seed as u64, LENGTH)).await;
        }
        harm(&file_of(storage.path(), &content(1, LENGTH)));
        let keys = ["a", "b", "c"].map(key);
        let found = storage.get_many(&keys).await.unwrap();
        let whole = found.into_iter().zip(&keys).map(|(lookup, key)| {
            lookup.unwrap().entry.is_some_and(|entry| entry.verify(key).is_ok())
        });
        assert_eq!(whole.collect::<Vec<_>>(), [true, false, true], "{what}");
        assert!(is_damaged(&storage, "b").await, "{what}");
    }
}

/// A stream is not there, or ends in an error; the next time it is not there, and is filled anew.
#[tokio::test]
async fn a_harmed_file_ends_a_stream_in_an_error() {
    for (what, harm) in HARMS {
        let (_folder, options) = folder();
        let storage = options.open().await.unwrap();
        put(&storage, "a", content(1, LENGTH)).await;
        let file = file_of(storage.path(), &content(1, LENGTH));
        harm(&file);
        if let Some(mut reader) = storage.reader(&key("a")).await.unwrap().value {
            let error = reader.read_to_end(&mut Vec::new()).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidData, "{what}");
            assert!(error.to_string().contains("t:a:v1"), "{error}");
            // It stays an error.
            assert!(reader.read(&mut [0; 8]).await.is_err(), "{what}");
            assert_eq!(storage.damaged_reads(), 1);
            for _ in 0..2000 {
                if !file.exists() {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
        let lookup = storage.reader(&key("a")).await.unwrap();
        assert!(lookup.value.is_none() && storage.damaged_reads() > 0, "{what}");
        let entry = entry(&key("a"), Bytes::new(), &[]);
        let action = WriteAction::Fill { entry, stamp: lookup.stamp };
        let mut writer = storage.writer(Write { key: key("a"), action }).await.unwrap();
        writer.write_all(b"anew").await.unwrap();
        writer.commit().await.unwrap();
        assert_eq!(value(&storage, "a").await.unwrap(), "anew", "{what}");
    }
}

#[tokio::test]
async fn a_file_that_is_cut_off_while_it_is_streamed_ends_in_an_error() {
    let (_folder, options) = folder();
    let storage = options.open().await.unwrap();
    put(&storage, "a", content(1, 4 << 20)).await;
    let mut reader = storage.reader(&key("a")).await.unwrap().value.unwrap();
    reader.read_exact(&mut [0; 10]).await.unwrap();
    let file = fs::OpenOptions::new().write(true).open(&values(storage.path())[0]).unwrap();
    file.set_len(3 << 20).unwrap();
    let error = reader.read_to_end(&mut Vec::new()).await.unwrap_err();
    assert_eq!((error.kind(), storage.damaged_reads()), (ErrorKind::UnexpectedEof, 1));
}

/// Where the wanted length is asked for and no more, the last piece is not handed out.
#[tokio::test]
async fn who_reads_no_further_than_the_length_is_told_too() {
    let (_folder, options) = folder();
    let storage = options.open().await.unwrap();
    put(&storage, "a", content(1, 1000)).await;
    fs::write(&values(storage.path())[0], content(2, 1000)).unwrap();
    let mut reader = storage.reader(&key("a")).await.unwrap().value.unwrap();
    let error = reader.read_exact(&mut [0; 1000]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidData);
}
