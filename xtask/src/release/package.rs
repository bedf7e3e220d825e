//! What is published: the crates, what each has to say of itself, and what is in its package.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context as _, bail};
use cargo_metadata::Package;

use crate::command::{self, cargo, spelled};
use crate::workspace::Workspace;

/// The crates that are published, each after those of the workspace that it uses.
pub(super) fn publishable(workspace: &Workspace) -> anyhow::Result<Vec<&Package>> {
    let is_published = |package: &&Package| {
        package.publish.as_ref().is_none_or(|registries| !registries.is_empty())
    };
    let mut left: Vec<&Package> = workspace.packages().filter(is_published).collect();
    left.sort_by_key(|package| package.name.to_string());
    let names: BTreeSet<String> = left.iter().map(|package| package.name.to_string()).collect();
    let private = workspace.packages().filter(|package| !names.contains(&*package.name));
    let private: BTreeSet<String> = private.map(|package| package.name.to_string()).collect();
    let mut ordered: Vec<&Package> = Vec::new();
    while !left.is_empty() {
        let is_ready = |package: &&Package| {
            package.dependencies.iter().all(|dependency| {
                !names.contains(&dependency.name)
                    || dependency.name == *package.name
                    || ordered.iter().any(|before| *before.name == dependency.name)
            })
        };
        let Some(at) = left.iter().position(is_ready) else {
            let names: Vec<&str> = left.iter().map(|package| package.name.as_str()).collect();
            bail!("these crates use each other in a circle: {}", names.join(", "));
        };
        let package = left.remove(at);
        // Without a version it is a dependency of tests, which cargo leaves out of the package.
        let uses = package.dependencies.iter().find(|dependency| {
            private.contains(&dependency.name) && dependency.req != semver::VersionReq::STAR
        });
        if let Some(dependency) = uses {
            bail!("{} uses {}, which is not published", package.name, dependency.name);
        }
        ordered.push(package);
    }
    Ok(ordered)
}

/// What is missing in what a crate says of itself.
fn unsaid(package: &Package) -> Vec<String> {
    let folder = package.manifest_path.parent().map(|folder| folder.as_std_path().to_owned());
    let is_blank = |text: &Option<String>| text.as_deref().unwrap_or_default().trim().is_empty();
    let mut unsaid = Vec::new();
    if is_blank(&package.description) {
        unsaid.push(format!("{} has no description", package.name));
    }
    if is_blank(&package.license) && package.license_file.is_none() {
        unsaid.push(format!("{} has no license", package.name));
    }
    match (&package.readme, folder) {
        (Some(readme), Some(folder)) if folder.join(readme).is_file() => {}
        (Some(readme), _) => unsaid.push(format!("{}: {readme} is no file", package.name)),
        (None, _) => unsaid.push(format!("{} has no readme", package.name)),
    }
    unsaid
}

/// The files that links in a crate's folder lead to, by the paths that they have in the crate: what
/// is easily lost in a package.
fn linked(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut folders = vec![(folder.to_owned(), false)];
    while let Some((current, is_linked)) = folders.pop() {
        let entries = fs::read_dir(&current).with_context(|| current.display().to_string())?;
        for entry in entries {
            let entry = entry?;
            let is_linked = is_linked || entry.file_type()?.is_symlink();
            let path = entry.path();
            let Ok(target) = fs::metadata(&path) else {
                bail!("{} leads nowhere", path.display());
            };
            let hidden = entry.file_name().to_string_lossy().starts_with('.');
            if target.is_dir() && !hidden && entry.file_name() != "target" {
                folders.push((path, is_linked));
            } else if target.is_file() && is_linked {
                found.push(path.strip_prefix(folder)?.to_owned());
            }
        }
    }
    found.sort();
    Ok(found)
}

/// The files of a crate's package.
fn contents(workspace: &Workspace, package: &Package) -> anyhow::Result<BTreeSet<PathBuf>> {
    let mut list = cargo();
    list.current_dir(workspace.root())
        .args(["package", "--list", "--allow-dirty", "--offline", "--package", &package.name])
        .stderr(Stdio::inherit());
    let listed = list.output().with_context(|| spelled(&list))?;
    if !listed.status.success() {
        bail!("`{}` failed: {}", spelled(&list), listed.status);
    }
    Ok(String::from_utf8_lossy(&listed.stdout).lines().map(PathBuf::from).collect())
}

/// Fails with all that keeps the crates from being published as they are.
pub(super) fn check(workspace: &Workspace, packages: &[&Package]) -> anyhow::Result<()> {
    let mut faults = Vec::new();
    for package in packages {
        faults.extend(unsaid(package));
        let Some(folder) = package.manifest_path.parent() else { continue };
        let contents = contents(workspace, package)?;
        for file in linked(folder.as_std_path())? {
            if !contents.contains(&file) {
                faults.push(format!("{} leaves out {}", package.name, file.display()));
            }
        }
    }
    if !faults.is_empty() {
        bail!("not ready to be published:\n  {}", faults.join("\n  "));
    }
    Ok(())
}

fn named(words: &[&str], packages: &[&Package]) -> std::process::Command {
    let mut command = cargo();
    command.args(words);
    for package in packages {
        command.args(["--package", &package.name]);
    }
    command
}

/// Packs each crate and builds it from its package, with those of the others that it uses: cargo
/// lays them over the registry, which need not have them yet.
pub(super) fn build(
    workspace: &Workspace,
    packages: &[&Package],
    is_offline: bool,
) -> anyhow::Result<()> {
    let words: &[&str] = if is_offline { &["--offline"] } else { &[] };
    let words = [&["package", "--locked", "--allow-dirty"], words].concat();
    command::run(named(&words, packages).current_dir(workspace.root()))
}

/// Publishes the crates; cargo waits for each before those that use it.
pub(super) fn publish(workspace: &Workspace, packages: &[&Package]) -> anyhow::Result<()> {
    command::run(named(&["publish", "--locked"], packages).current_dir(workspace.root()))
}
