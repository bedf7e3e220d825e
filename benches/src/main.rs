//! Runs groups of measurements: one JSON row a line to standard output, the rest to a person.
//!
//! `cargo xtask bench` builds this with the `bench` profile and keeps the rows.

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

    /// Fewer and shorter repetitions: a rough look
    #[arg(long)]
    quick: bool,

    /// Print the names of the groups, one a line, and measure nothing
    #[arg(long)]
    list: bool,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let chosen = Group::choose(groups::GROUPS, &arguments.groups)?;
    if arguments.list {
        for group in chosen {
            println!("{}", group.name);
        }
        return Ok(());
    }
    let effort = if arguments.quick { Effort::QUICK } else { Effort::FULL };
    let bar = ProgressBar::new_spinner();
    bar.enable_steady_tick(Duration::from_millis(500));
    let mut note = |text: &str| {
        bar.set_message(text.trim().to_owned());
        bar.suspend(|| eprintln!("{text}"));
    };
    for group in &chosen {
        let mut rows = io::stdout().lock();
        let mut run = Run::new(group, effort, &mut rows, &mut note);
        (group.measure)(&mut run).with_context(|| format!("group {}", group.name))?;
        rows.flush().context("cannot write rows")?;
    }
    Ok(())
}
