//! Runs groups of measurements: one JSON row a line to standard output, the rest to a person.
//!
//! `cargo xtask bench` builds this with the `bench` profile and keeps the rows.

mod groups;

use anyhow::Context as _;
use clap::Parser;
use tiers_benches::program;

/// Measures Tiers against raw engines and bare drivers.
#[derive(Debug, Parser)]
#[command(name = "tiers-benches")]
struct Arguments {
    #[command(flatten)]
    program: program::Arguments,

    /// What to do as another process of a measurement, as JSON
    #[arg(long, hide = true)]
    task: Option<String>,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    match &arguments.task {
        Some(task) => groups::carry_out(&serde_json::from_str(task).context("no task")?),
        None => program::run(&arguments.program, groups::GROUPS),
    }
}
