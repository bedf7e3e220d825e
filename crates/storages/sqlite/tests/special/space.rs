//! No room left: on a small file system, and under a limit on the length of files. Told as what it
//! is, nothing that was answered is lost, and all goes on once there is room.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use cache_core::storage::{InvalidationMode, Selector, Storage, StorageErrorKind};
use cache_sqlite::{IntegrityCheck, JournalMode, Sqlite, SqliteOptions};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::common::{entry, holds, key, put, set_write};

const PATH: &str = "CACHE_SQLITE_PATH";
const DONE: &str = "all goes on";
const NO_MOUNT: &str = "no file system can be mounted here";

fn options(path: &Path, mode: JournalMode) -> SqliteOptions {
    SqliteOptions::new(path).journal_mode(mode).wal_bytes_max(256 << 10).cleanup_interval(None)
}

const MODES: [JournalMode; 2] = [JournalMode::Wal, JournalMode::Delete];

/// Writes until it fails; what was stored before that.
async fn fill(storage: &Sqlite, kinds: &[StorageErrorKind]) -> Vec<String> {
    let mut stored = Vec::new();
    for number in 0..10_000 {
        let name = format!("k{number}");
        let write = set_write(&key(&name), entry(&key(&name), vec![7; 5000], &["all"]));
        let error = match storage.write(vec![write]).await {
            Ok(outcomes) => match outcomes.into_iter().next().unwrap() {
                Ok(_) => {
                    stored.push(name);
                    continue;
                }
                Err(error) => error,
            },
            Err(error) => error,
        };
        assert!(kinds.contains(&error.kind()), "{:?}: {error}", error.kind());
        return stored;
    }
    panic!("the room has no end");
}

async fn check_all(storage: &Sqlite, stored: &[String]) {
    for name in stored {
        let found = storage.get(&key(name)).await.unwrap().entry.unwrap();
        found.verify(&key(name)).unwrap();
    }
}

/// Opens, takes the room away, fills what is left, makes room, goes on; then opens the file anew.
async fn run_out(
    path: &Path,
    mode: JournalMode,
    kinds: &[StorageErrorKind],
    take_room: impl Fn(),
    make_room: impl Fn(),
) {
    let storage = options(path, mode).open().await.unwrap();
    put(&storage, "before").await;
    take_room();
    let mut stored = fill(&storage, kinds).await;
    stored.push("before".to_owned());
    // Reading goes on, and writing fails again.
    check_all(&storage, &stored).await;
    let long = set_write(&key("long"), entry(&key("long"), vec![7; 400_000], &["all"]));
    let refused = storage.write(vec![long]).await;
    assert!(refused.is_err() || refused.is_ok_and(|outcomes| outcomes[0].is_err()));
    assert!(!holds(&storage, "long").await);
    assert_eq!(storage.stats().await.unwrap().entries, stored.len() as u64, "{mode:?}");
    make_room();
    put(&storage, "after").await;
    stored.push("after".to_owned());
    let selector = Selector::Keys(vec![key("before")]);
    storage.invalidate(&selector, InvalidationMode::Expire).await.unwrap();
    storage.flush().await.unwrap();
    check_all(&storage, &stored).await;
    storage.close().await.unwrap();
    let again = options(path, mode).integrity_check(IntegrityCheck::Full).open().await.unwrap();
    check_all(&again, &stored).await;
    assert_eq!(again.stats().await.unwrap().entries, stored.len() as u64, "{mode:?}");
    again.close().await.unwrap();
}

/// Opening fails where there is no room for the tables, and works once there is.
async fn open_in_no_room(
    path: &Path,
    kinds: &[StorageErrorKind],
    take_room: impl Fn(),
    make_room: impl Fn(),
) {
    for mode in MODES {
        let path = path.join(format!("new-{}", mode.name()));
        take_room();
        let error = options(&path, mode).open().await.unwrap_err();
        assert!(kinds.contains(&error.kind()), "{:?}: {error}", error.kind());
        make_room();
        let storage = options(&path, mode).open().await.unwrap();
        put(&storage, "a").await;
        storage.close().await.unwrap();
    }
}

/// May be lifted again: only the soft limit is lowered.
fn limit(bytes: Option<u64>) {
    let maximum = getrlimit(Resource::Fsize).maximum;
    setrlimit(Resource::Fsize, Rlimit { current: bytes.or(maximum), maximum }).unwrap();
}

#[tokio::test]
#[ignore = "run by `a_limit_on_the_length_of_files_is_borne`"]
async fn child_with_a_limit() {
    let folder = PathBuf::from(std::env::var_os(PATH).unwrap());
    let kinds = [StorageErrorKind::Full];
    // Within a page, a frame of the log, or neither.
    for bytes in [160 << 10, 200_001, 300_100] {
        for mode in MODES {
            let path = folder.join(format!("{}-{bytes}.db", mode.name()));
            run_out(&path, mode, &kinds, || limit(Some(bytes)), || limit(None)).await;
        }
    }
    open_in_no_room(&folder, &kinds, || limit(Some(5000)), || limit(None)).await;
    println!("{DONE}");
}

#[tokio::test]
#[ignore = "run by `a_full_disk_is_borne`"]
async fn child_on_a_small_disk() {
    let folder = PathBuf::from(std::env::var_os(PATH).unwrap());
    let kinds = [StorageErrorKind::Full];
    let ballast = folder.join("ballast");
    let take_room = |left_bytes: u64| {
        let file = std::fs::File::create(&ballast).unwrap();
        while (&file).write_all(&[0; 4096]).is_ok() {}
        let length = file.metadata().unwrap().len();
        file.set_len(length.saturating_sub(left_bytes)).unwrap();
    };
    let make_room = || std::fs::remove_file(&ballast).unwrap();
    open_in_no_room(&folder, &kinds, || take_room(4096), make_room).await;
    for mode in MODES {
        let path = folder.join(mode.name());
        run_out(&path, mode, &kinds, || take_room(1 << 20), make_room).await;
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
