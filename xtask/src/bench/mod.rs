//! `cargo xtask bench`: runs groups of measurements and keeps one row per speed target.
//!
//! The measuring itself is in the `benches` crate, and beside other caches in `benches/peers`, a
//! workspace of its own that is built only when one of its groups is asked for. Both are built with
//! the `bench` profile and print one row a line. This module knows only the rows.

pub(crate) mod hit_ratio;
pub(crate) mod peers;
mod summary;

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::{env, fs};

use anyhow::{Context as _, bail};
use clap::Args;
use tiers_servers::Kind;

use crate::command::{self, cargo};
use crate::packages;
use crate::services::kinds_of;
use crate::unfenced::without_fences;
use crate::workspace::{Workspace, choose};
use summary::{Row, Summary};

/// Measure, and compare with the speed targets
///
/// Writes target/bench/summary.json, one row per speed target; tables and plots lie beside it. A run
/// of some groups replaces their rows only. A target that is missed is no failure of this command.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Options {
    #[command(subcommand)]
    pub(crate) alone: Option<hit_ratio::Only>,

    /// The groups to measure, `peers` for all beside other caches; all groups if none is named
    #[arg(value_name = "GROUP")]
    pub(crate) groups: Vec<String>,

    /// Only the rows whose name holds this text; may be given several times. The others stay as
    /// they were
    #[arg(long, value_name = "TEXT")]
    pub(crate) only: Vec<String>,

    /// Fewer and shorter repetitions: a rough look
    #[arg(long)]
    pub(crate) quick: bool,
}

pub(crate) fn run(workspace: &Workspace, options: &Options) -> anyhow::Result<()> {
    packages::ensure()?;
    if let Some(hit_ratio::Only::HitRatio(options)) = &options.alone {
        return hit_ratio::run(workspace, options);
    }
    command::run(&mut Program::Own.cargo(workspace, "build"))?;
    let known = [list(workspace)?, peers::groups(), vec![hit_ratio::GROUP.to_owned()]].concat();
    let chosen = choose("group", &peers::meant(&options.groups), &known)?;
    if chosen.iter().any(|group| peers::has(group)) {
        command::run(&mut Program::Peers.cargo(workspace, "build"))?;
    }
    if chosen.iter().any(|group| ON_SERVERS.contains(&group.as_str())) {
        packages::ensure_servers(&servers(workspace))?;
    }
    if chosen.iter().any(|group| group == FENCING) {
        build_without_fences(workspace)?;
    }

    let path = workspace.output("bench").join("summary.json");
    let mut summary = if options.groups.is_empty() && options.only.is_empty() {
        Summary::default()
    } else {
        Summary::read(&path)?.without(&chosen, &known, &options.only)
    };
    for group in &chosen {
        let rows = if group == hit_ratio::GROUP {
            hit_ratio::measure(workspace, &hit_ratio::Options::shipped(options.quick))?
        } else {
            measure(workspace, group, options)?
        };
        summary.add(group, rows)?;
        // Written after each group, so that an interrupted run keeps what it has measured.
        summary.write(&path)?;
    }
    if chosen.is_empty() {
        println!("There is no group of measurements.");
        return summary.write(&path);
    }
    println!("\n{summary}");
    if options.quick {
        println!("Measured quickly: for figures to rely on, leave out --quick.");
    }
    println!("Rows: {}", path.display());
    Ok(())
}

/// The groups that start servers of their own.
const ON_SERVERS: &[&str] = &["storages", "backplane", FENCING];

/// The group that measures beside a build without fences.
const FENCING: &str = "fencing";

/// Where that build lies.
fn unfenced_program(workspace: &Workspace) -> PathBuf {
    workspace
        .output("bench")
        .join("tiers-benches-unfenced")
        .with_extension(env::consts::EXE_EXTENSION)
}

/// Builds it, and then the usual one again: both have the same place.
fn build_without_fences(workspace: &Workspace) -> anyhow::Result<()> {
    command::run(without_fences(&mut Program::Own.cargo(workspace, "build"))?)?;
    let built = workspace
        .output("release")
        .join("tiers-benches")
        .with_extension(env::consts::EXE_EXTENSION);
    let kept = unfenced_program(workspace);
    fs::create_dir_all(workspace.output("bench"))
        .and_then(|()| fs::copy(&built, &kept).map(drop))
        .with_context(|| format!("cannot copy {} to {}", built.display(), kept.display()))?;
    command::run(&mut Program::Own.cargo(workspace, "build"))
}

/// One server for each storage that has one.
fn servers(workspace: &Workspace) -> Vec<Kind> {
    let storages = workspace.storages();
    storages.iter().filter_map(|storage| kinds_of(storage).first()).copied().collect()
}

/// The programs that measure.
#[derive(Debug, Clone, Copy)]
enum Program {
    /// Tiers, raw engines and bare drivers.
    Own,
    /// Tiers and its peers, a workspace of its own.
    Peers,
}

impl Program {
    fn of(group: &str) -> Self {
        if peers::has(group) { Self::Peers } else { Self::Own }
    }

    fn cargo(self, workspace: &Workspace, verb: &str) -> Command {
        let mut command = cargo();
        command.current_dir(workspace.root()).args([verb, "--profile", "bench"]);
        match self {
            Self::Own => command.args(["--package", "tiers-benches"]),
            Self::Peers => command
                .arg("--manifest-path")
                .arg(workspace.root().join(peers::MANIFEST))
                // What both need is built once.
                .arg("--target-dir")
                .arg(workspace.output("")),
        };
        command
    }
}

/// The groups of the workspace's own program.
fn list(workspace: &Workspace) -> anyhow::Result<Vec<String>> {
    let output = Program::Own
        .cargo(workspace, "run")
        .args(["--quiet", "--", "--list"])
        .stderr(Stdio::inherit())
        .output()
        .context("cannot start cargo")?;
    if !output.status.success() {
        bail!("the benches cannot list their groups: {}", output.status);
    }
    let names = String::from_utf8(output.stdout).context("the benches' list of groups")?;
    Ok(names.lines().map(str::to_owned).collect())
}

fn measure(workspace: &Workspace, group: &str, options: &Options) -> anyhow::Result<Vec<Row>> {
    let mut command = Program::of(group).cargo(workspace, "run");
    command.args(["--quiet", "--", group, "--output"]).arg(workspace.output("bench"));
    command.stdout(Stdio::piped());
    if group == FENCING {
        command.env("TIERS_BENCH_UNFENCED", unfenced_program(workspace));
    }
    if options.quick {
        command.arg("--quick");
    }
    for text in &options.only {
        command.args(["--only", text]);
    }
    let mut child = command.spawn().context("cannot start cargo")?;
    let mut rows = Vec::new();
    if let Some(output) = child.stdout.take() {
        for line in BufReader::new(output).lines() {
            let line = line.context("cannot read the benches' rows")?;
            let row = serde_json::from_str(&line)
                .with_context(|| format!("group {group} printed what is no row: {line}"))?;
            rows.push(row);
        }
    }
    let status = child.wait().context("cannot wait for cargo")?;
    if !status.success() {
        bail!("group {group} failed: {status}");
    }
    Ok(rows)
}
