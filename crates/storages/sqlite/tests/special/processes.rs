//! Several processes on one file.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use cache_core::storage::{InvalidationMode, Outcome, Selector, Storage, WriteAction};
use cache_sqlite::{Sqlite, SqliteOptions};

use crate::common::{connection, entry, folder, holds, key, number, put, tag, write};

const PATH: &str = "CACHE_SQLITE_PATH";

/// Starts one of the ignored tests below as a process of its own.
fn spawn(test: &str, path: &Path) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", test, "--ignored", "--nocapture"]).env(PATH, path);
    command.stdout(Stdio::piped()).spawn().unwrap()
}

fn path() -> PathBuf {
    std::env::var_os(PATH).unwrap().into()
}

/// Writes beside others, and evicts nothing of theirs.
#[tokio::test]
#[ignore = "run by `processes_share_a_file`"]
async fn child_that_shares() {
    let storage = SqliteOptions::new(path()).open().await.unwrap();
    let id = std::process::id();
    for round in 0..50 {
        put(&storage, &format!("{id}.{round}")).await;
        assert!(holds(&storage, &format!("{id}.{round}")).await);
        let selector = Selector::Keys(vec![key(&format!("{id}.{}", round / 2 * 2))]);
        storage.invalidate(&selector, InvalidationMode::Remove).await.unwrap();
    }
    storage.close().await.unwrap();
    println!("shared");
}

#[tokio::test]
async fn processes_share_a_file() {
    let (folder, options) = folder();
    let path = folder.path().join("cache.db");
    // All of them find no file, and make it.
    let children: Vec<Child> =
        (0..3).map(|_| spawn("processes::child_that_shares", &path)).collect();
    for child in children {
        let output = child.wait_with_output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && text.contains("shared"), "{text}");
    }
    let storage = options.open().await.unwrap();
    assert_eq!(storage.stats().await.unwrap().entries, 3 * 25);
    let other = connection(&path);
    assert_eq!(number(&other, "SELECT count(*) FROM cache"), 3 * 25);
}

#[tokio::test]
async fn a_fence_raised_through_one_storage_refuses_fills_through_another() {
    let (_folder, options) = folder();
    let open = async || -> Sqlite { options.clone().open().await.unwrap() };
    let (one, two) = (open().await, open().await);
    let wanted = key("a");
    let stamp = one.get(&wanted).await.unwrap().stamp;
    let selector = Selector::AnyTag(vec![tag("group")]);
    two.invalidate(&selector, InvalidationMode::Remove).await.unwrap();
    let fill = |tags: &[&str]| WriteAction::Fill { entry: entry(&wanted, "x", tags), stamp };
    assert_eq!(write(&one, &wanted, fill(&["group"])).await, Outcome::Fenced);
    assert_eq!(write(&one, &wanted, fill(&["other"])).await, Outcome::Stored);
    assert!(holds(&two, "a").await);
    let everything = Selector::Namespace("t".to_owned());
    one.invalidate(&everything, InvalidationMode::Remove).await.unwrap();
    assert_eq!(write(&two, &wanted, fill(&["other"])).await, Outcome::Fenced);
}

/// The locks that stand on a file, by all processes.
#[cfg(target_os = "linux")]
fn locks(path: &Path) -> usize {
    use std::os::unix::fs::MetadataExt;
    let inode = format!(":{} ", std::fs::metadata(path).unwrap().ino());
    let locks = std::fs::read_to_string("/proc/locks").unwrap();
    locks.lines().filter(|line| line.contains(&inode)).count()
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn locks_outlive_a_storage_that_is_closed_beside() {
    let (_folder, options) = folder();
    let one = options.clone().open().await.unwrap();
    put(&one, "a").await;
    let two = options.open().await.unwrap();
    // There may be more for a moment, while something is read or written.
    assert!(locks(one.path()) >= 1);
    two.close().await.unwrap();
    drop(two);
    // Its thread may still be about to let go of the file.
    for _ in 0..20 {
        assert!(locks(one.path()) >= 1, "closing a descriptor has dropped the locks");
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    let path = one.path().to_owned();
    one.close().await.unwrap();
    for _ in 0..1000 {
        if locks(&path) == 0 {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    panic!("locks stand on a file that nobody has open");
}
