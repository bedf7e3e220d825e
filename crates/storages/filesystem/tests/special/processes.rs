//! Several processes on one folder.

use std::process::Child;

use cache_core::storage::{InvalidationMode, Outcome, Selector, Storage, Write, WriteAction};
use cache_filesystem::{Filesystem, FilesystemOptions, Thoroughness};
use tokio::io::AsyncReadExt;

use crate::common::{
    assert_sound, child_process, content, entry, folder, key, path_of_child, put, remove, settle,
    tag, value, values, write,
};

const NAMES: u64 = 6;

/// Replaces, removes and reads what the others do, too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "run by `processes_share_a_folder`"]
async fn child() {
    let storage = FilesystemOptions::new(path_of_child()).open().await.unwrap();
    let mut random = fastrand::Rng::new();
    for _ in 0..300 {
        let name = format!("{}", random.u64(..NAMES));
        match random.u8(..10) {
            0..4 => put(&storage, &name, content(random.u64(..9), random.usize(1..60_000))).await,
            4 => remove(&storage, &name).await,
            5..8 => {
                let found = storage.get(&key(&name)).await.unwrap().entry;
                assert!(found.is_none_or(|entry| entry.verify(&key(&name)).is_ok()));
            }
            8 => {
                if let Some(mut reader) = storage.reader(&key(&name)).await.unwrap().value {
                    reader.read_to_end(&mut Vec::new()).await.unwrap();
                }
            }
            _ => {
                let checked = storage.check(Thoroughness::Contents).await.unwrap();
                assert_eq!((checked.damaged, checked.unfinished), (0, 0));
            }
        }
    }
    assert_eq!(storage.damaged_reads(), 0);
    storage.close().await.unwrap();
    println!("shared");
}

#[tokio::test]
async fn processes_share_a_folder() {
    let (_folder, options) = folder();
    // All of them find no folder, and make it.
    let spawn = |_| child_process("processes::child", options.path()).spawn().unwrap();
    let children: Vec<Child> = (0..3).map(spawn).collect();
    for child in children {
        let output = child.wait_with_output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && text.contains("shared"), "{text}");
    }
    let storage = options.open().await.unwrap();
    settle(&storage).await;
    assert_sound(storage.check(Thoroughness::Contents).await.unwrap());
    let entries = storage.stats().await.unwrap().entries;
    assert_eq!(values(storage.path()).len() as u64, entries);
    // Nobody but this one is said to be at work.
    assert_eq!(crate::common::all_below(&storage.path().join("sessions")).len(), 1);
}

#[tokio::test]
async fn a_fence_raised_through_one_storage_refuses_fills_through_another() {
    let (_folder, options) = folder();
    let open = async || -> Filesystem { options.clone().open().await.unwrap() };
    let (one, two) = (open().await, open().await);
    let stamp = one.get(&key("a")).await.unwrap().stamp;
    let selector = Selector::AnyTag(vec![tag("group")]);
    two.invalidate(&selector, InvalidationMode::Remove).await.unwrap();
    let fill = |tags: &[&str]| {
        let entry = entry(&key("a"), "x", tags);
        Write { key: key("a"), action: WriteAction::Fill { entry, stamp } }
    };
    assert_eq!(write(&one, fill(&["group"])).await, Outcome::Fenced);
    assert_eq!(write(&one, fill(&["other"])).await, Outcome::Stored);
    assert_eq!(value(&two, "a").await.unwrap(), "x");
    // What one replaces while the other has read its row is read anew.
    for round in 0..50 {
        let (reading, writing) = (value(&one, "a"), put(&two, "a", content(round, 2000)));
        let (found, ()) = tokio::join!(reading, writing);
        assert!(found.is_some(), "round {round}");
    }
}
