//! Measures Tiers beside its peers: one JSON row a line to standard output, tables and plots to a
//! folder, the rest to a person.
//!
//! `cargo xtask bench peers` builds this with the `bench` profile, in a workspace of its own.

mod groups;
mod plot;
mod zipf;

use clap::Parser;
use tiers_benches::program;

/// Measures Tiers beside its peers.
#[derive(Debug, Parser)]
#[command(name = "tiers-benches-peers")]
struct Arguments {
    #[command(flatten)]
    program: program::Arguments,
}

fn main() -> anyhow::Result<()> {
    program::run(&Arguments::parse().program, groups::GROUPS)
}
