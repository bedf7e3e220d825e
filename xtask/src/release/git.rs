//! The repository: whether it is clean, and the commit and tag of a release.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, bail};

use crate::command::{self, spelled};

fn git(root: &Path, words: &[&str]) -> Command {
    let mut command = Command::new("git");
    command.current_dir(root).args(words).stdin(Stdio::null());
    command
}

fn output(root: &Path, words: &[&str]) -> anyhow::Result<String> {
    let mut command = git(root, words);
    let output = command.stderr(Stdio::inherit()).output();
    let output = output.with_context(|| format!("cannot start `{}`", spelled(&command)))?;
    if !output.status.success() {
        bail!("`{}` failed: {}", spelled(&command), output.status);
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Fails with what is changed or not tracked.
pub(super) fn ensure_clean(root: &Path) -> anyhow::Result<()> {
    let changed = output(root, &["status", "--porcelain"])?;
    if !changed.is_empty() {
        bail!("the tree is not clean; commit or remove first:\n{}", changed.trim_end());
    }
    Ok(())
}

pub(super) fn has_tag(root: &Path, tag: &str) -> anyhow::Result<bool> {
    Ok(!output(root, &["tag", "--list", tag])?.trim().is_empty())
}

/// Commits these files, and tags the commit.
pub(super) fn commit(root: &Path, files: &[&str], message: &str, tag: &str) -> anyhow::Result<()> {
    let words = [&["commit", "--quiet", "--message", message, "--"], files].concat();
    command::run(&mut git(root, &words))?;
    command::run(&mut git(root, &["tag", "--annotate", tag, "--message", message]))
}
