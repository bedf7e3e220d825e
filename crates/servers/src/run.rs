//! Running programs to their end, and waiting for servers.

use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};

/// Runs a program; its output is told if it fails.
pub(crate) fn run(command: &mut Command) -> anyhow::Result<Output> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot start `{name}`: is it installed?"))?;
    if !output.status.success() {
        let told = [&output.stdout[..], &output.stderr[..]].concat();
        bail!("`{name}` ended with {}: {}", output.status, String::from_utf8_lossy(&told).trim());
    }
    Ok(output)
}

/// Asks `ready` until it says so, or its patience is at an end.
pub(crate) fn wait_until(
    what: &str,
    patience: Duration,
    mut ready: impl FnMut() -> anyhow::Result<bool>,
) -> anyhow::Result<()> {
    let begun = Instant::now();
    let mut pause = Duration::from_millis(5);
    while !ready()? {
        if begun.elapsed() > patience {
            bail!("{what} is not ready after {patience:?}");
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(100));
    }
    Ok(())
}

/// Whether this process has the rights of root, so that servers that refuse them are run as others.
pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}
