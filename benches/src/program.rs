//! The command line of a program that measures: one JSON row a line to standard output, the rest to
//! a person.

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use indicatif::ProgressBar;

use crate::group::{Group, Run};
use crate::interleave::Effort;

/// What every such program can be asked for.
#[derive(Debug, Args)]
// The programs that take these have a group of that name themselves.
#[group(skip)]
pub struct Arguments {
    /// The groups to measure; all of them if none is named
    #[arg(value_name = "GROUP")]
    groups: Vec<String>,

    /// Only the rows whose name holds this text; may be given several times
    #[arg(long, value_name = "TEXT")]
    only: Vec<String>,

    /// Fewer and shorter repetitions: a rough look
    #[arg(long)]
    quick: bool,

    /// The smallest sizes there are, to see that everything runs: the figures mean nothing
    #[arg(long, hide = true, conflicts_with = "quick")]
    tiny: bool,

    /// Where tables and plots go
    #[arg(long, value_name = "FOLDER", default_value = "target/bench")]
    output: PathBuf,

    /// Print the names of the groups, one a line, and measure nothing
    #[arg(long)]
    list: bool,
}

/// Measures the groups that were asked for.
///
/// # Errors
///
/// An unknown group, or the first group that fails.
pub fn run(arguments: &Arguments, groups: &[Group]) -> anyhow::Result<()> {
    let chosen = Group::choose(groups, &arguments.groups)?;
    if arguments.list {
        for group in chosen {
            println!("{}", group.name);
        }
        return Ok(());
    }
    let effort = match (arguments.quick, arguments.tiny) {
        (_, true) => Effort::TINY,
        (true, false) => Effort::QUICK,
        (false, false) => Effort::FULL,
    };
    let bar = ProgressBar::new_spinner();
    bar.enable_steady_tick(Duration::from_millis(500));
    let mut note = |text: &str| {
        bar.set_message(text.trim().to_owned());
        bar.suspend(|| eprintln!("{text}"));
    };
    let mut reported = 0;
    for group in &chosen {
        let mut rows = io::stdout().lock();
        let run = Run::new(group, effort, &mut rows, &mut note);
        let mut run = run.only(&arguments.only).output(&arguments.output);
        (group.measure)(&mut run).with_context(|| format!("group {}", group.name))?;
        reported += run.reported();
        rows.flush().context("cannot write rows")?;
    }
    if reported == 0 && !arguments.only.is_empty() {
        note(&format!("no row's name holds {}", arguments.only.join(" or ")));
    }
    Ok(())
}
