//! Reads of pages that are not in memory: how long they hold the runtime's thread.

use std::fs::File;
use std::future::Future;
use std::hint::black_box;
use std::path::Path;
use std::pin::pin;
use std::task::Poll;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use tiers::sqlite::{IntegrityCheck, SqliteOptions};
use tiers::storage::Storage as _;
use tiers_benches::{Row, Run};
use tokio::runtime::Runtime;

use super::database::fill;
use crate::groups::latency::Latencies;
use crate::groups::rows::{Rows, verified};

const HELD_P999_NS_MAX: f64 = 1e6;
const VALUE_BYTES: usize = 4096;
/// The least of the pages that must come from the disk, or it was not measured.
const FROM_DISK_MIN: f64 = 0.5;

pub(super) fn measure(run: &mut Run<'_>, runtime: &Runtime) -> anyhow::Result<()> {
    if run.is_quick() {
        run.note("sqlite: cold pages are left out of a quick run");
        return Ok(());
    }
    // Several times the 64 MB that the storage holds of pages.
    let rows = run.sized(80_000, 0, 2000);
    let gets = run.sized(20_000, 0, 500);
    run.note(&format!("sqlite: {gets} gets from {rows} rows of {VALUE_BYTES} bytes, pages cold"));
    let rows = Rows::new(rows, VALUE_BYTES)?;
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("cold.db");
    runtime.block_on(fill(&path, &rows))?;
    // Opened before the storage and closed after it: closing any descriptor of a file drops the
    // locks that the process has on it.
    let file = File::open(&path)?;
    // The integrity check would read all pages.
    let options = SqliteOptions::new(&path).integrity_check(IntegrityCheck::Off);
    let storage = runtime.block_on(options.open())?;
    if !drop_pages(&file)? {
        run.note("  pages cannot be dropped on this system: not measured");
        return Ok(());
    }
    let before = bytes_from_disk();
    let (mut cold, mut hot) = (Latencies::new()?, Latencies::new()?);
    runtime.block_on(async {
        for _ in 0..gets {
            let key = rows.next();
            let (lookup, held) = longest_poll(storage.get(key)).await;
            black_box(verified(key, lookup?)?);
            cold.add(held);
            let (lookup, held) = longest_poll(storage.get(key)).await;
            black_box(verified(key, lookup?)?);
            hot.add(held);
        }
        runtime_closed(storage.close().await)
    })?;
    drop(file);
    let from_disk = bytes_from_disk().zip(before).map(|(after, before)| after - before);
    note(run, &path, gets, from_disk, &cold, &hot)?;
    let wanted = gets as f64 * VALUE_BYTES as f64 * FROM_DISK_MIN;
    if from_disk.is_none_or(|bytes| (bytes as f64) < wanted) {
        run.note("  the pages did not come from a disk: no row");
        return Ok(());
    }
    let above = cold.quantile_ns(0.999) - hot.quantile_ns(0.999);
    let name = "sqlite_cold_get_holds_thread_p999";
    Ok(run.report(&Row::at_most(name, above, HELD_P999_NS_MAX, "ns"))?)
}

fn runtime_closed(closed: Result<(), tiers::storage::StorageError>) -> anyhow::Result<()> {
    closed.context("the storage did not close")
}

fn note(
    run: &mut Run<'_>,
    path: &Path,
    gets: usize,
    from_disk: Option<u64>,
    cold: &Latencies,
    hot: &Latencies,
) -> anyhow::Result<()> {
    let file_bytes = path.metadata()?.len();
    let microseconds = |latencies: &Latencies, share| latencies.quantile_ns(share) / 1e3;
    run.note(&format!(
        "  {gets} gets, {} MB of {} MB from the disk; thread held cold p50 {:.0} us, p99.9 {:.0} us, \
         longest {:.0} us; hot p50 {:.0} us, p99.9 {:.0} us",
        from_disk.unwrap_or(0) >> 20,
        file_bytes >> 20,
        microseconds(cold, 0.5),
        microseconds(cold, 0.999),
        cold.longest_ns() / 1e3,
        microseconds(hot, 0.5),
        microseconds(hot, 0.999),
    ));
    Ok(())
}

/// Waits for a future, and says how long the longest of its polls took.
async fn longest_poll<F: Future>(future: F) -> (F::Output, Duration) {
    let mut future = pin!(future);
    let mut longest = Duration::ZERO;
    let output = std::future::poll_fn(|context| {
        let begun = Instant::now();
        let polled = future.as_mut().poll(context);
        longest = longest.max(begun.elapsed());
        match polled {
            Poll::Ready(output) => Poll::Ready(output),
            Poll::Pending => Poll::Pending,
        }
    })
    .await;
    (output, longest)
}

/// Asks the system to forget the file's pages; whether it can.
#[cfg(target_os = "linux")]
fn drop_pages(file: &File) -> anyhow::Result<bool> {
    file.sync_all()?;
    rustix::fs::fadvise(file, 0, None, rustix::fs::Advice::DontNeed)?;
    Ok(true)
}

#[cfg(not(target_os = "linux"))]
fn drop_pages(_: &File) -> anyhow::Result<bool> {
    Ok(false)
}

/// What this process has had read from disks.
fn bytes_from_disk() -> Option<u64> {
    let counters = std::fs::read_to_string("/proc/self/io").ok()?;
    let line = counters.lines().find_map(|line| line.strip_prefix("read_bytes: "))?;
    line.trim().parse().ok()
}
