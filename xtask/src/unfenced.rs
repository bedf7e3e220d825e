//! Builds without fences: `--cfg fencing_off` for the crates of the workspace alone, so that those of
//! others are not built again.
//!
//! Cargo calls this very program in place of the compiler for them.

use std::env;
use std::ffi::OsString;
use std::process::{Command, ExitCode};

use anyhow::Context as _;

/// Set where this program stands in for the compiler.
const STANDS_IN: &str = "TIERS_XTASK_FENCING_OFF";

/// Has this call of cargo build without fences.
pub(crate) fn without_fences(cargo: &mut Command) -> anyhow::Result<&mut Command> {
    let own = env::current_exe().context("cannot find this program")?;
    Ok(cargo.env("RUSTC_WORKSPACE_WRAPPER", own).env(STANDS_IN, "1"))
}

/// Compiles, where cargo has called this in place of the compiler.
pub(crate) fn compiled() -> Option<ExitCode> {
    env::var_os(STANDS_IN)?;
    let mut arguments = env::args_os().skip(1);
    let compiler = arguments.next()?;
    let status = Command::new(compiler).args(with_flag(arguments)).status();
    Some(match status {
        Ok(status) if status.success() => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: cannot start the compiler: {error}");
            ExitCode::FAILURE
        }
    })
}

fn with_flag(arguments: impl Iterator<Item = OsString>) -> impl Iterator<Item = OsString> {
    arguments.chain(["--cfg".into(), "fencing_off".into()])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_compiler_is_given_what_cargo_gives_and_the_flag() {
        let arguments = ["--crate-name", "x", "x.rs"].map(OsString::from);
        let all: Vec<_> = with_flag(arguments.into_iter()).collect();
        assert_eq!(all, ["--crate-name", "x", "x.rs", "--cfg", "fencing_off"]);
    }
}
