//! No room left: under a limit on the length of files, and on a small file system. Told as what it is,
//! nothing that was answered is lost, nothing half-written stays, and all goes on once there is room.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use cache_core::storage::{Outcome, Storage, StorageError, StorageErrorKind, Write, WriteAction};
use cache_filesystem::{Filesystem, FilesystemOptions, Thoroughness};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::io::AsyncWriteExt;

use crate::common::{
    PATH, assert_sound, content, entry, key, path_of_child, put, set_write, settle, value, values,
    wait_for_files,
};

const DONE: &str = "all goes on";
const NO_MOUNT: &str = "no file system can be mounted here";

fn options(path: PathBuf) -> FilesystemOptions {
    FilesystemOptions::new(path).cleanup_interval(None)
}

/// One value, at once or piece by piece.
async fn store(
    storage: &Filesystem,
    name: &str,
    length: usize,
    streamed: bool,
) -> Result<Outcome, StorageErrorKind> {
    let bytes = content(length as u64, length);
    let kind = |error: StorageError| error.kind();
    if !streamed {
        let mut outcomes = storage.write(vec![set_write(&key(name), bytes)]).await.map_err(kind)?;
        return outcomes.remove(0).map_err(kind);
    }
    let action = WriteAction::Set { entry: entry(&key(name), "", &[]) };
    let mut writer = storage.writer(Write { key: key(name), action }).await.map_err(kind)?;
    for piece in bytes.chunks(30_000) {
        if let Err(error) = writer.write_all(piece).await {
            assert!(
                matches!(
                    error.kind(),
                    std::io::ErrorKind::FileTooLarge | std::io::ErrorKind::StorageFull
                ),
                "{error}"
            );
            // A writer that failed half-way cannot be committed as if it were whole.
            assert!(writer.commit().await.is_err());
            return Err(StorageErrorKind::Full);
        }
    }
    writer.commit().await.map_err(kind)
}

/// May be lifted again: only the soft limit is lowered.
fn limit(bytes: Option<u64>) {
    let maximum = getrlimit(Resource::Fsize).maximum;
    setrlimit(Resource::Fsize, Rlimit { current: bytes.or(maximum), maximum }).unwrap();
}

#[tokio::test]
#[ignore = "run by `a_limit_on_the_length_of_files_is_borne`"]
async fn child_with_a_limit() {
    for streamed in [false, true] {
        let path = path_of_child().join(streamed.to_string());
        let storage = options(path).open().await.unwrap();
        put(&storage, "before", content(1, 400_000)).await;
        put(&storage, "long", "old").await;
        // The index and its log are shorter than this.
        limit(Some(3 << 20));
        assert_eq!(store(&storage, "long", 5 << 20, streamed).await, Err(StorageErrorKind::Full));
        assert_eq!(value(&storage, "before").await.unwrap(), content(1, 400_000));
        assert_eq!(value(&storage, "long").await.unwrap(), "old");
        wait_for_files(storage.path(), 2).await;
        assert_eq!(store(&storage, "short", 10_000, streamed).await, Ok(Outcome::Stored));
        limit(None);
        assert_eq!(store(&storage, "long", 5 << 20, streamed).await, Ok(Outcome::Stored));
        assert_eq!(value(&storage, "long").await.unwrap(), content(5 << 20, 5 << 20));
        settle(&storage).await;
        assert_eq!(values(storage.path()).len(), 3);
        assert_sound(storage.check(Thoroughness::Contents).await.unwrap());
    }
    println!("{DONE}");
}

#[tokio::test]
#[ignore = "run by `a_full_disk_is_borne`"]
async fn child_on_a_small_disk() {
    let folder = path_of_child();
    for streamed in [false, true] {
        let path = folder.join(streamed.to_string());
        let storage = options(path).open().await.unwrap();
        // The room that there will be again.
        std::fs::write(folder.join("other"), vec![0; 1 << 20]).unwrap();
        let mut stored = Vec::new();
        let failed = loop {
            let name = stored.len().to_string();
            match store(&storage, &name, 100_000 + stored.len(), streamed).await {
                Ok(outcome) => {
                    assert_eq!(outcome, Outcome::Stored);
                    stored.push(name);
                }
                Err(kind) => break kind,
            }
            assert!(stored.len() < 1000, "the room has no end");
        };
        assert_eq!(failed, StorageErrorKind::Full);
        // What had been written of the last is given back, and then not a byte is left.
        wait_for_files(storage.path(), stored.len()).await;
        let mut ballast = std::fs::File::create(folder.join("ballast")).unwrap();
        while ballast.write_all(&[0; 512]).is_ok() {}
        for (number, name) in stored.iter().enumerate() {
            let expected = content(100_000 + number as u64, 100_000 + number);
            assert_eq!(value(&storage, name).await.unwrap(), expected);
        }
        assert_eq!(store(&storage, "x", 50_000, streamed).await, Err(StorageErrorKind::Full));
        assert_eq!(value(&storage, "x").await, None);
        for name in ["ballast", "other"] {
            std::fs::remove_file(folder.join(name)).unwrap();
        }
        wait_for_files(storage.path(), stored.len()).await;
        crate::common::remove(&storage, &stored[0]).await;
        settle(&storage).await;
        assert_eq!(store(&storage, "x", 50_000, streamed).await, Ok(Outcome::Stored));
        assert_eq!(value(&storage, "x").await.unwrap(), content(50_000, 50_000));
        assert_sound(storage.check(Thoroughness::Contents).await.unwrap());
        assert_eq!(values(storage.path()).len(), stored.len());
        let path = storage.path().to_owned();
        storage.close().await.unwrap();
        std::fs::remove_dir_all(path).unwrap();
    }
    println!("{DONE}");
}

/// Runs one of the tests above within `sh`, whose script ends with `exec "$@"`.
fn run(program: &[&str], script: &str, test: &str, folder: &Path) -> Output {
    let mut command = Command::new(program[0]);
    command.args(&program[1..]).args(["sh", "-c", script, "sh"]);
    command.arg(std::env::current_exe().unwrap());
    command.args(["--exact", test, "--ignored", "--nocapture"]).env(PATH, folder);
    command.output().unwrap()
}

fn assert_done(output: &Output) {
    let [out, err] = [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text));
    assert!(output.status.success() && out.contains(DONE), "{out}\n{err}");
}

#[test]
fn a_limit_on_the_length_of_files_is_borne() {
    let folder = tempfile::tempdir().unwrap();
    // Without the trap, who writes too much is killed by a signal.
    let script = r#"trap "" XFSZ; exec "$@""#;
    assert_done(&run(&["env"], script, "space::child_with_a_limit", folder.path()));
}

/// The file system is mounted for the child alone, and goes with it.
#[test]
fn a_full_disk_is_borne() {
    let folder = tempfile::tempdir().unwrap();
    let script = format!(
        r#"mount -t tmpfs -o size=8m none "${PATH}" 2>/dev/null || {{ echo "{NO_MOUNT}"; exit 0; }}; exec "$@""#
    );
    for program in [&["unshare", "--mount"][..], &["unshare", "--mount", "--map-root-user"]] {
        let output = run(program, &script, "space::child_on_a_small_disk", folder.path());
        let mounted = !String::from_utf8_lossy(&output.stdout).contains(NO_MOUNT);
        let unshared = !String::from_utf8_lossy(&output.stderr).starts_with("unshare");
        if mounted && unshared {
            return assert_done(&output);
        }
    }
    // Where neither is allowed, the limit on the length of files stands for it.
    println!("{NO_MOUNT}");
}
