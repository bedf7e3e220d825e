//! Whether processes that share tiers ever read what was promised to be gone.
//!
//! `cargo xtask consistency` builds and runs it. Each seed is a run: three processes read, change
//! and invalidate documents through chains of memory, files, Redis and PostgreSQL, while processes
//! are killed, connections stall and break, and servers are killed and started again. Every process
//! keeps a history, which is checked at the end.
//!
//! | module | what is in it |
//! |---|---|
//! | [`run`] | servers, processes and faults of one run |
//! | [`process`] | one process at work |
//! | [`schedule`] | operations and faults, as they follow from a seed |
//! | [`document`] | what is cached, and through which chains of tiers |
//! | [`source`] | the source of truth, asked by all processes |
//! | [`history`] | what was seen, in files |
//! | [`soak`] | one process for a long time: what it holds stays bounded, its figures add up |
//! | [`checker`] | whether that is what was promised |

mod checker;
mod document;
mod history;
mod process;
mod run;
mod schedule;
mod soak;
mod source;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};

use crate::checker::Verdict;
use crate::run::{Plan, Servers};

/// Processes that share tiers, killed and cut off at random, and a checker of what they read.
#[derive(Debug, Parser)]
#[command(name = "consistency")]
struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Run with one or more seeds
    Run {
        /// The first seed; by default one of the clock, which is printed
        #[arg(long)]
        seed: Option<u64>,
        /// How many seeds to run, one after the other
        #[arg(long, default_value_t = 1)]
        seeds: u64,
        /// Operations of all processes in each run
        #[arg(long, default_value_t = 50_000)]
        operations: u64,
        /// How many processes
        #[arg(long, default_value_t = 3)]
        processes: usize,
        /// After so many milliseconds no other process may read what was invalidated
        #[arg(long, default_value_t = 3_000)]
        bound_ms: u64,
        /// Whether processes are killed and servers cut off and restarted
        #[arg(long, default_value_t = true, action = clap::ArgAction::Set)]
        faults: bool,
        /// Keep histories and files here; by default in a temporary folder, which goes
        #[arg(long)]
        folder: Option<PathBuf>,
    },
    /// Check the histories that a run has left
    Check {
        /// Where they lie
        folder: PathBuf,
        /// As given to the run
        #[arg(long, default_value_t = 3_000)]
        bound_ms: u64,
    },
    /// Work for a long time in one process, and see that nothing grows
    Soak {
        /// For so many seconds
        #[arg(long, default_value_t = 600)]
        seconds: u64,
    },
    /// Work as one of the processes of a run
    #[command(hide = true)]
    Process(process::Options),
    /// Read everything once at the end of a run
    #[command(hide = true)]
    Audit(process::Options),
}

fn main() -> ExitCode {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let done = runtime
        .map_err(anyhow::Error::from)
        .and_then(|runtime| runtime.block_on(act(Arguments::parse().action)));
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Whether nothing was violated.
async fn act(action: Action) -> anyhow::Result<bool> {
    match action {
        Action::Run { seed, seeds, operations, processes, bound_ms, faults, folder } => {
            let first = seed.unwrap_or_else(|| history::now_ns() % 1_000_000);
            let servers = tokio::task::block_in_place(Servers::start)?;
            let mut all = true;
            for seed in first..first.saturating_add(seeds) {
                let bound = Duration::from_millis(bound_ms);
                let plan = Plan { seed, operations, processes, with_faults: faults, bound };
                let temporary = tempfile::tempdir()?;
                let place = match &folder {
                    Some(folder) => folder.join(format!("seed-{seed}")),
                    None => temporary.path().to_owned(),
                };
                std::fs::create_dir_all(&place)?;
                let verdict = run::run(plan, &servers, &place).await?;
                println!("seed {seed}: {}", told(&verdict));
                all &= verdict.violations.is_empty();
            }
            Ok(all)
        }
        Action::Check { folder, bound_ms } => {
            let histories = history::read_all(&folder)?;
            let verdict = checker::check(&histories, Duration::from_millis(bound_ms));
            println!("{}", told(&verdict));
            Ok(verdict.violations.is_empty())
        }
        Action::Soak { seconds } => {
            let folder = tempfile::tempdir()?;
            println!("{}", soak::run(Duration::from_secs(seconds), folder.path()).await?);
            Ok(true)
        }
        Action::Process(options) => process::run(options).await.map(|()| true),
        Action::Audit(options) => process::audit(options).await.map(|()| true),
    }
}

/// How many violations are shown in full.
const SHOWN: usize = 5;

fn told(verdict: &Verdict) -> String {
    for violation in verdict.violations.iter().take(SHOWN) {
        eprintln!("{violation}");
    }
    format!(
        "{} operations, {} failed, {} promises, {} reads and {} looks checked, {} queued for the source, \
         {} lost, {} violations",
        verdict.operations,
        verdict.failed,
        verdict.promises,
        verdict.reads,
        verdict.looks,
        verdict.accepted,
        verdict.lost,
        verdict.violations.len(),
    )
}
