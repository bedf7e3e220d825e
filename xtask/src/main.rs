//! The workshop of this repository: `cargo xtask <command>`.
//!
//! | module | what is in it |
//! |---|---|
//! | [`mod@test`] | every suite of the workspace, and which storage passes which case |
//! | [`mod@bench`] | measurements, merged into one summary of speed targets |
//! | [`consistency`] | processes that share tiers, and what they read |
//! | [`schema`] | the schemas of the storages: print, apply, check |
//! | [`services`] | private servers, for the tests and for people |
//! | [`release`] | the next version: changelog, packages checked, commit and tag |
//! | [`ci`] | what a submission must pass |
//! | [`packages`] | what the system must have, and how it gets it |
//! | [`unfenced`] | builds without fences, to compare with |
//! | [`workspace`], [`command`] | this workspace as cargo sees it; running its programs |
//! | `tidy` | the rules of the repository, as tests of this crate |

mod bench;
mod ci;
mod command;
mod consistency;
mod packages;
mod release;
mod schema;
mod services;
mod test;
#[cfg(test)]
mod tidy;
mod unfenced;
mod workspace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::workspace::Workspace;

/// The workshop of this repository.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    Test(test::Options),
    Bench(bench::Options),
    Consistency(consistency::Options),
    Soak(consistency::Soak),
    Schema(schema::Options),
    Services(services::Options),
    Release(release::Options),
    /// Run what a submission must pass: format, lints, documentation, dependencies, tests
    Ci,
}

fn main() -> ExitCode {
    if let Some(code) = unfenced::compiled() {
        return code;
    }
    match run(Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: Arguments) -> anyhow::Result<()> {
    let workspace = Workspace::load()?;
    match arguments.task {
        Task::Test(options) => test::run(&workspace, &options),
        Task::Bench(options) => bench::run(&workspace, &options),
        Task::Consistency(options) => consistency::run(&workspace, &options),
        Task::Soak(options) => consistency::soak(&workspace, &options),
        Task::Schema(options) => schema::run(&workspace, &options),
        Task::Services(options) => services::run(&workspace, &options),
        Task::Release(options) => release::run(&workspace, &options),
        Task::Ci => ci::run(&workspace),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn arguments_after_two_dashes_go_to_the_tests() {
        let line = ["xtask", "test", "--storage", "memory", "sqlite", "--", "ttl", "--exact"];
        let Task::Test(options) = Arguments::parse_from(line).task else { panic!("not a test") };
        assert_eq!(options.storages, ["memory", "sqlite"]);
        assert_eq!(options.arguments, ["ttl", "--exact"]);
    }

    #[test]
    fn a_dry_run_publishes_nothing() {
        let line = ["xtask", "release", "minor", "--dry-run", "--date", "2026-03-01"];
        let Task::Release(options) = Arguments::parse_from(line).task else { panic!("no release") };
        assert_eq!(options.next, release::Next::Minor);
        assert!(options.dry_run && !options.publish);
        let both = ["xtask", "release", "minor", "--dry-run", "--publish"];
        assert!(Arguments::try_parse_from(both).is_err());
        assert!(Arguments::try_parse_from(["xtask", "release", "later"]).is_err());
    }

    #[test]
    fn groups_and_quick_go_to_the_bench() {
        let line = ["xtask", "bench", "memory", "sqlite", "--quick", "--only", "get"];
        let Task::Bench(options) = Arguments::parse_from(line).task else { panic!("not a bench") };
        assert_eq!(options.groups, ["memory", "sqlite"]);
        assert_eq!(options.only, ["get"]);
        assert!(options.quick);
    }
}
