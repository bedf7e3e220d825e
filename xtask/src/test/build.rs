//! Building all test programs, and knowing whose they are.

use std::collections::HashMap;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, bail};
use cargo_metadata::{Artifact, Message, TargetKind};

use crate::command::{self, cargo};
use crate::workspace::{Workspace, storage_name};

/// What is to be tested.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Selection {
    /// Every crate.
    Workspace,
    /// The crates of these storages.
    Storages(Vec<String>),
}

/// The test programs that were built.
#[derive(Debug, Default)]
pub(super) struct Programs {
    /// By file name, which cargo makes unique by a hash.
    tests: HashMap<String, TestProgram>,
    /// How many crates have documentation tests.
    documented: usize,
    /// The examples that are to run, in order.
    pub(super) examples: Vec<Example>,
}

#[derive(Debug)]
struct TestProgram {
    package: String,
    target: String,
    kind: TargetKind,
}

/// An example that was built.
#[derive(Debug)]
pub(super) struct Example {
    pub(super) name: String,
    pub(super) executable: PathBuf,
}

impl Programs {
    /// How many sections cargo will print: one for each program and each documented crate.
    pub(super) fn count(&self) -> usize {
        self.tests.len() + self.documented
    }

    /// What a person should read for the section that cargo announces by `name`.
    pub(super) fn title(&self, name: &str) -> String {
        match self.tests.get(file_name(name)) {
            None => name.to_owned(),
            Some(TestProgram { package, target, kind: TargetKind::Test }) => {
                format!("{package} {target}")
            }
            Some(TestProgram { package, .. }) => format!("{package} units"),
        }
    }

    /// The storage whose behaviour suite cargo announces by `name`, if it is one.
    pub(super) fn suite_of(&self, name: &str) -> Option<&str> {
        let program = self.tests.get(file_name(name))?;
        let suite = program.kind == TargetKind::Test && program.target == "suite";
        suite.then(|| storage_name(&program.package))
    }

    fn add(&mut self, workspace: &Workspace, artifact: &Artifact) {
        let Some(package) = workspace.package(&artifact.package_id) else { return };
        let target = &artifact.target;
        if target.doctest && !artifact.profile.test {
            self.documented += 1;
        }
        let Some(executable) = &artifact.executable else { return };
        let executable = executable.as_std_path();
        if target.kind.contains(&TargetKind::Example) && !artifact.profile.test {
            if workspace.is_default(&package.id) {
                let executable = executable.to_owned();
                self.examples.push(Example { name: target.name.clone(), executable });
            }
        } else if artifact.profile.test || target.kind.contains(&TargetKind::Test) {
            let kind = target.kind.first().cloned().unwrap_or(TargetKind::Test);
            let program = TestProgram {
                package: package.name.to_string(),
                target: target.name.clone(),
                kind,
            };
            self.tests.insert(file_name(&executable.to_string_lossy()).to_owned(), program);
        }
    }
}

/// `cargo test` for the selection, without arguments for the programs.
pub(super) fn cargo_test(workspace: &Workspace, selection: &Selection) -> Command {
    let mut command = cargo();
    command.current_dir(workspace.root()).args(["test", "--all-features"]);
    // What is printed is read, by people and by this program.
    command.env("CARGO_TERM_COLOR", "never");
    match selection {
        Selection::Workspace => {
            command.arg("--workspace");
        }
        Selection::Storages(storages) => {
            for storage in storages {
                command.arg("--package").arg(format!("cache-{storage}"));
            }
        }
    }
    command
}

/// Builds, with cargo's own progress on this terminal.
pub(super) fn build(workspace: &Workspace, selection: &Selection) -> anyhow::Result<Programs> {
    let mut cargo = cargo_test(workspace, selection);
    cargo.args(["--no-run", "--message-format", "json-render-diagnostics"]);
    cargo.env_remove("CARGO_TERM_COLOR").stdout(Stdio::piped());
    eprintln!("$ {}", command::spelled(&cargo));
    let mut child = cargo.spawn().context("cannot start cargo")?;
    let mut programs = Programs::default();
    if let Some(output) = child.stdout.take() {
        for message in Message::parse_stream(BufReader::new(output)) {
            let message = message.context("cannot read what cargo builds")?;
            if let Message::CompilerArtifact(artifact) = message {
                programs.add(workspace, &artifact);
            }
        }
    }
    let status = child.wait().context("cannot wait for cargo")?;
    if !status.success() {
        bail!("the tests do not build");
    }
    programs.examples.sort_by(|left, right| left.name.cmp(&right.name));
    Ok(programs)
}

fn file_name(path: &str) -> &str {
    Path::new(path).file_name().and_then(|name| name.to_str()).unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn programs() -> Programs {
        let program = |package: &str, target: &str, kind| TestProgram {
            package: package.to_owned(),
            target: target.to_owned(),
            kind,
        };
        let tests = HashMap::from([
            ("suite-1a".to_owned(), program("cache-sqlite", "suite", TargetKind::Test)),
            ("suite-2b".to_owned(), program("cache-sqlite", "suite", TargetKind::Bin)),
            ("special-3c".to_owned(), program("cache-sqlite", "special", TargetKind::Test)),
            ("cache_core-4d".to_owned(), program("cache-core", "cache_core", TargetKind::Lib)),
        ]);
        Programs { tests, documented: 2, examples: Vec::new() }
    }

    #[test]
    fn a_program_is_called_by_its_package_and_target() {
        let programs = programs();
        assert_eq!(programs.title("target/debug/deps/special-3c"), "cache-sqlite special");
        assert_eq!(programs.title("target/debug/deps/cache_core-4d"), "cache-core units");
        assert_eq!(programs.title("documentation of tiers"), "documentation of tiers");
        assert_eq!(programs.count(), 6);
    }

    #[test]
    fn only_a_test_target_named_suite_is_a_suite() {
        let programs = programs();
        assert_eq!(programs.suite_of("/elsewhere/deps/suite-1a"), Some("sqlite"));
        assert_eq!(programs.suite_of("target/debug/deps/suite-2b"), None);
        assert_eq!(programs.suite_of("target/debug/deps/special-3c"), None);
        assert_eq!(programs.suite_of("documentation of suite"), None);
    }

    #[test]
    fn a_selection_of_storages_builds_their_crates_alone() {
        let workspace = Workspace::load().unwrap();
        let all = command::spelled(&cargo_test(&workspace, &Selection::Workspace));
        assert_eq!(all, "cargo test --all-features --workspace");
        let some = Selection::Storages(vec!["memory".to_owned(), "sqlite".to_owned()]);
        let some = command::spelled(&cargo_test(&workspace, &some));
        assert_eq!(some, "cargo test --all-features --package cache-memory --package cache-sqlite");
    }
}
