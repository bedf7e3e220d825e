//! The SQLite storage beside rusqlite and sqlx, over the same rows.

mod bare;
mod cold;
mod database;
mod day;
mod disk;
mod paced;
mod percentiles;
mod pooled;
mod processes;
mod reads;
mod steady;
mod threads;
mod writes;

use anyhow::Context as _;
use tiers_benches::{Group, Run};
use tokio::runtime::Runtime;

use crate::groups::rows;
use database::Database;
pub(crate) use processes::{Task, carry_out};

pub(super) const GROUP: Group = Group { name: "sqlite", measure };

fn measure(run: &mut Run<'_>) -> anyhow::Result<()> {
    let runtime = runtime(2)?;
    let of_database = [
        reads::ROWS,
        threads::ROWS,
        writes::ROWS,
        percentiles::ROWS,
        steady::ROWS,
        processes::ROWS,
    ];
    if run.wants(&of_database.concat()) {
        measure_database(run, &runtime)?;
    }
    if run.wants(&["sqlite_cold_get_holds_thread_p999"]) {
        cold::measure(run, &runtime)?;
    }
    if run.wants(&["sqlite_disk_bytes_per_entry"]) {
        disk::measure(run, &runtime)?;
    }
    if run.wants(&["sqlite_day_hit_rate", "sqlite_day_reads_saved"]) {
        day::measure(run, &runtime)?;
    }
    Ok(())
}

/// What is measured on one table, one after the other.
fn measure_database(run: &mut Run<'_>, runtime: &Runtime) -> anyhow::Result<()> {
    let rows = run.sized(100_000, 20_000, 2000);
    run.note(&format!("sqlite: {rows} rows of {} bytes, for each contestant", rows::VALUE_BYTES));
    let database = Database::make(runtime, rows)?;
    reads::measure(run, runtime, &database)?;
    threads::measure(run, &database)?;
    if run.wants(writes::ROWS) {
        writes::measure(run, runtime, &database)?;
    }
    if run.wants(percentiles::ROWS) {
        percentiles::measure(run, runtime, &database)?;
    }
    // What was written in floods has left a long log behind.
    let database = runtime.block_on(database.reopen())?;
    if run.wants(steady::ROWS) {
        steady::measure(run, runtime, &database)?;
    }
    processes::measure(run, &database)?;
    runtime.block_on(database.close())
}

fn runtime(worker_threads: usize) -> anyhow::Result<Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(worker_threads)
        .enable_all()
        .build()
        .context("no runtime")
}
