//! Runs groups of measurements: one JSON row a line to standard output, the rest to a person.
//!
//! `cargo xtask bench` builds this with the `bench` profile and keeps the rows.

mod allocations;
mod groups;

use std::io::{self, Write as _};
use std::time::Duration;

use anyhow::Context as _;
use clap::Parser;
use indicatif::ProgressBar;
use tiers_benches::{Effort, Group, Run};

/// Measures Tiers against raw engines and bare drivers.
#[derive(Debug, Parser)]
#[command(name = "tiers-benches")]
struct Arguments {
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

    /// What to do as another process of a measurement, as JSON
    #[arg(long, hide = true)]
    task: Option<String>,

    /// Print the names of the groups, one a line, and measure nothing
    #[arg(long)]
    list: bool,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    if let Some(task) = &arguments.task {
        return groups::carry_out(&serde_json::from_str(task).context("no task")?);
    }
    let chosen = Group::choose(groups::GROUPS, &arguments.groups)?;
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
    let mut reported = 0;
    let bar = ProgressBar::new_spinner();
    bar.enable_steady_tick(Duration::from_millis(500));
    let mut note = |text: &str| {
        bar.set_message(text.trim().to_owned());
        bar.suspend(|| eprintln!("{text}"));
    };
    for group in &chosen {
        let mut rows = io::stdout().lock();
        let mut run = Run::new(group, effort, &mut rows, &mut note).only(&arguments.only);
        (group.measure)(&mut run).with_context(|| format!("group {}", group.name))?;
        reported += run.reported();
        rows.flush().context("cannot write rows")?;
    }
    if reported == 0 && !arguments.only.is_empty() {
        note(&format!("no row's name holds {}", arguments.only.join(" or ")));
    }
    Ok(())
}
