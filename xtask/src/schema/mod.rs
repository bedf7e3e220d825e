//! `cargo xtask schema`: hands over to the program beside this file, which links the storages.

use anyhow::Context as _;
use clap::Args;

use crate::command::cargo;
use crate::packages;
use crate::workspace::Workspace;

/// Print, apply or check the schema of a storage
#[derive(Debug, Args)]
#[command(disable_help_flag = true)]
pub(crate) struct Options {
    /// print, apply or check; the storage; --url URL
    #[arg(value_name = "ARGUMENT", trailing_var_arg = true, allow_hyphen_values = true)]
    pub(crate) arguments: Vec<String>,
}

pub(crate) fn run(workspace: &Workspace, options: &Options) -> anyhow::Result<()> {
    packages::ensure()?;
    let mut program = cargo();
    // From the caller's folder, so that a relative path in the URL is the caller's.
    program.args(["run", "--quiet", "--manifest-path"]).arg(workspace.root().join("Cargo.toml"));
    program.args(["--package", "xtask", "--features", "storages", "--bin", "xtask-schema", "--"]);
    let status = program.args(&options.arguments).status().context("cannot start cargo")?;
    if !status.success() {
        // The program has said why.
        std::process::exit(status.code().unwrap_or(1));
    }
    Ok(())
}
