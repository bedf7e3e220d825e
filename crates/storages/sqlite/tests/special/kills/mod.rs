//! Processes that are killed at random moments, while they open a file, write, invalidate, flush
//! and bring the log into the file; then the file is looked at, and the next process goes on with it.
//!
//! A plain run kills a few. `TIERS_SQLITE_KILLS=200` says how many, `TIERS_SQLITE_KILLS_SEED` with
//! which seed: what the processes do and when they are killed comes from it, though not how their
//! threads are scheduled.

mod child;
mod expected;
mod plan;
mod rows;
mod setting;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use cache_core::fence::Stamp;
use cache_core::storage::{Outcome, Storage, WriteAction};
use cache_sqlite::Sqlite;

use crate::common::write;
use expected::Expected;
use plan::{Content, Operation, Plan, TASKS, entry, key};
use setting::Setting;

const KILLS: u64 = 20;
/// After how many kills a new file is begun.
const KILLS_OF_A_FILE: u64 = 4;
const SIGKILL: i32 = 9;

#[tokio::test]
async fn what_was_answered_outlives_a_kill() {
    let variable = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().unwrap());
    let kills = variable("TIERS_SQLITE_KILLS").unwrap_or(KILLS);
    let seed = variable("TIERS_SQLITE_KILLS_SEED").unwrap_or_else(|| fastrand::u64(..1 << 32));
    println!("to run it again: TIERS_SQLITE_KILLS={kills} TIERS_SQLITE_KILLS_SEED={seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let mut answers = 0;
    for number in 0..kills.div_ceil(KILLS_OF_A_FILE) {
        let folder = tempfile::tempdir().unwrap();
        let mut file = File { setting: number, expected: Expected::nothing(), stamp: None };
        for kill in 0..KILLS_OF_A_FILE.min(kills - number * KILLS_OF_A_FILE) {
            println!("file {number}, kill {kill}");
            answers += file.round(folder.path(), random.fork()).await;
        }
    }
    println!("{kills} kills, {answers} answers of which none was lost");
    assert!(answers > 0, "every process was killed before it did anything");
}

/// A file, and what it should hold.
struct File {
    setting: u64,
    expected: Expected,
    /// Taken before the process began.
    stamp: Option<Stamp>,
}

impl File {
    /// One process and its end; how much it was answered.
    async fn round(&mut self, folder: &Path, mut random: fastrand::Rng) -> u64 {
        let path = folder.join("cache.db");
        let setting = Setting::numbered(self.setting);
        let seed = random.u64(..);
        let told = killed(&path, seed, self.setting, &mut random);
        let answers = self.follow(seed, &told);
        let has_tables = !path.exists() || rows::agree(folder, setting);
        let is_ready = told.iter().any(|line| line == "ready");
        assert!(!is_ready || has_tables, "what was opened has lost its tables");
        let storage = setting.options(path).open().await.unwrap();
        for name in self.expected.names() {
            let found = storage.get(&key(name.0, name.1)).await.unwrap().entry;
            if let Err(problem) = self.expected.found(name, found.as_ref(), setting.is_tight()) {
                panic!("{name:?}: {problem}");
            }
        }
        self.refuses_what_is_old(&storage).await;
        storage.close().await.unwrap();
        answers
    }

    /// What the process has said, in terms of its plan.
    fn follow(&mut self, seed: u64, told: &[String]) -> u64 {
        let mut plans: Vec<Plan> = (0..TASKS).map(|task| Plan::new(seed, task)).collect();
        let mut begun: BTreeMap<u64, Operation> = BTreeMap::new();
        let mut answers = 0;
        for line in told {
            let mut words = line.split(' ');
            let (word, task) = (words.next().unwrap(), words.next());
            let Some(task) = task.map(|task| task.parse::<u64>().unwrap()) else { continue };
            match word {
                "begun" => drop(begun.insert(task, plans[task as usize].next())),
                _ => {
                    let operation = begun.remove(&task).unwrap();
                    self.expected.answered(task, &operation, words.nth(1).unwrap());
                    answers += 1;
                }
            }
        }
        for (task, operation) in begun {
            self.expected.unanswered(task, &operation);
        }
        answers
    }

    /// What was loaded before the process began is not let in where the process wrote or
    /// invalidated: neither under its key nor with its tag.
    async fn refuses_what_is_old(&mut self, storage: &Sqlite) {
        let names = std::mem::take(&mut self.expected.raised_keys);
        let tags = std::mem::take(&mut self.expected.raised_tags);
        if let Some(stamp) = self.stamp {
            let named = names.iter().map(|(task, name)| (*task, *name, Vec::new()));
            // Under a name that nothing else uses.
            let tagged = tags.iter().map(|(task, tag)| (*task, plan::NAMES, vec![*tag]));
            for (task, name, tags) in named.chain(tagged) {
                let content = Content { name, value: 1, tags };
                let fill = WriteAction::Fill { entry: entry(task, &content), stamp };
                let outcome = write(storage, &key(task, name), fill).await;
                assert_eq!(outcome, Outcome::Fenced, "{task}.{name}");
            }
        }
        let now = storage.get(&key(0, 0)).await.unwrap().stamp;
        if let Some(before) = self.stamp.replace(now) {
            assert!(now.origin == before.origin && now.mark >= before.mark);
        }
    }
}

/// Starts a process on the file, kills it, and gives back the lines that it has said.
fn killed(path: &Path, seed: u64, setting: u64, random: &mut fastrand::Rng) -> Vec<String> {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "kills::child::child", "--ignored", "--nocapture"]);
    command.env(child::PATH, path);
    command.env(child::SEED, seed.to_string()).env(child::SETTING, setting.to_string());
    let mut process = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(process.stdout.take().unwrap()).lines().map(Result::unwrap);
    let mut told: Vec<String> = Vec::new();
    // Some while they open the file, most while they write to it.
    let answers = if random.u8(..6) == 0 { 0 } else { random.usize(1..200) };
    while told.iter().filter(|line| line.starts_with("answered")).count() < answers {
        let Some(line) = lines.next() else { break };
        told.extend(line.strip_suffix(';').map(str::to_owned));
    }
    let pause_us = if answers == 0 { random.u64(..40_000) } else { random.u64(..3000) };
    std::thread::sleep(Duration::from_micros(pause_us));
    // On Unix this is SIGKILL.
    process.kill().unwrap();
    // What it said before its end is still in the pipe. A line that was cut off has no `;`.
    told.extend(lines.filter_map(|line| line.strip_suffix(';').map(str::to_owned)));
    let status = process.wait().unwrap();
    assert_eq!(status.signal(), Some(SIGKILL), "the process ended by itself: {status}");
    told
}
