//! `cargo xtask bench hit-ratio`: traces against every policy, peers and the optimum.
//!
//! The program that replays is a workspace of its own, for it has peers among its dependencies.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;
use clap::{Args, Subcommand};

use super::summary::{Row, Summary};
use crate::command::{self, cargo};
use crate::workspace::Workspace;

/// The manifest of its workspace, from the root.
pub(crate) const MANIFEST: &str = "benches/hit-ratio/Cargo.toml";

/// Its name among the groups.
pub(super) const GROUP: &str = "hit-ratio";

/// A group with arguments of its own.
#[derive(Debug, Subcommand)]
pub(crate) enum Only {
    HitRatio(Options),
}

/// Replay traces against every policy, peers and the optimum
///
/// Prints a table, or JSON, and writes target/bench/plots/hit-ratio.svg and the rows of the summary.
#[derive(Debug, Args, Default)]
pub(crate) struct Options {
    /// Traces: keys of eight bytes, little-endian; ARC's `.lis`, LIRS' `.trc`, `.csv`; each may be
    /// compressed (`.zst`). Without any, those that are shipped
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,

    /// A table of what others measured, with the sizes to replay at: `trace,entries,OPT,policy,..`
    #[arg(long, value_name = "CSV")]
    reference: Option<PathBuf>,

    /// Sizes in entries, or as shares of a trace's distinct keys: `1000,5%`
    #[arg(long)]
    sizes: Option<String>,

    /// The default policy alone
    #[arg(long)]
    quick: bool,

    /// Print one JSON object for each policy at each point instead of a table
    #[arg(long)]
    json: bool,
}

/// Replays, and puts the rows in the place of the last ones.
pub(super) fn run(workspace: &Workspace, options: &Options) -> anyhow::Result<()> {
    let rows = measure(workspace, options)?;
    let path = workspace.output("bench").join("summary.json");
    let own = [GROUP.to_owned()];
    let mut summary = Summary::read(&path)?.without(&own, &own, &[]);
    summary.add(GROUP, rows)?;
    summary.write(&path)
}

/// The rows of one replay.
pub(super) fn measure(workspace: &Workspace, options: &Options) -> anyhow::Result<Vec<Row>> {
    let output = workspace.output("bench");
    let plots = output.join("plots");
    fs::create_dir_all(&plots).with_context(|| format!("cannot make {}", plots.display()))?;
    let rows = output.join("hit-ratio.rows");
    command::run(&mut program(workspace, options, &plots.join("hit-ratio.svg"), &rows))?;
    let text = fs::read_to_string(&rows);
    let text = text.with_context(|| format!("cannot read {}", rows.display()))?;
    let row = |line| serde_json::from_str(line).with_context(|| format!("no row: {line}"));
    text.lines().map(row).collect()
}

fn program(workspace: &Workspace, options: &Options, plot: &Path, rows: &Path) -> Command {
    let mut command = cargo();
    command.args(["run", "--quiet", "--profile", "bench", "--manifest-path"]);
    command.arg(workspace.root().join(MANIFEST));
    // What all need is built once.
    command.arg("--target-dir").arg(workspace.output("")).arg("--");
    command.args(&options.files).arg("--plot").arg(plot).arg("--rows").arg(rows);
    if let Some(reference) = &options.reference {
        command.arg("--reference").arg(reference);
    }
    if let Some(sizes) = &options.sizes {
        command.arg("--sizes").arg(sizes);
    }
    for (flag, is_set) in [("--quick", options.quick), ("--json", options.json)] {
        if is_set {
            command.arg(flag);
        }
    }
    command
}

impl Options {
    /// What is shipped.
    pub(super) fn shipped(quick: bool) -> Self {
        Self { quick, ..Self::default() }
    }
}
