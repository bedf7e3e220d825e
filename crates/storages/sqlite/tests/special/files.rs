//! Files as they are found.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::time::Duration;

use cache_core::atomics::{Answer, AtomicKind, AtomicName, Atomics, Operation};
use cache_core::storage::{Storage, StorageErrorKind};
use cache_sqlite::{
    APPLICATION_ID, IntegrityCheck, SCHEMA_VERSION, Sqlite, SqliteOptions, check_schema,
};

use crate::common::{connection, folder, holds, number, put};

/// Opening fails so, and leaves every byte as it was.
async fn refused(
    options: &SqliteOptions,
    path: &std::path::Path,
    kind: StorageErrorKind,
) -> String {
    let before = fs::read(path).unwrap();
    let error = options.clone().open().await.unwrap_err();
    assert_eq!(error.kind(), kind, "{error}");
    assert_eq!(fs::read(path).unwrap(), before, "the file was changed");
    error.to_string()
}

#[tokio::test]
async fn a_new_file_and_those_beside_it_are_their_owners_alone() {
    let (folder, options) = folder();
    let storage = options.open().await.unwrap();
    assert!(storage.created());
    put(&storage, "a").await;
    for name in ["cache.db", "cache.db-wal", "cache.db-shm"] {
        let mode = fs::metadata(folder.path().join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
}

#[tokio::test]
async fn entries_outlive_the_storage() {
    let (folder, options) = folder();
    let storage = options.clone().open().await.unwrap();
    put(&storage, "a").await;
    storage.close().await.unwrap();
    assert!(!folder.path().join("cache.db-wal").exists(), "closing leaves no log");
    let storage = options.open().await.unwrap();
    assert!(!storage.created() && holds(&storage, "a").await);
}

#[tokio::test]
async fn dropping_the_last_clone_stops_the_threads() {
    let (folder, options) = folder();
    let storage = options.open().await.unwrap();
    let clone = storage.clone();
    drop(storage);
    put(&clone, "a").await;
    drop(clone);
    // The last connection takes the log along when it is closed.
    for _ in 0..1000 {
        if !folder.path().join("cache.db-wal").exists() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the connections are still open");
}

#[tokio::test]
async fn a_temporary_database_goes_with_its_storage() {
    let storage = Sqlite::open("sqlite::memory:").await.unwrap();
    put(&storage, "a").await;
    assert!(holds(&storage, "a").await && !storage.capabilities().persistent);
    let path = storage.path().to_owned();
    assert!(path.exists());
    storage.close().await.unwrap();
    drop(storage);
    for _ in 0..1000 {
        if !path.exists() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the folder is still there");
}

#[tokio::test]
async fn the_settings_are_those_of_the_options() {
    let (folder, options) = folder();
    let storage = options.open().await.unwrap();
    let other = connection(storage.path());
    let word = |sql: &str| other.query_row(sql, [], |row| row.get::<_, String>(0)).unwrap();
    assert_eq!(word("PRAGMA journal_mode"), "wal");
    assert_eq!(number(&other, "PRAGMA auto_vacuum"), 2);
    assert_eq!(number(&other, "PRAGMA application_id"), i64::from(APPLICATION_ID));
    drop(folder);
}

#[tokio::test]
async fn what_is_no_database_is_refused() {
    let (folder, options) = folder();
    let path = folder.path().join("cache.db");
    fs::write(&path, "These are notes of mine, and no database at all.\n".repeat(100)).unwrap();
    refused(&options, &path, StorageErrorKind::Corrupt).await;
    let error = SqliteOptions::new(folder.path()).open().await.unwrap_err();
    assert_eq!(error.kind(), StorageErrorKind::Invalid, "a folder: {error}");
    let nowhere = SqliteOptions::new(folder.path().join("no/such/folder.db")).open().await;
    assert_eq!(nowhere.unwrap_err().kind(), StorageErrorKind::Invalid);
    let absent = SqliteOptions::new(folder.path().join("x.db")).create(false).open().await;
    assert_eq!(absent.unwrap_err().kind(), StorageErrorKind::Invalid);
    assert!(!folder.path().join("x.db").exists());
}

#[tokio::test]
async fn a_database_of_another_program_is_refused() {
    let (folder, options) = folder();
    let path = folder.path().join("cache.db");
    connection(&path).execute_batch("CREATE TABLE cache (key TEXT, value TEXT)").unwrap();
    let message = refused(&options, &path, StorageErrorKind::Incompatible).await;
    assert!(message.contains("another program"), "{message}");
}

#[tokio::test]
async fn a_file_of_the_first_schema_is_migrated_with_its_entries() {
    let (_folder, options) = folder();
    let storage = options.clone().open().await.unwrap();
    let path = storage.path().to_owned();
    put(&storage, "kept").await;
    storage.close().await.unwrap();
    let undo = "DROP TABLE cache_atomics; UPDATE cache_meta SET version = 1";
    connection(&path).execute_batch(undo).unwrap();
    assert!(check_schema(&path, "cache").unwrap_err().to_string().contains("version 1"));
    let storage = options.clone().open().await.unwrap();
    assert!(holds(&storage, "kept").await);
    let name = AtomicName::new("t", "n", AtomicKind::Counter).unwrap();
    let add = Operation::Add { delta: 2, ttl: None, renew: false };
    assert_eq!(storage.apply(&name, &add).await.unwrap(), Answer::Count(Some(2)));
    storage.close().await.unwrap();
    check_schema(&path, "cache").unwrap();
    // Without its row a file of either version is told by its tables.
    connection(&path).execute_batch(&format!("{undo}; DELETE FROM cache_meta")).unwrap();
    options.open().await.unwrap().close().await.unwrap();
    check_schema(&path, "cache").unwrap();
}

#[tokio::test]
async fn a_newer_schema_is_refused() {
    let (_folder, options) = folder();
    let storage = options.clone().open().await.unwrap();
    let path = storage.path().to_owned();
    storage.close().await.unwrap();
    connection(&path).execute("UPDATE cache_meta SET version = ?1", [SCHEMA_VERSION + 1]).unwrap();
    let message = refused(&options, &path, StorageErrorKind::Incompatible).await;
    assert!(message.contains("newer"), "{message}");
}

#[tokio::test]
async fn tables_of_another_shape_are_refused() {
    for change in [
        "ALTER TABLE cache ADD COLUMN colour TEXT",
        "DROP INDEX cache_key",
        "DROP TABLE cache_tags",
        "DROP TABLE cache_meta",
        "ALTER TABLE cache DROP COLUMN idle_ms",
    ] {
        let (_folder, options) = folder();
        let storage = options.clone().open().await.unwrap();
        let path = storage.path().to_owned();
        storage.close().await.unwrap();
        check_schema(&path, "cache").unwrap();
        connection(&path).execute_batch(change).unwrap();
        let message = refused(&options, &path, StorageErrorKind::Incompatible).await;
        assert!(message.contains("another shape"), "{change}: {message}");
        assert!(check_schema(&path, "cache").is_err(), "{change}");
    }
}

#[tokio::test]
async fn a_fence_of_other_cells_is_refused() {
    let (_folder, options) = folder();
    let storage = options.clone().open().await.unwrap();
    let path = storage.path().to_owned();
    storage.close().await.unwrap();
    connection(&path).execute_batch("UPDATE cache_meta SET cell_function = 'other'").unwrap();
    let message = refused(&options, &path, StorageErrorKind::Incompatible).await;
    assert!(message.contains("cells"), "{message}");
}

#[tokio::test]
async fn a_damaged_file_is_found_when_it_is_opened() {
    let (_folder, options) = folder();
    let storage = options.clone().open().await.unwrap();
    for number in 0..200 {
        put(&storage, &format!("k{number}")).await;
    }
    let path = storage.path().to_owned();
    storage.close().await.unwrap();
    let mut bytes = fs::read(&path).unwrap();
    // Every page but the first, which says that it is a database of ours.
    for byte in bytes[4096..].iter_mut().step_by(7) {
        *byte ^= 0x5A;
    }
    fs::write(&path, &bytes).unwrap();
    for check in [IntegrityCheck::Quick, IntegrityCheck::Full] {
        refused(&options.clone().integrity_check(check), &path, StorageErrorKind::Corrupt).await;
    }
    assert_eq!(check_schema(&path, "cache").unwrap_err().kind(), StorageErrorKind::Corrupt);
}

#[tokio::test]
async fn several_tables_share_a_file() {
    let (_folder, options) = folder();
    let one = options.clone().table("one").open().await.unwrap();
    let two = options.clone().table("two").open().await.unwrap();
    put(&one, "a").await;
    assert!(holds(&one, "a").await && !holds(&two, "a").await);
    assert_eq!(two.stats().await.unwrap().entries, 0);
}

#[tokio::test]
async fn totals_that_were_wrong_are_counted_again() {
    let (_folder, options) = folder();
    let storage = options.clone().open().await.unwrap();
    put(&storage, "a").await;
    put(&storage, "bb").await;
    let path = storage.path().to_owned();
    storage.close().await.unwrap();
    connection(&path).execute_batch("DELETE FROM cache WHERE key = 't:bb:v1'").unwrap();
    let storage = options.open().await.unwrap();
    let stats = storage.stats().await.unwrap();
    assert_eq!((stats.entries, stats.payload_bytes), (1, 1));
}

#[tokio::test]
async fn an_invalid_option_is_named() {
    let error = Sqlite::open("sqlite://c.db?table=a b").await.unwrap_err();
    assert_eq!(error.kind(), StorageErrorKind::Invalid);
    assert!(error.to_string().contains("table"), "{error}");
    let error = SqliteOptions::new("c.db").max_entries(0).open().await.unwrap_err();
    assert!(error.to_string().contains("max_entries"), "{error}");
}

/// Run as a user who is not the file's owner, in a process of its own: root may write anything.
#[tokio::test]
#[ignore = "run by `a_file_that_may_not_be_written_is_refused`"]
async fn child_that_opens() {
    let path = std::env::var_os("CACHE_SQLITE_PATH").unwrap();
    let error = SqliteOptions::new(path).open().await.unwrap_err();
    println!("opened with {:?}: {error}", error.kind());
}

#[tokio::test]
async fn a_file_that_may_not_be_written_is_refused() {
    let (folder, options) = folder();
    let storage = options.open().await.unwrap();
    let path = storage.path().to_owned();
    storage.close().await.unwrap();
    let open_as_other = |mode: u32| {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "files::child_that_opens", "--ignored", "--nocapture"]);
        command.env("CACHE_SQLITE_PATH", &path);
        if is_root() {
            std::os::unix::process::CommandExt::uid(&mut command, 65_534);
        }
        command.output().map(|output| String::from_utf8_lossy(&output.stdout).into_owned())
    };
    // The last is a file that may be written in a folder that may not.
    for (mode, folder_mode) in [(0o444, 0o755), (0o000, 0o755), (0o666, 0o555)] {
        let permissions = fs::Permissions::from_mode(folder_mode);
        fs::set_permissions(folder.path(), permissions).unwrap();
        let before = fs::read(&path).unwrap();
        match open_as_other(mode) {
            Ok(output) => {
                assert!(output.contains("opened with Denied"), "{mode:o}: {output}");
                fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
                assert_eq!(fs::read(&path).unwrap(), before, "{mode:o}: the file was changed");
            }
            // The test's own program may lie where another user cannot run it.
            Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => return,
            Err(error) => panic!("{error}"),
        }
        // So that whoever is not root can clean up.
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    }
}

fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    fs::metadata("/proc/self").is_ok_and(|metadata| metadata.uid() == 0)
}

/// How often storages race to make a file.
const ROUNDS: usize = 20;

#[tokio::test]
async fn many_open_a_new_file_at_once() {
    // Often, for one that looks at the file while another makes its tables is rare.
    for _ in 0..ROUNDS {
        let (_folder, options) = folder();
        let opened = (0..8).map(|number| {
            let options = options.clone();
            tokio::spawn(async move {
                let storage = options.open().await.unwrap();
                put(&storage, &format!("k{number}")).await;
                storage
            })
        });
        let mut storages = Vec::new();
        for storage in opened.collect::<Vec<_>>() {
            storages.push(storage.await.unwrap());
        }
        for storage in &storages {
            for number in 0..8 {
                assert!(holds(storage, &format!("k{number}")).await);
            }
        }
        assert_eq!(storages.iter().filter(|storage| storage.created()).count(), 1);
    }
}

/// What an index of values elsewhere has besides is told by what it does, not by its names.
#[tokio::test]
async fn a_plain_store_may_have_neighbours_of_any_name() {
    let (_folder, options) = folder();
    for table in ["x", "x_removed", "x_deleted", "x_replaced"] {
        let storage = options.clone().table(table).open().await.unwrap();
        put(&storage, table).await;
        storage.close().await.unwrap();
    }
    for table in ["x", "x_removed"] {
        let storage = options.clone().table(table).open().await.unwrap();
        assert!(holds(&storage, table).await);
        storage.close().await.unwrap();
    }
}
