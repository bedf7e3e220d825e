//! `cargo xtask release`: the next version in manifests, lock file and changelog, the packages
//! checked, a commit and a tag. What leaves this machine does so by `--publish` alone.

mod changelog;
mod edits;
mod git;
mod manifest;
mod package;
#[cfg(test)]
mod tests;
mod version;

use clap::Args;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use self::edits::Edits;
pub(crate) use self::version::Next;
use crate::command::{self, cargo};
use crate::workspace::Workspace;

const MANIFEST: &str = "Cargo.toml";
const LOCK: &str = "Cargo.lock";
const CHANGELOG: &str = "CHANGELOG.md";

/// Make a release: versions, changelog, packages checked, a commit and a tag
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The version, or which part of the present one is raised: major, minor, patch
    #[arg(value_name = "VERSION")]
    pub(crate) next: Next,
    /// Publish the crates to the registry once they are committed and tagged
    #[arg(long)]
    pub(crate) publish: bool,
    /// Do and check everything up to the commit, then undo it
    #[arg(long, conflicts_with = "publish")]
    pub(crate) dry_run: bool,
    /// Ask no registry: what is not on this machine is an error
    #[arg(long, conflicts_with = "publish")]
    pub(crate) offline: bool,
    /// The date of the release; today in UTC if not given
    #[arg(long, value_name = "YYYY-MM-DD")]
    pub(crate) date: Option<Date>,
}

/// Makes the release; where it fails before the commit, every file is as it was.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> anyhow::Result<()> {
    let root = workspace.root();
    git::ensure_clean(root)?;
    let mut edits = Edits::new(root);
    let manifest = edits.read(MANIFEST)?;
    let present = manifest::version(&manifest)?;
    let is_released = git::has_tag(root, &format!("v{present}"))?;
    let next = options.next.after(&present, is_released)?;
    let tag = format!("v{next}");
    if git::has_tag(root, &tag)? {
        anyhow::bail!("there is a tag {tag} already");
    }
    let today = || jiff::Timestamp::now().to_zoned(TimeZone::UTC).date();
    let date = options.date.unwrap_or_else(today);

    edits.write(MANIFEST, &manifest::with_version(&manifest, &next)?)?;
    let told = changelog::with_version(&edits.read(CHANGELOG)?, &next, date)?;
    edits.write(CHANGELOG, &told)?;
    edits.read(LOCK)?;
    // The versions of the members, and no others: the registry is not asked.
    command::run(cargo().current_dir(root).args(["update", "--workspace", "--offline"]))?;

    // As cargo sees it now.
    let changed = Workspace::load_from(&root.join(MANIFEST))?;
    let packages = package::publishable(&changed)?;
    package::check(&changed, &packages)?;
    package::build(&changed, &packages, options.offline)?;

    let names: Vec<&str> = packages.iter().map(|package| package.name.as_str()).collect();
    let stable = if version::is_stable(&next) { "" } else { ", a pre-release" };
    eprintln!("{present} -> {next}{stable}: {}", names.join(", "));
    if options.dry_run {
        eprintln!("a dry run: every file is put back");
        return Ok(());
    }
    git::commit(root, &[MANIFEST, LOCK, CHANGELOG], &format!("Release {next}"), &tag)?;
    edits.keep();
    if options.publish {
        package::publish(&changed, &packages)?;
    } else {
        eprintln!("not published; push the branch and {tag}, then `cargo publish` the crates");
    }
    Ok(())
}
