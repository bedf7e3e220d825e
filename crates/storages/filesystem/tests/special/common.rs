//! Short ways to entries, calls and files.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use bytes::Bytes;
use cache_core::clock::Timestamp;
use cache_core::entry::{CodecId, Compression, Entry, EntryKind, Token};
use cache_core::key::{Key, Tag, Tags};
use cache_core::storage::{
    Budget, InvalidationMode, Outcome, Selector, Storage, Write, WriteAction,
};
use cache_filesystem::{Checked, Filesystem, FilesystemOptions};
use tempfile::TempDir;

/// Where a child process finds its folder.
pub(crate) const PATH: &str = "CACHE_FILESYSTEM_PATH";

pub(crate) fn key(name: &str) -> Key {
    Key::parse(&format!("t:{name}:v1")).unwrap()
}

pub(crate) fn tag(label: &str) -> Tag {
    Tag::new("t", label).unwrap()
}

/// An entry without an end.
pub(crate) fn entry(key: &Key, payload: impl Into<Bytes>, tags: &[&str]) -> Entry {
    let payload = payload.into();
    let entry = Entry {
        kind: EntryKind::Value,
        codec: CodecId::BYTES,
        compression: Compression::None,
        decoded_bytes: payload.len() as u32,
        created: Timestamp::from_unix_ms(1_700_000_000_000),
        fresh_until: Timestamp::NEVER,
        kept_until: Timestamp::NEVER,
        idle: None,
        stamp: 0,
        token: Token::random(),
        tags: Tags::new(tags.iter().map(|label| tag(label)).collect()),
        payload,
        checksum: 0,
    };
    entry.sealed(key)
}

pub(crate) fn set_write(key: &Key, payload: impl Into<Bytes>) -> Write {
    let entry = entry(key, payload, &[]);
    Write { key: key.clone(), action: WriteAction::Set { entry } }
}

pub(crate) async fn write(storage: &Filesystem, write: Write) -> Outcome {
    storage.write(vec![write]).await.unwrap().remove(0).unwrap()
}

pub(crate) async fn put(storage: &Filesystem, name: &str, payload: impl Into<Bytes>) {
    assert_eq!(write(storage, set_write(&key(name), payload)).await, Outcome::Stored);
}

pub(crate) async fn remove(storage: &Filesystem, name: &str) {
    let selector = Selector::Keys(vec![key(name)]);
    storage.invalidate(&selector, InvalidationMode::Remove).await.unwrap();
}

/// What is there and whole, as the cache sees it.
pub(crate) async fn value(storage: &Filesystem, name: &str) -> Option<Bytes> {
    let entry = storage.get(&key(name)).await.unwrap().entry?;
    entry.verify(&key(name)).ok().map(|()| entry.payload)
}

/// Whether something is there that a cache counts as damaged.
pub(crate) async fn is_damaged(storage: &Filesystem, name: &str) -> bool {
    let entry = storage.get(&key(name)).await.unwrap().entry;
    entry.is_some_and(|entry| entry.verify(&key(name)).is_err())
}

/// Bytes that differ from place to place and from seed to seed.
pub(crate) fn content(seed: u64, length: usize) -> Bytes {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut bytes = vec![0; length];
    random.fill(&mut bytes);
    bytes.into()
}

/// A folder that is not there yet, in one that is.
pub(crate) fn folder() -> (TempDir, FilesystemOptions) {
    let folder = tempfile::tempdir().unwrap();
    let options = FilesystemOptions::new(folder.path().join("store")).cleanup_interval(None);
    (folder, options)
}

/// Every file under `path`, in order.
pub(crate) fn all_below(path: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(path).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            found.extend(all_below(&entry.path()));
        } else {
            found.push(entry.path());
        }
    }
    found.sort();
    found
}

/// The files of values, finished or not.
pub(crate) fn values(store: &Path) -> Vec<PathBuf> {
    all_below(&store.join("values"))
}

/// The file of the only value that has this content.
pub(crate) fn file_of(store: &Path, content: &[u8]) -> PathBuf {
    let mut found = values(store);
    found.retain(|path| std::fs::read(path).unwrap() == content);
    assert_eq!(found.len(), 1);
    found.remove(0)
}

/// Waits until as many files are there; they are deleted by other threads.
pub(crate) async fn wait_for_files(store: &Path, count: usize) {
    for _ in 0..2000 {
        if values(store).len() == count {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("{count} files were expected, there are {:?}", values(store));
}

/// Has everything deleted that is to be.
pub(crate) async fn settle(storage: &Filesystem) {
    storage.maintain(Budget::UNLIMITED).await.unwrap();
}

/// A check that has found nothing wrong.
pub(crate) fn assert_sound(checked: Checked) {
    assert_eq!((checked.damaged, checked.orphans, checked.unfinished), (0, 0, 0), "{checked:?}");
}

/// An ignored test of this program, as a process of its own.
pub(crate) fn child_process(test: &str, path: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", test, "--ignored", "--nocapture"]).env(PATH, path);
    command.stdout(Stdio::piped());
    command
}

pub(crate) fn path_of_child() -> PathBuf {
    std::env::var_os(PATH).unwrap().into()
}
