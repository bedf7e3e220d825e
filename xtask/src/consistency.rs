//! `cargo xtask consistency`: processes that share tiers, killed and cut off at random, and a check
//! of all that they read.
//!
//! The program is the `consistency` crate; this builds it and passes the options on.

use clap::{Args, ValueEnum};
use tiers_servers::Kind;

use crate::command::{self, cargo};
use crate::packages;
use crate::unfenced::without_fences;
use crate::workspace::Workspace;

/// Check that what was invalidated is never read again, by processes that are killed and cut off
///
/// Starts Redis and PostgreSQL of its own. Prints operations, reads checked and violations of each
/// seed, and fails if there is any violation. A seed gives the same operations and faults again.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The first seed; by default one of the clock
    #[arg(long)]
    seed: Option<u64>,
    /// How many seeds to run, one after the other
    #[arg(long, default_value_t = 1)]
    seeds: u64,
    /// Operations of all processes with each seed
    #[arg(long, default_value_t = 50_000)]
    operations: u64,
    /// With `off`, a build of its own without fences: it has to find violations
    #[arg(long, value_enum, default_value_t = Fencing::On)]
    fencing: Fencing,
}

impl Options {
    /// What takes about a minute, with another seed each time.
    pub(crate) fn brief() -> Self {
        Self { seed: None, seeds: 1, operations: 20_000, fencing: Fencing::On }
    }
}

/// Work for ten minutes in one process, and see that its memory and handles stay bounded and its
/// figures add up
///
/// Starts a Redis of its own.
#[derive(Debug, Args)]
pub(crate) struct Soak {
    /// For so many seconds
    #[arg(long, default_value_t = 600)]
    seconds: u64,
}

pub(crate) fn soak(workspace: &Workspace, options: &Soak) -> anyhow::Result<()> {
    packages::ensure()?;
    packages::ensure_servers(&[Kind::Redis])?;
    let mut cargo = cargo();
    cargo.current_dir(workspace.root());
    cargo.args(["run", "--quiet", "--package", "consistency", "--", "soak", "--seconds"]);
    command::run(cargo.arg(options.seconds.to_string()))
}

/// Whether what is loaded has to pass the fences.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Fencing {
    On,
    Off,
}

pub(crate) fn run(workspace: &Workspace, options: &Options) -> anyhow::Result<()> {
    packages::ensure()?;
    packages::ensure_servers(&[Kind::Redis, Kind::Postgres])?;
    let mut cargo = cargo();
    cargo.current_dir(workspace.root());
    cargo.args(["run", "--quiet", "--package", "consistency"]);
    if options.fencing == Fencing::Off {
        without_fences(&mut cargo)?;
    }
    cargo.args(["--", "run"]);
    if let Some(seed) = options.seed {
        cargo.args(["--seed", &seed.to_string()]);
    }
    cargo.args(["--seeds", &options.seeds.to_string()]);
    cargo.args(["--operations", &options.operations.to_string()]);
    command::run(&mut cargo)
}
