//! The range cache: a million candles of a minute, in memory and in a database.

mod coverage;
mod database;
mod history;
mod size;
mod views;

use anyhow::Context as _;
use tiers_benches::{Group, Run};

use history::History;

pub(super) const GROUP: Group = Group { name: "candles", measure };

const CANDLES: i64 = 1_000_000;

fn measure(run: &mut Run<'_>) -> anyhow::Result<()> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().context("no runtime")?;
    let candles = run.sized(CANDLES, CANDLES / 10, CANDLES / 200);
    if run.wants(&[views::WARM_VIEW, views::COPY, views::WARM_READ]) {
        views::measure(run, &runtime, candles)?;
    }
    if run.wants(&[database::READ]) {
        database::measure(run, &runtime, candles)?;
    }
    if run.wants(&[size::BYTES]) {
        size::measure(run, candles)?;
    }
    if run.wants(&[coverage::LOOK_UP]) {
        coverage::measure(run)?;
    }
    Ok(())
}
