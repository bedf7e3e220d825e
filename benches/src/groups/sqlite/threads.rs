//! Reads by runtimes of several threads.

use tiers_benches::{Contestant, Row, Run};

use super::database::{Copy, Database};
use super::pooled::Pooled;
use super::reads::{get_of_pool, get_of_storage};
use super::runtime;
use crate::groups::failures::{Failures, figure};
use crate::groups::in_flight::in_flight;

const IN_FLIGHT: u64 = 64;
/// As many times sqlx's rate as 64 gets in flight must reach.
const OF_SQLX_MIN: f64 = 4.0;

pub(super) const ROWS: &[&str] =
    &["sqlite_gets_1_thread", "sqlite_gets_2_threads", "sqlite_gets_4_threads"];

pub(super) fn measure(run: &mut Run<'_>, database: &Database) -> anyhow::Result<()> {
    for (name, threads) in ROWS.iter().zip([1, 2, 4]) {
        if !run.wants(&[name]) {
            continue;
        }
        let runtime = runtime(threads)?;
        let pooled = runtime.block_on(Pooled::open(&database.path(Copy::Sqlx)))?;
        let (of_storage, of_pool) = (get_of_storage(database), get_of_pool(database, &pooled));
        let failures = Failures::default();
        let mut contestants = [
            Contestant::new("storage", |calls| {
                in_flight(&runtime, IN_FLIGHT, calls, &failures, &of_storage);
            })
            .waiting(),
            Contestant::new("sqlx", |calls| {
                in_flight(&runtime, IN_FLIGHT, calls, &failures, &of_pool);
            })
            .waiting(),
            Contestant::probe(),
        ];
        let what = format!("gets by a runtime of {threads} threads");
        let measured = run.interleaved(&what, &mut contestants);
        drop(contestants);
        failures.check()?;
        runtime.block_on(pooled.close());
        let rate = figure(measured.per_second("storage"))?;
        let bound = figure(measured.per_second("sqlx"))? * OF_SQLX_MIN;
        run.report(&Row::at_least(*name, rate, bound, "1/s"))?;
    }
    Ok(())
}
