//! Latencies of single gets and sets.

use std::hint::black_box;
use std::time::Instant;

use tiers::storage::Storage as _;
use tiers_benches::{Row, Run};
use tokio::runtime::Runtime;

use super::database::{Database, set};
use crate::groups::latency::Latencies;
use crate::groups::rows::verified;

const GET_P99_NS_MAX: f64 = 1e6;
const SET_P99_NS_MAX: f64 = 1e7;

pub(super) const ROWS: &[&str] = &["sqlite_get_p99", "sqlite_set_p99"];

pub(super) fn measure(
    run: &mut Run<'_>,
    runtime: &Runtime,
    database: &Database,
) -> anyhow::Result<()> {
    let calls = run.sized(20_000, 4000, 50);
    run.note(&format!("sqlite: latencies of {calls} gets and sets, one at a time"));
    let (mut nothing, mut gets, mut sets) =
        (Latencies::new()?, Latencies::new()?, Latencies::new()?);
    let rows = &database.rows;
    runtime.block_on(async {
        for _ in 0..calls {
            let key = rows.next();
            let begun = Instant::now();
            nothing.add_since(begun);

            let begun = Instant::now();
            set(&database.storage, rows, key).await?;
            sets.add_since(begun);

            let begun = Instant::now();
            black_box(verified(key, database.storage.get(key).await?)?);
            gets.add_since(begun);
        }
        anyhow::Ok(())
    })?;
    let none_ns = nothing.quantile_ns(0.99);
    let above = |latencies: &Latencies| latencies.quantile_ns(0.99) - none_ns;
    run.report(&Row::at_most("sqlite_get_p99", above(&gets), GET_P99_NS_MAX, "ns"))?;
    run.report(&Row::at_most("sqlite_set_p99", above(&sets), SET_P99_NS_MAX, "ns"))?;
    Ok(())
}
