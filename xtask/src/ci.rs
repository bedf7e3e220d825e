//! What a submission must pass, step by step. `.ci/run` is this and no more.

use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::Context as _;

use crate::bench::peers;
use crate::command::{self, cargo};
use crate::workspace::Workspace;
use crate::{consistency, packages, test};

type Step = (&'static str, fn(&Workspace) -> anyhow::Result<()>);

const STEPS: &[Step] = &[
    ("system packages", |_| packages::ensure()),
    ("format", format),
    ("lints", lints),
    ("documentation", documentation),
    ("dependencies", dependencies),
    ("tests", |workspace| test::run(workspace, &test::Options::default())),
    ("model", model),
    ("consistency", |workspace| consistency::run(workspace, &consistency::Options::brief())),
];

/// Runs every step; the first that fails ends it.
pub(crate) fn run(workspace: &Workspace) -> anyhow::Result<()> {
    for (name, step) in STEPS {
        eprintln!("== {name}");
        let started = Instant::now();
        step(workspace).with_context(|| format!("step `{name}`"))?;
        eprintln!("== {name}: done in {:.0} s", started.elapsed().as_secs_f64());
    }
    Ok(())
}

fn at_root(workspace: &Workspace, command: &mut Command) -> anyhow::Result<()> {
    command::run(command.current_dir(workspace.root()))
}

/// Of the peers' workspace, too, of which nothing is built here.
fn format(workspace: &Workspace) -> anyhow::Result<()> {
    at_root(workspace, cargo().args(["fmt", "--all", "--check"]))?;
    let peers = ["--manifest-path", peers::MANIFEST, "--check"];
    at_root(workspace, cargo().arg("fmt").args(peers))
}

fn lints(workspace: &Workspace) -> anyhow::Result<()> {
    at_root(
        workspace,
        cargo()
            .args(["clippy", "--locked", "--workspace", "--all-targets", "--all-features"])
            .args(["--", "-D", "warnings"]),
    )
}

fn documentation(workspace: &Workspace) -> anyhow::Result<()> {
    at_root(
        workspace,
        cargo()
            .args(["doc", "--locked", "--workspace", "--no-deps", "--all-features"])
            .env("RUSTDOCFLAGS", "-D warnings"),
    )
}

/// Licences, sources and banned crates. The database of advisories is left out: it has to be
/// fetched, and a build must not depend on that.
fn dependencies(workspace: &Workspace) -> anyhow::Result<()> {
    if !has_cargo_deny() {
        eprintln!("cargo-deny is absent: installing it, which takes minutes");
        at_root(workspace, cargo().args(["install", "cargo-deny", "--locked"]))?;
    }
    let checks = ["--all-features", "check", "bans", "licenses", "sources"];
    at_root(workspace, cargo().args(["deny", "--workspace"]).args(checks))
}

/// 15,000 sequences of 100 steps, 2,500 in each of six worlds; a failure names its seed.
fn model(workspace: &Workspace) -> anyhow::Result<()> {
    const SEQUENCES_OF_A_TEST: &str = "2500";
    at_root(
        workspace,
        cargo()
            .args(["test", "--locked", "--profile", "model", "-p", "tiers", "--test", "model"])
            .env("TIERS_MODEL_SEQUENCES", SEQUENCES_OF_A_TEST)
            .env_remove("TIERS_MODEL_SEED"),
    )
}

fn has_cargo_deny() -> bool {
    let version =
        cargo().args(["deny", "--version"]).stdout(Stdio::null()).stderr(Stdio::null()).status();
    version.is_ok_and(|status| status.success())
}
