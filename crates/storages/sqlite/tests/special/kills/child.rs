//! The process that is killed. It says what it begins and what was answered.

use std::path::PathBuf;

use cache_core::storage::{Budget, Outcome, Selector, Storage, Write, WriteAction};
use cache_sqlite::Sqlite;

use super::plan::{Operation, Plan, TASKS, entry, key, tag};
use super::setting::Setting;

pub(super) const PATH: &str = "CACHE_SQLITE_PATH";
pub(super) const SEED: &str = "CACHE_SQLITE_SEED";
pub(super) const SETTING: &str = "CACHE_SQLITE_SETTING";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "run by `what_was_answered_outlives_a_kill`"]
async fn child() {
    let number = |name| std::env::var(name).unwrap().parse::<u64>().unwrap();
    let path = PathBuf::from(std::env::var_os(PATH).unwrap());
    let options = Setting::numbered(number(SETTING)).options(path);
    let storage = options.open().await.unwrap();
    println!("ready;");
    let tasks = (0..TASKS).map(|task| {
        let (storage, mut plan) = (storage.clone(), Plan::new(number(SEED), task));
        tokio::spawn(async move {
            for step in 0u64.. {
                println!("begun {task} {step};");
                let answer = carry_out(&storage, task, plan.next()).await;
                println!("answered {task} {step} {answer};");
            }
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
}

/// A letter for each outcome.
async fn carry_out(storage: &Sqlite, task: u64, operation: Operation) -> String {
    let writes = match operation {
        Operation::Set(contents) => contents
            .iter()
            .map(|content| {
                let action = WriteAction::Set { entry: entry(task, content) };
                Write { key: key(task, content.name), action }
            })
            .collect(),
        Operation::Update(content) => {
            let key = key(task, content.name);
            let stamp = storage.get(&key).await.unwrap().stamp;
            vec![Write { key, action: WriteAction::Update { entry: entry(task, &content), stamp } }]
        }
        Operation::Touch { name, until } => {
            let key = key(task, name);
            let Some(found) = storage.get(&key).await.unwrap().entry else {
                return "-".to_owned();
            };
            let (token, kept_until) = (found.token, found.kept_until);
            vec![Write {
                key,
                action: WriteAction::Touch { token, fresh_until: until, kept_until },
            }]
        }
        Operation::Keys { names, mode } => {
            let keys = names.into_iter().map(|name| key(task, name)).collect();
            storage.invalidate(&Selector::Keys(keys), mode).await.unwrap();
            return "-".to_owned();
        }
        Operation::AnyTag { tag: number, mode } => {
            let selector = Selector::AnyTag(vec![tag(task, number)]);
            storage.invalidate(&selector, mode).await.unwrap();
            return "-".to_owned();
        }
        Operation::Flush => {
            storage.flush().await.unwrap();
            return "-".to_owned();
        }
        Operation::Maintain => {
            storage.maintain(Budget::UNLIMITED).await.unwrap();
            return "-".to_owned();
        }
    };
    let outcomes = storage.write(writes).await.unwrap();
    let letters = outcomes.into_iter().map(|outcome| match outcome.unwrap() {
        Outcome::Stored => 'S',
        Outcome::Fenced => 'F',
        Outcome::ConditionFailed => 'C',
        other => panic!("{other:?}"),
    });
    // A batch may be empty.
    std::iter::once('-').chain(letters).collect()
}
