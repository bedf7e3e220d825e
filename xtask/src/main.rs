//! The workshop of this repository: `cargo xtask <command>`.
//!
//! | module | what is in it |
//! |---|---|
//! | [`mod@test`] | every suite of the workspace, and which storage passes which case |
//! | [`mod@bench`] | measurements, merged into one summary of speed targets |
//! | [`schema`] | the schemas of the storages: print, apply, check |
//! | [`ci`] | what a submission must pass |
//! | [`packages`] | what the system must have, and how it gets it |
//! | [`workspace`], [`command`] | this workspace as cargo sees it; running its programs |
//! | `tidy` | the rules of the repository, as tests of this crate |

mod bench;
mod ci;
mod command;
mod packages;
mod schema;
mod test;
#[cfg(test)]
mod tidy;
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
    Schema(schema::Options),
    /// Run what a submission must pass: format, lints, documentation, dependencies, tests
    Ci,
}

fn main() -> ExitCode {
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
        Task::Schema(options) => schema::run(&workspace, &options),
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
    fn groups_and_quick_go_to_the_bench() {
        let line = ["xtask", "bench", "memory", "sqlite", "--quick", "--only", "get"];
        let Task::Bench(options) = Arguments::parse_from(line).task else { panic!("not a bench") };
        assert_eq!(options.groups, ["memory", "sqlite"]);
        assert_eq!(options.only, ["get"]);
        assert!(options.quick);
    }
}
