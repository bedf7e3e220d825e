//! Warms twenty stocks from a local market, reads them again, forgets one, and goes through an outage:
//! who answered each time, and what is known in the end.
//!
//! ```text
//! cargo run --release --example stocks [--database FILE] [--json]
//! ```

mod picture;
mod world;

use std::path::PathBuf;

use clap::Parser;
use comfy_table::Table;
use serde::Serialize;
use tiers::clock::Timestamp;
use tiers_stocks::{Answer, StockService, StockServiceError};

use world::World;

type AnyError = Box<dyn std::error::Error + Send + Sync>;

/// How many calendar days are read of each stock.
const DAYS: u32 = 60;

/// Reads stocks through memory -> SQLite -> their markets, which are on this machine.
#[derive(Parser)]
struct Arguments {
    /// Keeps the database in this file; by default it goes with the run.
    #[arg(long)]
    database: Option<PathBuf>,
    /// Prints one JSON object per step instead of tables.
    #[arg(long)]
    json: bool,
}

/// How many stocks were answered by whom in one step. What is partly of several counts for the last
/// of stale copies, the market, SQLite and memory that had a part in it, in this order.
#[derive(Default, Serialize)]
struct Step {
    #[serde(rename = "step")]
    name: &'static str,
    /// Stocks of which everything was answered.
    stocks: usize,
    source: usize,
    memory: usize,
    sqlite: usize,
    stale: usize,
    /// Calls of the market, failed ones included.
    calls: u64,
    errors: usize,
}

#[tokio::main]
async fn main() -> Result<(), AnyError> {
    let arguments = Arguments::parse();
    // Removed when the program ends; a database that was asked for stays.
    let folder = tempfile::tempdir()?;
    let database = arguments.database.clone().unwrap_or_else(|| folder.path().join("stocks.db"));
    let world = World::open(&database).await?;
    let (service, stocks) = (&world.service, &world.stocks);
    let show = !arguments.json;
    let mut steps = Vec::new();
    if show {
        println!("{} stocks on a local market, {}\n", stocks.len(), world.now());
    }

    let warming = async {
        let report = service.warm(stocks, DAYS, |progress| {
            if show {
                println!("warmed {} of {}", progress.warmed + progress.failed, progress.total);
            }
        });
        for failure in report.await.failures {
            eprintln!("{failure}");
        }
    };
    steps.push(step(&world, "cold", warming).await);
    steps.push(step(&world, "again", async {}).await);
    let first = &stocks[0];
    let done = service.invalidate(first).await?;
    if !done.is_done() {
        eprintln!("{first} is still to be forgotten by {:?}", done.pending);
    }
    steps.push(step(&world, "invalidate", async {}).await);
    // The next evening a row is missing of each, and nobody answers.
    world.next_evening();
    world.break_off();
    steps.push(step(&world, "outage", async {}).await);
    for step in &steps {
        if arguments.json {
            println!("{}", serde_json::to_string(step)?);
        }
    }
    if show {
        println!("\n{}", table(&steps));
        println!("\nduring the outage, {}:\n", world.now());
        picture::print(service, stocks).await;
    }
    world.close().await?;
    Ok(())
}

/// Does something, reads all stocks, and counts who answered.
async fn step(world: &World, name: &'static str, first: impl Future<Output = ()>) -> Step {
    // So that what was loaded in this step can be told from what was there.
    let begun = world.tick();
    let calls = world.calls();
    let before = sqlite_hits(&world.service);
    first.await;
    // What was warmed is in memory by now.
    let warmed_by_sqlite = sqlite_hits(&world.service) > before;
    let mut step = Step { name, ..Step::default() };
    // One call for all quotes that are missing.
    let quotes = world.service.quotes(&world.stocks).await;
    for (stock, quote) in world.stocks.iter().zip(quotes) {
        let one = std::slice::from_ref(stock);
        let before = sqlite_hits(&world.service);
        let history = world.service.histories(one, DAYS).await.remove(0);
        let points = world.service.best_four_points(one).await.remove(0);
        let parts = [known(quote), known(history), known(points)];
        let errors = parts.iter().filter_map(|part| part.as_ref().err());
        let errors = errors.inspect(|error| eprintln!("{error}; {:?}", error.retry())).count();
        if errors > 0 {
            step.errors += 1;
            continue;
        }
        step.stocks += 1;
        let mut parts = parts.iter().flatten();
        if parts.clone().any(|(_, stale)| *stale) {
            step.stale += 1;
        } else if parts.any(|(loaded, _)| *loaded >= begun) {
            step.source += 1;
        } else if warmed_by_sqlite || sqlite_hits(&world.service) > before {
            step.sqlite += 1;
        } else {
            step.memory += 1;
        }
    }
    step.calls = world.calls() - calls;
    step
}

/// When an answer was loaded, and whether it is stale.
fn known<T>(
    answer: Result<Answer<T>, StockServiceError>,
) -> Result<(Timestamp, bool), StockServiceError> {
    answer.map(|answer| (answer.loaded, answer.stale))
}

fn sqlite_hits(service: &StockService) -> u64 {
    let stats = service.stats();
    stats.all().into_iter().filter_map(|node| node.tier("sqlite")).map(|tier| tier.hits).sum()
}

fn table(steps: &[Step]) -> Table {
    let mut table = Table::new();
    table.set_header([
        "step",
        "stocks",
        "source",
        "memory",
        "sqlite",
        "stale",
        "errors",
        "market calls",
    ]);
    for step in steps {
        let stocks = [step.stocks, step.source, step.memory, step.sqlite, step.stale, step.errors];
        let figures = stocks.map(|count| count as u64).into_iter().chain([step.calls]);
        table.add_row([step.name.to_owned()].into_iter().chain(figures.map(|it| it.to_string())));
    }
    table
}
