//! Sets at a steady pace: the log keeps its bound, and no set waits long for a checkpoint.

use std::fs;
use std::future::ready;
use std::sync::Arc;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use tiers_benches::{Row, Run};
use tokio::runtime::Runtime;

use super::database::{Copy, Database, set};
use super::paced::Paced;

const SETS_PER_SECOND: u32 = 4000;
/// Of the pace, that is kept at least: otherwise the rest means nothing.
const KEPT_MIN: f64 = 0.98;
const P999_NS_MAX: f64 = 1e7;
/// The storage's default bound.
const WAL_BYTES_MAX: f64 = (64 << 20) as f64;

pub(super) const ROWS: &[&str] =
    &["sqlite_steady_sets", "sqlite_steady_sets_p999", "sqlite_steady_wal"];

pub(super) fn measure(
    run: &mut Run<'_>,
    runtime: &Runtime,
    database: &Database,
) -> anyhow::Result<()> {
    let duration = Duration::from_millis(run.sized(15_000, 4000, 100));
    run.note(&format!("sqlite: {SETS_PER_SECOND} sets a second for {duration:?}"));
    let mut log = database.path(Copy::Tiers).into_os_string();
    log.push("-wal");
    let sets = Paced::begin(runtime, SETS_PER_SECOND, {
        let (storage, rows) = (Arc::clone(&database.storage), Arc::clone(&database.rows));
        move || {
            let (storage, rows) = (Arc::clone(&storage), Arc::clone(&rows));
            async move { set(&storage, &rows, rows.next()).await }
        }
    });
    // What timers and the machine add, at the same time and pace.
    let nothing = Paced::begin(runtime, SETS_PER_SECOND, || ready(Ok(())));
    let (begun, mut wal_bytes) = (Instant::now(), 0);
    while begun.elapsed() < duration {
        sleep(Duration::from_millis(5));
        wal_bytes = wal_bytes.max(fs::metadata(&log).context("the log")?.len());
    }
    let (sets, nothing) = runtime.block_on(async { (sets.stop().await, nothing.stop().await) });
    let (sets, nothing) = (sets?, nothing?);
    let [p99, p999, none] = [
        sets.latencies.quantile_ns(0.99),
        sets.latencies.quantile_ns(0.999),
        nothing.latencies.quantile_ns(0.999),
    ];
    run.note(&format!(
        "  a set: p99 {:.2} ms, p99.9 {:.2} ms, longest {:.2} ms; nothing at that pace: p99.9 {:.2} ms",
        p99 / 1e6,
        p999 / 1e6,
        sets.latencies.longest_ns() / 1e6,
        none / 1e6
    ));
    let rate = sets.calls as f64 / sets.duration.as_secs_f64();
    let rate_min = f64::from(SETS_PER_SECOND) * KEPT_MIN;
    run.report(&Row::at_least("sqlite_steady_sets", rate, rate_min, "1/s"))?;
    run.report(&Row::at_most("sqlite_steady_sets_p999", p999 - none, P999_NS_MAX, "ns"))?;
    run.report(&Row::at_most("sqlite_steady_wal", wal_bytes as f64, WAL_BYTES_MAX, "B"))?;
    Ok(())
}
