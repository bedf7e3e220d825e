//! Replays traces of accesses against every policy, peers and the optimum.
//!
//! `cargo xtask bench hit-ratio` builds this with the `bench` profile and keeps the rows.

mod contestant;
mod curve;
mod optimum;
mod plot;
mod reference;
mod replay;
mod report;
mod trace;

use std::fs;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::Parser;

use crate::reference::Reference;
use crate::replay::Size;
use crate::trace::Trace;

/// Replays traces of accesses against every policy, peers and the optimum.
#[derive(Debug, Parser)]
#[command(name = "tiers-hit-ratio")]
struct Arguments {
    /// Traces: keys of eight bytes (`.zst` if compressed), ARC's `.lis`, LIRS' `.trc`, `.csv`; those
    /// that are shipped if none is named
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,

    /// A table of what others measured, with the sizes to replay at
    #[arg(long, value_name = "CSV")]
    reference: Option<PathBuf>,

    /// Sizes in entries, or as shares of a trace's distinct keys: `1000,5%`
    #[arg(long, value_delimiter = ',')]
    sizes: Vec<Size>,

    /// The default policy alone
    #[arg(long)]
    quick: bool,

    /// Show beside each other what the engine estimates of itself, with so many entries for the whole
    /// cache, and what replays show
    #[arg(long, value_name = "ENTRIES", num_args = 0..=1, require_equals = true)]
    #[arg(default_missing_value = "768")]
    curve: Option<u64>,

    /// Print one JSON object a line instead of a table
    #[arg(long)]
    json: bool,

    /// Where the picture goes
    #[arg(long, value_name = "SVG")]
    plot: Option<PathBuf>,

    /// Where the rows of targets go
    #[arg(long, value_name = "JSON", hide = true)]
    rows: Option<PathBuf>,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let reference = match &arguments.reference {
        Some(path) => Reference::read(path)?,
        None => Reference::default(),
    };
    let shipped = if arguments.files.is_empty() { Trace::shipped() } else { Vec::new() };
    let read = arguments.files.iter().map(|path| Trace::read(path));
    // What is shipped is small, and is judged by the others even where they are not shown.
    let measures_all = !arguments.quick || !shipped.is_empty();
    let contestants =
        if measures_all { contestant::ALL } else { std::slice::from_ref(&contestant::DEFAULT) };
    let (mut points, mut estimates) = (Vec::new(), Vec::new());
    for trace in shipped.into_iter().map(Ok).chain(read) {
        let trace = trace?;
        for entries in replay::entries(&trace, &arguments.sizes, &reference) {
            eprintln!("{} at {entries} entries", trace.name);
            points.push(replay::replay(&trace, entries, contestants, &reference));
            if let Some(curve_entries) = arguments.curve {
                estimates.extend(curve::estimates(&trace, entries, curve_entries));
            }
        }
    }
    if let Some(path) = &arguments.rows {
        let rows = report::rows(&points, arguments.reference.is_some());
        let lines: Result<Vec<_>, _> = rows.iter().map(serde_json::to_string).collect();
        fs::write(path, lines?.join("\n"))
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    if arguments.curve.is_some() {
        eprintln!("{}\nLargest error: {:.2}", curve::table(&estimates), curve::worst(&estimates));
    }
    if arguments.quick {
        points.iter_mut().for_each(|point| point.ratios.truncate(1));
    }
    if let Some(path) = &arguments.plot {
        let svg = plot::svg(&points);
        fs::write(path, svg).with_context(|| format!("cannot write {}", path.display()))?;
    }
    if arguments.json {
        print!("{}", report::json(&points)?);
    } else {
        println!("{}", report::table(&points));
        println!("Mean share of the optimum: {:.2} %", report::mean_share(&points));
    }
    Ok(())
}
