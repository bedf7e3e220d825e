//! Folders that may not be written, and stores of another kind.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use cache_core::storage::{Storage, StorageErrorKind};
use cache_filesystem::{Filesystem, FilesystemOptions};
use cache_sqlite::SqliteOptions;

use crate::common::{
    PATH, all_below, content, folder, key, path_of_child, put, set_write, value, values,
};

const DONE: &str = "all goes on";
/// Nobody in particular.
const USER: u32 = 65_534;

fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

async fn write_fails(storage: &Filesystem, kind: StorageErrorKind) {
    let outcomes = storage.write(vec![set_write(&key("b"), content(2, 1000))]).await.unwrap();
    let error = outcomes[0].clone().unwrap_err();
    assert_eq!((error.kind(), error.key()), (kind, Some(&key("b"))), "{error}");
}

/// Whom the permissions hold for: the owner of the folder, and not root.
#[tokio::test]
#[ignore = "run by `a_folder_that_may_not_be_written_is_borne`"]
async fn child() {
    let options = FilesystemOptions::new(path_of_child().join("store")).cleanup_interval(None);
    let storage = options.clone().open().await.unwrap();
    let root = storage.path().to_owned();
    put(&storage, "a", content(1, 1000)).await;
    put(&storage, "old", content(3, 1000)).await;
    let shards: Vec<_> =
        fs::read_dir(root.join("values")).unwrap().map(|shard| shard.unwrap().path()).collect();
    let all = |wanted| shards.iter().chain([&root.join("values")]).for_each(|it| mode(it, wanted));
    all(0o500);
    write_fails(&storage, StorageErrorKind::Denied).await;
    assert_eq!(value(&storage, "a").await.unwrap(), content(1, 1000));
    // The entry goes, its file cannot yet.
    crate::common::remove(&storage, "old").await;
    crate::common::settle(&storage).await;
    assert_eq!((value(&storage, "old").await, values(&root).len()), (None, 2));
    all(0o700);
    crate::common::settle(&storage).await;
    assert_eq!(values(&root).len(), 1);
    put(&storage, "b", content(2, 1000)).await;
    storage.close().await.unwrap();

    for part in ["sessions", ""] {
        mode(&root.join(part), 0o500);
        if part.is_empty() {
            // An index whose log cannot be made.
            mode(&root.join("index.db"), 0o400);
        }
        let error = options.clone().open().await.unwrap_err();
        assert_eq!(error.kind(), StorageErrorKind::Denied, "{part}: {error}");
        mode(&root.join(part), 0o700);
    }
    mode(&root.join("index.db"), 0o600);
    let storage = options.open().await.unwrap();
    assert_eq!(value(&storage, "b").await.unwrap(), content(2, 1000));
    println!("{DONE}");
}

#[test]
fn a_folder_that_may_not_be_written_is_borne() {
    let folder = tempfile::tempdir().unwrap();
    // This program, even where it lies in a folder that the user may not enter.
    let mut command = Command::new("/proc/self/exe");
    command.args(["--exact", "refusals::child", "--ignored", "--nocapture"]);
    command.env(PATH, folder.path()).current_dir("/");
    if rustix::process::getuid().is_root() {
        std::os::unix::fs::chown(folder.path(), Some(USER), Some(USER)).unwrap();
        command.uid(USER).gid(USER);
    }
    let output = command.output().unwrap();
    let [out, err] = [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text));
    assert!(output.status.success() && out.contains(DONE), "{out}\n{err}");
}

#[tokio::test]
async fn what_is_made_is_the_owners_alone() {
    let (_folder, options) = folder();
    let storage = options.open().await.unwrap();
    put(&storage, "a", "x").await;
    let mode_of = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode_of(storage.path()), 0o700);
    for file in all_below(storage.path()) {
        assert_eq!(mode_of(&file) & 0o077, 0, "{}", file.display());
    }
}

#[tokio::test]
async fn a_folder_that_is_not_to_be_made_must_be_there() {
    let (_folder, options) = folder();
    let error = options.clone().create(false).open().await.unwrap_err();
    assert_eq!(error.kind(), StorageErrorKind::Invalid, "{error}");
    assert!(!options.path().exists());
    options.clone().open().await.unwrap().close().await.unwrap();
    options.create(false).open().await.unwrap();
}

#[tokio::test]
async fn a_file_is_no_folder() {
    let (_folder, options) = folder();
    fs::write(options.path(), "a file").unwrap();
    let error = options.clone().open().await.unwrap_err();
    assert_eq!(error.kind(), StorageErrorKind::Invalid, "{error}");
    assert_eq!(fs::read(options.path()).unwrap(), b"a file");
}

/// Rows of the one kind mean nothing to the other.
#[tokio::test]
async fn an_index_and_a_plain_store_are_told_apart() {
    let (_folder, options) = folder();
    let storage = options.clone().open().await.unwrap();
    put(&storage, "a", "x").await;
    storage.close().await.unwrap();
    let index = options.path().join("index.db");
    let error = SqliteOptions::new(&index).table("files").open().await.unwrap_err();
    assert_eq!(error.kind(), StorageErrorKind::Incompatible, "{error}");

    fs::remove_file(&index).unwrap();
    let plain = SqliteOptions::new(&index).table("files").open().await.unwrap();
    plain.close().await.unwrap();
    let error = options.open().await.unwrap_err();
    assert_eq!((error.scheme(), error.kind()), ("file", StorageErrorKind::Incompatible), "{error}");
}

/// All files are orphans then.
#[tokio::test]
async fn a_lost_index_is_made_anew() {
    let (_folder, options) = folder();
    let storage = options.clone().open().await.unwrap();
    put(&storage, "a", content(1, 1000)).await;
    storage.close().await.unwrap();
    for end in ["", "-wal", "-shm"] {
        let _ = fs::remove_file(options.path().join(format!("index.db{end}")));
    }
    let storage = options.open().await.unwrap();
    assert_eq!(value(&storage, "a").await, None);
    let checked = storage.check(Default::default()).await.unwrap();
    assert_eq!((checked.orphans, values(storage.path()).len()), (1, 0));
}
