//! One process on a file, and two at once.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use serde::{Deserialize, Serialize};
use tiers::sqlite::SqliteOptions;
use tiers::storage::Storage as _;
use tiers_benches::{Row, Run};
use tokio::task::JoinSet;

use super::database::{Copy, Database, set};
use super::runtime;
use crate::groups::rows::{Rows, VALUE_BYTES, verified};

/// How many times as much two processes must do as one.
const GETS_MIN: f64 = 1.5;
const MIXED_MIN: f64 = 1.0;

/// One of so many calls is a set where gets and sets are mixed.
const MIXED_SET_EACH: u64 = 10;
const TASKS: u64 = 64;

/// What another process of this program is to do: call the storage for a while.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Task {
    path: PathBuf,
    rows: usize,
    duration_ms: u64,
    /// 0: never.
    set_each: u64,
}

const READY: &str = "ready";

/// In the other process: says that it is ready, waits to be told, works, and says how many calls a
/// second it made.
pub(crate) fn carry_out(task: &Task) -> anyhow::Result<()> {
    // One thread each, so that two processes use what one leaves free.
    let runtime = runtime(1)?;
    let rows = Arc::new(Rows::new(task.rows, VALUE_BYTES)?);
    let options = SqliteOptions::new(&task.path).create(false);
    let storage = Arc::new(runtime.block_on(options.open())?);
    runtime.block_on(async {
        for key in rows.keys() {
            verified(key, storage.get(key).await?)?;
        }
        anyhow::Ok(())
    })?;
    println!("{READY}");
    std::io::stdin().read_line(&mut String::new())?;
    let (begun, duration) = (Instant::now(), Duration::from_millis(task.duration_ms));
    let (calls, set_each) = (Arc::new(AtomicU64::new(0)), task.set_each);
    runtime.block_on(async {
        let mut running = JoinSet::new();
        for _ in 0..TASKS {
            let (storage, rows) = (Arc::clone(&storage), Arc::clone(&rows));
            let calls = Arc::clone(&calls);
            running.spawn(async move {
                while begun.elapsed() < duration {
                    let (key, call) = (rows.next(), calls.fetch_add(1, Ordering::Relaxed));
                    if set_each > 0 && call.is_multiple_of(set_each) {
                        set(&storage, &rows, key).await?;
                    } else {
                        verified(key, storage.get(key).await?)?;
                    }
                }
                anyhow::Ok(())
            });
        }
        while let Some(joined) = running.join_next().await {
            joined??;
        }
        anyhow::Ok(())
    })?;
    println!("{}", calls.load(Ordering::Relaxed) as f64 / begun.elapsed().as_secs_f64());
    runtime.block_on(storage.close())?;
    Ok(())
}

pub(super) const ROWS: &[&str] = &[GETS, MIXED];
const GETS: &str = "sqlite_gets_2_processes";
const MIXED: &str = "sqlite_gets_and_sets_2_processes";

pub(super) fn measure(run: &mut Run<'_>, database: &Database) -> anyhow::Result<()> {
    for (name, what, set_each, factor) in
        [(GETS, "gets", 0, GETS_MIN), (MIXED, "gets and a tenth sets", MIXED_SET_EACH, MIXED_MIN)]
    {
        if !run.wants(&[name]) {
            continue;
        }
        run.note(&format!("sqlite: {what} by one process, and by two on one file"));
        let task = Task {
            path: database.path(Copy::Tiers),
            rows: database.rows.keys().len(),
            duration_ms: run.sized(1000, 300, 20),
            set_each,
        };
        let (mut one, mut two) = (Vec::new(), Vec::new());
        for _ in 0..run.sized(5, 3, 1) {
            one.push(together(&task, 1)?);
            two.push(together(&task, 2)?);
        }
        let (one, two) = (middle(one), middle(two));
        run.note(&format!("  one: {one:.0} a second, two together: {two:.0} a second"));
        run.report(&Row::at_least(name, two, one * factor, "1/s"))?;
    }
    Ok(())
}

fn middle(mut rates: Vec<f64>) -> f64 {
    rates.sort_by(f64::total_cmp);
    rates.get(rates.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Calls a second of so many processes that work at the same time.
fn together(task: &Task, processes: usize) -> anyhow::Result<f64> {
    let mut started = Vec::new();
    for _ in 0..processes {
        started.push(Other::start(task)?);
    }
    for other in &mut started {
        other.go()?;
    }
    started.into_iter().map(Other::rate).sum()
}

/// A process that is ready.
struct Other {
    child: Child,
    output: BufReader<std::process::ChildStdout>,
}

impl Other {
    fn start(task: &Task) -> anyhow::Result<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .arg("--task")
            .arg(serde_json::to_string(&super::super::Task::Sqlite(task.clone()))?)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("no other process")?;
        let mut output = BufReader::new(child.stdout.take().context("no output")?);
        let mut line = String::new();
        output.read_line(&mut line)?;
        ensure!(line.trim_end() == READY, "another process is not ready");
        Ok(Self { child, output })
    }

    fn go(&mut self) -> anyhow::Result<()> {
        self.child.stdin.take().context("no input")?.write_all(b"\n").context("cannot tell it")
    }

    fn rate(mut self) -> anyhow::Result<f64> {
        let mut text = String::new();
        self.output.read_to_string(&mut text)?;
        ensure!(self.child.wait()?.success(), "another process failed");
        text.trim().parse().with_context(|| format!("another process said `{text}`"))
    }
}
