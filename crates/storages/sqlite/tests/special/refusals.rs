//! Files that are damaged in every place: refused and left as they are, or opened, and then nothing
//! that they say is wrong.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use bytes::Bytes;
use cache_core::storage::{
    Budget, InvalidationMode, Selector, Storage, StorageError, StorageErrorKind,
};
use cache_sqlite::{IntegrityCheck, Sqlite, SqliteOptions, Synchronous, check_schema};
use futures_util::StreamExt;
use tempfile::TempDir;

use crate::common::{connection, entry, key, number, put, set_write, tag};

const PAGE_BYTES: usize = 4096;
const ENTRIES: usize = 160;

fn name(number: usize) -> String {
    format!("{number}-{}", "x".repeat(80))
}

fn payload(number: usize) -> Bytes {
    // Some take pages of their own.
    let length = if number.is_multiple_of(40) { 9000 } else { 50 };
    vec![number as u8; length].into()
}

/// The files beside a path that begin with its name, by what follows it.
type Files = BTreeMap<String, Vec<u8>>;

fn files(path: &Path) -> Files {
    let (folder, name) = (path.parent().unwrap(), path.file_name().unwrap().to_str().unwrap());
    let entries = fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    let own = entries.filter_map(|file| {
        let end = file.file_name()?.to_str()?.strip_prefix(name)?.to_owned();
        Some((end, fs::read(file).unwrap()))
    });
    own.collect()
}

/// A folder with these files.
fn put_down(files: &Files) -> (TempDir, SqliteOptions) {
    let (folder, options) = crate::common::folder();
    for (end, bytes) in files {
        fs::write(folder.path().join(format!("cache.db{end}")), bytes).unwrap();
    }
    // Nobody is to wait for a disk here.
    (folder, options.cleanup_interval(None).synchronous(Synchronous::Off))
}

/// Entries with tags, some of them removed again.
async fn fill(storage: &Sqlite) {
    let writes = (0..ENTRIES).map(|number| {
        let key = key(&name(number));
        set_write(&key, entry(&key, payload(number), &["all", &number.to_string()]))
    });
    storage.write(writes.collect()).await.unwrap();
    let removed = Selector::Keys((100..110).map(|number| key(&name(number))).collect());
    storage.invalidate(&removed, InvalidationMode::Remove).await.unwrap();
    storage.sample().await.unwrap();
}

/// One file, with every kind of page in it.
async fn sound() -> Vec<u8> {
    let (_folder, options) = crate::common::folder();
    let storage = options.cleanup_interval(None).open().await.unwrap();
    fill(&storage).await;
    let path = storage.path().to_owned();
    storage.close().await.unwrap();
    // Pages that are free, in a list and not yet given back.
    let other = connection(&path);
    other.execute_batch("DELETE FROM cache_tags WHERE tag = 't:all' AND id > 0").unwrap();
    other
        .execute_batch("CREATE TABLE more (x); INSERT INTO more VALUES (zeroblob(20000))")
        .unwrap();
    other.execute_batch("DROP TABLE more; PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
    assert!(number(&other, "PRAGMA freelist_count") > 2);
    drop(other);
    let bytes = fs::read(&path).unwrap();
    let kinds: BTreeSet<u8> = (0..bytes.len())
        .step_by(PAGE_BYTES)
        .map(|at| if at == 0 { 100 } else { at })
        .map(|at| bytes[at])
        .collect();
    // Inner pages and leaves of tables and indexes; all others begin with something else.
    assert!([2, 5, 10, 13].iter().all(|kind| kinds.contains(kind)) && kinds.len() > 4);
    bytes
}

/// Whether it is refused, in which case not a byte may have changed.
async fn open(options: &SqliteOptions, path: &Path, what: &str) -> Option<Sqlite> {
    let before = files(path);
    match options.clone().open().await {
        Ok(storage) => Some(storage),
        Err(error) => {
            let kinds = [StorageErrorKind::Corrupt, StorageErrorKind::Incompatible];
            assert!(kinds.contains(&error.kind()), "{what}: {:?} {error}", error.kind());
            let mut after = files(path);
            // The index of the log is made anew by whoever opens the file.
            after.remove("-shm");
            let before: Files = before.into_iter().filter(|(end, _)| end != "-shm").collect();
            if before != after {
                let lengths = |files: &Files| -> Vec<(String, usize)> {
                    files.iter().map(|(end, bytes)| (end.clone(), bytes.len())).collect()
                };
                let (before, after) = (lengths(&before), lengths(&after));
                panic!("{what}: a refused opening has changed files: {before:?} {after:?} {error}");
            }
            None
        }
    }
}

/// Uses what was opened in every way. It may know less than was stored, and say that it is damaged.
async fn use_all(storage: Sqlite, what: &str) {
    let told = |error: StorageError| {
        let kinds = [StorageErrorKind::Corrupt, StorageErrorKind::Failed];
        assert!(kinds.contains(&error.kind()), "{what}: {:?} {error}", error.kind());
    };
    let keys: Vec<_> = (0..ENTRIES).map(|number| key(&name(number))).collect();
    for (number, key) in keys.iter().enumerate() {
        match storage.get(key).await {
            Ok(found) => {
                // What is not as it was stored is told by its checksum.
                if let Some(entry) = found.entry.filter(|entry| entry.verify(key).is_ok()) {
                    assert_eq!(entry.payload, payload(number), "{what}");
                }
            }
            Err(error) => told(error),
        }
    }
    let many = storage.get_many(&keys).await;
    many.map_or_else(told, |all| all.into_iter().filter_map(Result::err).for_each(told));
    let everything = Selector::Namespace("t".to_owned());
    for listed in storage.scan(&everything).collect::<Vec<_>>().await {
        listed.map_or_else(told, drop);
    }
    storage.stats().await.map_or_else(told, drop);
    storage.history(cache_core::clock::Timestamp::from_unix_ms(0)).await.map_or_else(told, drop);
    let writes = keys.iter().step_by(7).map(|key| set_write(key, entry(key, "new", &["new"])));
    let written = storage.write(writes.collect()).await;
    written.map_or_else(told, |all| all.into_iter().filter_map(Result::err).for_each(told));
    let tagged = Selector::AnyTag(vec![tag("all")]);
    for selector in [tagged, everything] {
        storage.invalidate(&selector, InvalidationMode::Remove).await.map_or_else(told, drop);
    }
    storage.maintain(Budget::UNLIMITED).await.map_or_else(told, drop);
    storage.flush().await.map_or_else(told, drop);
    storage.close().await.map_or_else(told, drop);
}

async fn one_by_one(damaged: impl IntoIterator<Item = (String, Vec<u8>)>) -> (u32, u32) {
    let (mut refused, mut opened) = (0, 0);
    for (what, bytes) in damaged {
        for check in [IntegrityCheck::Full, IntegrityCheck::Off] {
            let (_folder, options) = put_down(&Files::from([(String::new(), bytes.clone())]));
            let path = _folder.path().join("cache.db");
            let what = format!("{what}, {check:?}");
            match open(&options.integrity_check(check), &path, &what).await {
                None => refused += 1,
                Some(storage) => {
                    opened += 1;
                    use_all(storage, &what).await;
                }
            }
        }
    }
    (refused, opened)
}

#[tokio::test]
async fn a_file_that_was_cut_off_is_refused_or_read_rightly() {
    let sound = sound().await;
    let places = [1, 16, 99, 100, 101, 511, 512, 4095, 4096, 4097, 8192, 12_288, 20_000];
    let places = places.into_iter().chain([sound.len() / 2, sound.len() - 4096, sound.len() - 1]);
    let cut = places.map(|length| (format!("cut at {length}"), sound[..length].to_vec()));
    let (refused, opened) = one_by_one(cut).await;
    // Without a check, only what is needed to open it is looked at.
    assert!(refused >= 16, "{refused} refused, {opened} opened");
}

#[tokio::test]
async fn a_page_that_was_overwritten_is_found_or_told() {
    let sound = sound().await;
    let mut random = fastrand::Rng::with_seed(7);
    let mut damaged = Vec::new();
    for at in (0..sound.len()).step_by(PAGE_BYTES) {
        let other = (at + 5 * PAGE_BYTES) % sound.len();
        let other = sound[other..other + PAGE_BYTES].to_vec();
        let noise = std::iter::repeat_with(|| random.u8(..)).take(PAGE_BYTES).collect();
        for (how, page) in
            [("zeros", vec![0; PAGE_BYTES]), ("another page", other), ("noise", noise)]
        {
            let mut bytes = sound.clone();
            bytes[at..at + PAGE_BYTES].copy_from_slice(&page);
            damaged.push((format!("page {} is {how}", at / PAGE_BYTES + 1), bytes));
        }
        // A few bytes here and there.
        let mut bytes = sound.clone();
        for _ in 0..8 {
            bytes[at + random.usize(..PAGE_BYTES)] ^= random.u8(1..);
        }
        damaged.push((format!("page {} has other bytes", at / PAGE_BYTES + 1), bytes));
    }
    let (refused, opened) = one_by_one(damaged).await;
    assert!(refused > 50 && opened > 20, "{refused} refused, {opened} opened");
}

/// The files of a storage in use, with entries that stand in the log alone.
async fn in_use() -> Files {
    let (_folder, options) = crate::common::folder();
    let storage = options.cleanup_interval(None).open().await.unwrap();
    put(&storage, "first").await;
    fill(&storage).await;
    let found = files(storage.path());
    assert!(found["-wal"].len() > 20 * PAGE_BYTES && !found["-shm"].is_empty());
    found
}

async fn holds_all(storage: &Sqlite) -> bool {
    let mut held = 0;
    for number in (0..ENTRIES).filter(|number| !(100..110).contains(number)) {
        let key = key(&name(number));
        if let Some(entry) = storage.get(&key).await.unwrap().entry {
            entry.verify(&key).unwrap();
            assert_eq!(entry.payload, payload(number));
            held += 1;
        }
    }
    assert!(held == 0 || held == ENTRIES - 10, "a part of a transaction is there: {held}");
    held > 0
}

#[tokio::test]
async fn an_index_of_the_log_that_is_damaged_or_gone_is_made_anew() {
    let sound = in_use().await;
    let length = sound["-shm"].len();
    let noise: Vec<u8> = std::iter::repeat_with(|| fastrand::u8(..)).take(length).collect();
    for shm in [None, Some(vec![0; length]), Some(noise), Some(vec![1; 100]), Some(Vec::new())] {
        let mut files = sound.clone();
        files.remove("-shm");
        files.extend(shm.map(|bytes| ("-shm".to_owned(), bytes)));
        let (_folder, options) = put_down(&files);
        let storage = options.integrity_check(IntegrityCheck::Full).open().await.unwrap();
        assert!(holds_all(&storage).await);
    }
}

#[tokio::test]
async fn a_log_that_is_damaged_or_gone_takes_whole_transactions_along() {
    let sound = in_use().await;
    let log = &sound["-wal"];
    let mut logs = vec![None, Some(Vec::new()), Some(vec![0; log.len()])];
    for parts in 1..16 {
        let at = log.len() * parts / 16;
        logs.push(Some(log[..at].to_vec()));
        let mut changed = log.clone();
        changed[at] ^= 0x5A;
        logs.push(Some(changed));
    }
    let (mut with, mut without) = (0, 0);
    for log in logs {
        let mut files = sound.clone();
        files.remove("-wal");
        files.extend(log.map(|bytes| ("-wal".to_owned(), bytes)));
        // Another computer's index, or one that a killed process left.
        let (_folder, options) = put_down(&files);
        let storage = options.integrity_check(IntegrityCheck::Full).open().await.unwrap();
        if holds_all(&storage).await {
            with += 1
        } else {
            without += 1
        }
        put(&storage, "next").await;
        let entries = storage.stats().await.unwrap().entries;
        let rows = connection(storage.path());
        assert_eq!(number(&rows, "SELECT count(*) FROM cache"), entries as i64);
    }
    assert!(with > 0 && without > 10, "{with} with and {without} without");
}

/// Closing the last connection would bring the log into the file and take it away.
#[tokio::test]
async fn a_refused_file_keeps_its_log() {
    let sound = in_use().await;
    let mut newer = sound.clone();
    {
        let (folder, _) = put_down(&sound);
        let path = folder.path().join("cache.db");
        let other = connection(&path);
        other.execute_batch("UPDATE cache_meta SET version = version + 1").unwrap();
        newer.extend(files(&path));
    }
    let mut foreign = Files::new();
    {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cache.db");
        let other = connection(&path);
        other
            .execute_batch(
                "PRAGMA journal_mode = WAL; CREATE TABLE theirs (x); INSERT INTO theirs VALUES (1)",
            )
            .unwrap();
        foreign.extend(files(&path));
    }
    for (what, files) in [("newer", newer), ("foreign", foreign)] {
        assert!(!files["-wal"].is_empty());
        let (folder, options) = put_down(&files);
        let path = folder.path().join("cache.db");
        assert!(open(&options, &path, what).await.is_none(), "{what} was taken");
        assert_eq!(fs::read(path.with_extension("db-wal")).unwrap(), files["-wal"], "{what}");
        check_schema(&path, "cache").unwrap_err();
        assert_eq!(fs::read(&path).unwrap(), files[""], "{what}");
        assert_eq!(fs::read(path.with_extension("db-wal")).unwrap(), files["-wal"], "{what}");
    }
}

/// The largest and the smallest values that options take, and beyond.
#[tokio::test]
async fn options_at_their_ends_are_refused_or_work() {
    let ends = ["0", "1", "0.001", "18446744073709551615", "9223372036854775808", "1e19", "off"];
    let names = [
        "pool_size",
        "timeout",
        "cache_size",
        "mmap_size",
        "cleanup_interval",
        "access_interval",
        "stats_interval",
        "stats_retention",
        "max_entries",
        "max_bytes",
        "value_bytes_max",
        "wal_bytes_max",
    ];
    let mut opened = 0;
    for name in names {
        for end in ends {
            if (name, end) == ("timeout", "0.001") {
                // Whatever the machine is busy with takes longer now and then.
                continue;
            }
            let Ok(options) = SqliteOptions::from_url(&format!("sqlite:?{name}={end}")) else {
                continue;
            };
            let storage =
                options.open().await.unwrap_or_else(|error| panic!("{name}={end}: {error}"));
            put(&storage, "a").await;
            storage.maintain(Budget::UNLIMITED).await.unwrap();
            storage.sample().await.unwrap();
            storage.stats().await.unwrap();
            storage.close().await.unwrap_or_else(|error| panic!("{name}={end}: {error}"));
            opened += 1;
        }
    }
    assert!(opened > 20, "{opened}");
}
