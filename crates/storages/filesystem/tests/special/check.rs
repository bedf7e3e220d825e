//! The check: what it finds, mends and leaves alone.

use std::fs;
use std::path::{Path, PathBuf};

use cache_core::storage::{Storage, Write, WriteAction};
use cache_filesystem::{CheckOnOpen, Filesystem, Thoroughness};
use tokio::io::AsyncWriteExt;

use crate::common::{
    all_below, assert_sound, content, entry, file_of, folder, key, put, value, values,
    wait_for_files,
};

/// A name of a file that a process left, which is dead by now.
fn left(store: &Path, number: u8, end: &str) -> PathBuf {
    let shard = store.join("values").join(format!("{number:02x}"));
    fs::create_dir_all(&shard).unwrap();
    shard.join(format!("{:016x}{:016x}{end}", 0xdead_u64, number))
}

#[tokio::test]
async fn orphans_are_deleted_and_damaged_entries_removed() {
    let (_folder, options) = folder();
    let storage = options.open().await.unwrap();
    for (seed, name) in ["whole", "gone", "short", "long", "changed"].into_iter().enumerate() {
        put(&storage, name, content(seed as u64, 5000)).await;
    }
    put(&storage, "empty", "").await;
    let file = |seed| file_of(storage.path(), &content(seed, 5000));
    fs::remove_file(file(1)).unwrap();
    fs::write(file(2), &content(2, 5000)[..4999]).unwrap();
    fs::write(file(3), [content(3, 5000), content(3, 1)].concat()).unwrap();
    let mut changed = content(4, 5000).to_vec();
    changed[2500] ^= 1;
    fs::write(file(4), changed).unwrap();
    fs::write(left(storage.path(), 7, ""), "x").unwrap();
    fs::write(left(storage.path(), 8, ".part"), "x").unwrap();

    let checked = storage.check(Thoroughness::Lengths).await.unwrap();
    assert_eq!((checked.entries, checked.damaged), (6, 3));
    assert_eq!((checked.orphans, checked.unfinished), (1, 1));
    let checked = storage.check(Thoroughness::Contents).await.unwrap();
    assert_eq!((checked.entries, checked.damaged), (3, 1));
    assert_eq!(value(&storage, "whole").await.unwrap(), content(0, 5000));
    assert_eq!(value(&storage, "empty").await.unwrap(), "");
    for name in ["gone", "short", "long", "changed"] {
        assert_eq!(storage.get(&key(name)).await.unwrap().entry, None, "{name}");
    }
    wait_for_files(storage.path(), 1).await;
    assert_sound(storage.check(Thoroughness::Contents).await.unwrap());
}

#[tokio::test]
async fn what_is_being_written_is_left_alone_by_all() {
    let (_folder, options) = folder();
    let storage = options.clone().open().await.unwrap();
    let other = options.open().await.unwrap();
    let begin = async |storage: &Filesystem, name: &str| {
        let entry = entry(&key(name), "", &[]);
        let write = Write { key: key(name), action: WriteAction::Set { entry } };
        let mut writer = storage.writer(write).await.unwrap();
        writer.write_all(name.as_bytes()).await.unwrap();
        writer
    };
    let (own, foreign) = (begin(&storage, "own").await, begin(&other, "foreign").await);
    assert_sound(storage.check(Thoroughness::Contents).await.unwrap());
    own.commit().await.unwrap();
    foreign.commit().await.unwrap();
    for name in ["own", "foreign"] {
        assert_eq!(value(&storage, name).await.unwrap(), name);
    }
}

#[tokio::test]
async fn what_is_not_ours_stays() {
    let (_folder, options) = folder();
    let storage = options.open().await.unwrap();
    let root = storage.path().to_owned();
    let names = ["values/readme.txt", "values/ab/readme.txt", "values/ab/00", "values/xy/file"];
    // The right name, in the wrong folder.
    let misplaced = format!("values/ab/{:032x}", 0xcd);
    for name in names.iter().copied().chain([misplaced.as_str()]) {
        fs::create_dir_all(root.join(name).parent().unwrap()).unwrap();
        fs::write(root.join(name), "mine").unwrap();
    }
    assert_sound(storage.check(Thoroughness::Contents).await.unwrap());
    for name in names.iter().copied().chain([misplaced.as_str()]) {
        assert_eq!(fs::read(root.join(name)).unwrap(), b"mine", "{name}");
    }
}

#[tokio::test]
async fn opening_checks_when_it_is_told_to() {
    let (_folder, options) = folder();
    let storage = options.clone().open().await.unwrap();
    let root = storage.path().to_owned();
    storage.close().await.unwrap();
    assert!(all_below(&root.join("sessions")).is_empty());
    let orphan = left(&root, 9, "");
    for (when, killed, is_there) in [
        (CheckOnOpen::AfterKill, false, true),
        (CheckOnOpen::Never, true, true),
        (CheckOnOpen::AfterKill, true, false),
        (CheckOnOpen::Always, false, false),
    ] {
        fs::write(&orphan, "x").unwrap();
        if killed {
            // What a process leaves that could not say that it ends.
            fs::write(root.join(format!("sessions/{:016x}", 0xdead)), "").unwrap();
        }
        let storage = options.clone().check_on_open(when).open().await.unwrap();
        assert_eq!(orphan.exists(), is_there, "{when:?} {killed}");
        storage.close().await.unwrap();
    }
    assert!(values(&root).is_empty());
}
