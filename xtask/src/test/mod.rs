//! `cargo xtask test`: every suite of the workspace.
//!
//! | module | what is in it |
//! |---|---|
//! | [`build`] | builds all test programs, and learns whose they are |
//! | [`output`] | understands what cargo and the test programs print: pure |
//! | [`matrix`] | which storage passes which case: pure |
//! | [`examples`] | runs the examples that need nothing but this repository |

mod build;
mod examples;
mod matrix;
mod output;

use std::fmt;
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use tiers_servers::Kind;

use crate::services::{Servers, kinds_of};
use crate::workspace::{Workspace, choose};
use crate::{command, packages};
use build::{Programs, Selection};
use matrix::Matrix;
use output::{Reader, Section};

/// Run every suite of the workspace: unit, integration, documentation, examples
///
/// Ends with a table of which storage passes which case of the behaviour suite. All that the tests
/// print is kept in target/test/output.log.
#[derive(Debug, Default, Args)]
pub(crate) struct Options {
    /// Only these storages' crates, without examples
    #[arg(long = "storage", value_name = "NAME", num_args = 1..)]
    pub(crate) storages: Vec<String>,

    /// Passed to every test program: a filter, `--exact`, `--nocapture`, ..; without examples
    #[arg(last = true, value_name = "ARGUMENT")]
    pub(crate) arguments: Vec<String>,
}

/// What came of all tests.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Totals {
    passed: u64,
    failed: u64,
    skipped: u64,
}

impl Totals {
    fn add(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

impl fmt::Display for Totals {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { passed, failed, skipped } = self;
        write!(formatter, "{passed} passed, {failed} failed, {skipped} skipped")
    }
}

pub(crate) fn run(workspace: &Workspace, options: &Options) -> anyhow::Result<()> {
    let selection = if options.storages.is_empty() {
        Selection::Workspace
    } else {
        Selection::Storages(choose("storage", &options.storages, &workspace.storages())?)
    };
    packages::ensure()?;
    if selection == Selection::Workspace {
        // The tests of the servers themselves start one of every kind.
        packages::ensure_servers(&Kind::ALL)?;
    }
    let programs = build::build(workspace, &selection)?;

    let folder = workspace.output("test");
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let log_path = folder.join("output.log");
    let log =
        File::create(&log_path).with_context(|| format!("cannot write {}", log_path.display()))?;

    let servers = Servers::start(&kinds(workspace, &selection))?;
    let mut finished =
        run_tests(workspace, &selection, &programs, &servers, &options.arguments, &log)?;
    drop(servers);
    if selection == Selection::Workspace && options.arguments.is_empty() {
        for example in &programs.examples {
            let outcome = examples::run(workspace, example, &log)?;
            println!("{:>8.1} s  example {}: {outcome}", outcome.seconds(), example.name);
            finished.totals.add(outcome.totals());
        }
    }
    close(&finished, &log_path)
}

/// Set for every test program: a storage's suite without its server fails then, where it would
/// otherwise say that it was not run.
const SERVERS_REQUIRED: &str = "TIERS_TEST_SERVERS_REQUIRED";

/// The servers that the selection's storages are tested on.
fn kinds(workspace: &Workspace, selection: &Selection) -> Vec<Kind> {
    let storages = match selection {
        Selection::Workspace => &workspace.storages(),
        Selection::Storages(storages) => storages,
    };
    storages.iter().flat_map(|storage| kinds_of(storage)).copied().collect()
}

/// What stands when the test programs have run.
#[derive(Debug, Default)]
struct Finished {
    totals: Totals,
    matrix: Matrix,
    /// Why the run failed although no test did.
    broken: Option<String>,
}

fn run_tests(
    workspace: &Workspace,
    selection: &Selection,
    programs: &Programs,
    servers: &Servers,
    arguments: &[String],
    mut log: &File,
) -> anyhow::Result<Finished> {
    let mut cargo = build::cargo_test(workspace, selection);
    cargo.arg("--no-fail-fast").envs(servers.variables()).env(SERVERS_REQUIRED, "1");
    if !arguments.is_empty() {
        cargo.arg("--").args(arguments);
    }
    eprintln!("$ {}", command::spelled(&cargo));
    // One pipe for both outputs, so that what cargo announces stays before what the program prints.
    let (output, input) = std::io::pipe().context("cannot make a pipe")?;
    cargo.stdout(input.try_clone().context("cannot share a pipe")?).stderr(input);
    let mut child = cargo.spawn().context("cannot start cargo")?;
    // The command holds the pipe's other end, which would keep it open after the child's end.
    drop(cargo);

    let bar = progress(programs.count());
    let mut finished = Finished::default();
    let mut reader = Reader::default();
    let mut started = Instant::now();
    let end = |section: Section, started: Instant, finished: &mut Finished| {
        bar.inc(1);
        let line = describe(&section, programs, started.elapsed());
        bar.suspend(|| println!("{line}"));
        if section.has_failed() {
            bar.suspend(|| print!("{}", section.text));
        }
        finished.totals.add(section.totals());
        if let Some(storage) = programs.suite_of(&section.name) {
            finished.matrix.add(storage, &section.cases);
        }
    };
    let mut lines = BufReader::new(output);
    let mut line = Vec::new();
    while lines.read_until(b'\n', &mut line).context("cannot read what the tests print")? > 0 {
        log.write_all(&line).context("cannot write what the tests print")?;
        // A test may print bytes that are no text.
        if let Some(section) = reader.line(&String::from_utf8_lossy(&line)) {
            end(section, started, &mut finished);
        }
        if let Some(name) = reader.begun() {
            bar.set_message(programs.title(name));
            started = Instant::now();
        }
        line.clear();
    }
    let (section, rest) = reader.finish();
    if let Some(section) = section {
        end(section, started, &mut finished);
    }
    bar.finish_and_clear();
    let status = child.wait().context("cannot wait for cargo")?;
    if !status.success() {
        print!("{rest}");
        finished.broken = Some(format!("cargo test ended with {status}"));
    }
    Ok(finished)
}

fn progress(programs: usize) -> ProgressBar {
    let bar = ProgressBar::new(programs.try_into().unwrap_or(u64::MAX));
    if let Ok(style) = ProgressStyle::with_template("{elapsed:>5} [{bar:30}] {pos}/{len} {msg}") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

fn describe(section: &Section, programs: &Programs, took: Duration) -> String {
    let title = programs.title(&section.name);
    let seconds = took.as_secs_f64();
    if section.results == 0 {
        return format!("{seconds:>8.1} s  {title}: ENDED WITHOUT A RESULT");
    }
    let word = if section.has_failed() { "FAILED" } else { "ok" };
    format!("{seconds:>8.1} s  {title}: {word}, {}", section.totals())
}

fn close(finished: &Finished, log: &Path) -> anyhow::Result<()> {
    if !finished.matrix.is_empty() {
        println!("\nBehaviour suite, cases by storage:\n{}", finished.matrix);
    }
    println!("\nAll output: {}\n{}", log.display(), finished.totals);
    verdict(finished.totals, finished.broken.as_deref())
}

/// The run as a whole: it fails by a failed test, a broken program, or when no test ran.
fn verdict(totals: Totals, broken: Option<&str>) -> anyhow::Result<()> {
    match (totals, broken) {
        (Totals { failed: 1.., .. }, _) => bail!("{} of the tests failed", totals.failed),
        (_, Some(reason)) => bail!("no test failed, but {reason}"),
        (Totals { passed: 0, .. }, _) => bail!("no test ran; is the filter right?"),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_closing_line_is_plain() {
        let totals = Totals { passed: 12, failed: 0, skipped: 3 };
        assert_eq!(totals.to_string(), "12 passed, 0 failed, 3 skipped");
    }

    #[test]
    fn a_run_holds_only_if_something_passed_and_nothing_failed() {
        let totals = |passed, failed| Totals { passed, failed, skipped: 1 };
        assert!(verdict(totals(1, 0), None).is_ok());
        assert!(verdict(totals(0, 0), None).is_err());
        assert!(verdict(totals(9, 1), None).is_err());
        assert!(verdict(totals(9, 0), Some("cargo test ended with 101")).is_err());
    }
}
