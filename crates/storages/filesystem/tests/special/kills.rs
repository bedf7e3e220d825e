//! Processes that are killed while they write: what was answered is there, nothing is torn, and what
//! they left is cleaned up by the next.
//!
//! `TIERS_FILESYSTEM_KILLS=200` says how many.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use cache_core::storage::{Budget, Outcome, Storage, Write, WriteAction};
use cache_filesystem::{Filesystem, FilesystemOptions, Thoroughness};
use tokio::io::AsyncWriteExt;

use crate::common::{
    assert_sound, child_process, content, entry, folder, key, path_of_child, put, remove, value,
    values,
};

/// The first step of a process, so that no two store the same.
const FIRST: &str = "CACHE_FILESYSTEM_FIRST";
const KILLS: u64 = 8;
const SIGKILL: i32 = 9;
const TASKS: u64 = 4;
/// Names of each task.
const NAMES: u64 = 5;
const LENGTH_MAX: u64 = 300_000;

/// What a task stores in a step.
fn stored(task: u64, step: u64) -> Bytes {
    let seed = task << 32 | step;
    let length = fastrand::Rng::with_seed(seed).u64(1..LENGTH_MAX) as usize;
    content(seed, length)
}

fn name(task: u64, step: u64) -> String {
    format!("{task}.{}", step % NAMES)
}

/// Whether a step removes.
fn removes(step: u64) -> bool {
    step % 7 == 6
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "run by `what_was_answered_outlives_a_kill`"]
async fn child() {
    let storage = FilesystemOptions::new(path_of_child()).open().await.unwrap();
    let first: u64 = std::env::var(FIRST).unwrap().parse().unwrap();
    let tasks = (0..TASKS).map(|task| {
        let storage = storage.clone();
        tokio::spawn(async move {
            for step in first.. {
                println!("begun {task} {step};");
                carry_out(&storage, task, step).await;
                println!("answered {task} {step};");
            }
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
}

async fn carry_out(storage: &Filesystem, task: u64, step: u64) {
    let name = name(task, step);
    if removes(step) {
        return remove(storage, &name).await;
    }
    let bytes = stored(task, step);
    if step.is_multiple_of(2) {
        return put(storage, &name, bytes).await;
    }
    let action = WriteAction::Set { entry: entry(&key(&name), "", &[]) };
    let mut writer = storage.writer(Write { key: key(&name), action }).await.unwrap();
    for piece in bytes.chunks(10_000) {
        writer.write_all(piece).await.unwrap();
    }
    assert_eq!(writer.commit().await.unwrap(), Outcome::Stored);
}

/// Starts a process, kills it, and gives back the lines that it has said.
fn killed(path: &Path, first: u64, random: &mut fastrand::Rng) -> Vec<String> {
    let mut process =
        child_process("kills::child", path).env(FIRST, first.to_string()).spawn().unwrap();
    let mut lines = BufReader::new(process.stdout.take().unwrap()).lines().map(Result::unwrap);
    let mut told: Vec<String> = Vec::new();
    let answers = random.usize(1..120);
    while told.iter().filter(|line| line.starts_with("answered")).count() < answers {
        let Some(line) = lines.next() else { break };
        told.extend(line.strip_suffix(';').map(str::to_owned));
    }
    std::thread::sleep(Duration::from_micros(random.u64(..3000)));
    process.kill().unwrap();
    // What it said before its end is still in the pipe.
    told.extend(lines.filter_map(|line| line.strip_suffix(';').map(str::to_owned)));
    let status = process.wait().unwrap();
    assert_eq!(status.signal(), Some(SIGKILL), "the process ended by itself: {status}");
    told
}

#[tokio::test]
async fn what_was_answered_outlives_a_kill() {
    let kills = std::env::var("TIERS_FILESYSTEM_KILLS").map_or(KILLS, |text| text.parse().unwrap());
    let (_folder, options) = folder();
    let mut random = fastrand::Rng::new();
    // Of each name: the last step that was answered, and one that may have been done.
    let mut answered: BTreeMap<String, u64> = BTreeMap::new();
    let mut cleaned = 0;
    for kill in 0..kills {
        let first = kill * 1_000_000;
        let told = killed(options.path(), first, &mut random);
        let mut unanswered: BTreeMap<String, u64> = BTreeMap::new();
        for line in told {
            let words: Vec<&str> = line.split(' ').collect();
            let [word, task, step] = words[..] else { continue };
            let (task, step): (u64, u64) = (task.parse().unwrap(), step.parse().unwrap());
            match word {
                "begun" => drop(unanswered.insert(name(task, step), step)),
                _ => {
                    unanswered.remove(&name(task, step));
                    answered.insert(name(task, step), step);
                }
            }
        }
        let before = values(options.path()).len();
        let storage = options.clone().open().await.unwrap();
        cleaned += before - values(storage.path()).len();
        for task in 0..TASKS {
            for number in 0..NAMES {
                let name = name(task, number);
                let of_step = |step: Option<&u64>| -> Option<Bytes> {
                    step.filter(|step| !removes(**step)).map(|step| stored(task, *step))
                };
                let found = value(&storage, &name).await;
                let expected = of_step(answered.get(&name));
                let possible = unanswered.get(&name).map(|step| of_step(Some(step)));
                assert!(
                    found == expected || Some(&found) == possible.as_ref(),
                    "{name} after kill {kill}: {:?} bytes",
                    found.map(|bytes| bytes.len())
                );
                // What was not answered is one or the other from now on.
                if found != expected
                    && let Some(step) = unanswered.get(&name)
                {
                    answered.insert(name, *step);
                }
            }
        }
        assert_sound(storage.check(Thoroughness::Contents).await.unwrap());
        storage.maintain(Budget::UNLIMITED).await.unwrap();
        let entries = storage.stats().await.unwrap().entries;
        assert_eq!(values(storage.path()).len() as u64, entries, "after kill {kill}");
        storage.close().await.unwrap();
    }
    println!("{kills} kills, {cleaned} files cleaned up");
    assert!(answered.len() as u64 > NAMES, "every process was killed before it did anything");
}
