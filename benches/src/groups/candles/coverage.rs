//! Looking up what is known of a slot, among few spans and among many.

use std::hint::black_box;

use cache_series::coverage::{Coverage, State};
use cache_series::time::Slots;
use tiers_benches::failures::figure;
use tiers_benches::{Contestant, Row, Run};

pub(super) const LOOK_UP: &str = "candles_coverage_look_up_of_few";

const FEW: i64 = 1_000;
const MANY: i64 = 1_000_000;

/// A thousand times the spans are twice the steps, log n, and memory that no cache holds: a step
/// that misses takes about ten that do not. A search of all would be at 1,000.
const FACTOR_MAX: f64 = 20.0;

pub(super) fn measure(run: &mut Run<'_>) -> anyhow::Result<()> {
    let many = run.sized(MANY, MANY, MANY / 10);
    let (few, much) = (spans(FEW), spans(many));
    let mut contestants = [
        Contestant::new("few", |iterations| look_up(&few, FEW, iterations)),
        Contestant::new("many", |iterations| look_up(&much, many, iterations)),
    ];
    let measured = run.interleaved("a look at coverage", &mut contestants);
    let factor = figure(measured.ratio("many", "few"))?;
    Ok(run.report(&Row::at_most(LOOK_UP, factor, FACTOR_MAX, "x"))?)
}

/// Spans of two slots, with one between them of which nothing is known.
fn spans(count: i64) -> Coverage {
    (0..count).map(|span| (Slots::new(3 * span, 3 * span + 2), State::Fetched)).collect()
}

fn look_up(coverage: &Coverage, spans: i64, iterations: u64) {
    let mut slot = 1i64;
    for _ in 0..iterations {
        slot = slot * 48_271 % 2_147_483_647;
        black_box(coverage.at(slot % (3 * spans)));
    }
}
