//! A day of requests replayed: how many of them the cache answers.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rand_distr::{Distribution as _, Zipf};
use rand_pcg::Pcg64Mcg;
use tiers::clock::ManualClock;
use tiers::prelude::*;
use tiers::sqlite::SqliteOptions;
use tiers_benches::{Row, Run};
use tokio::runtime::Runtime;

const HIT_RATE_MIN: f64 = 0.8;
const READS_SAVED_MIN: f64 = 0.7;

const DAY: Duration = Duration::from_secs(86_400);
/// Requests for each node that there is.
const REQUESTS_PER_NODE: u32 = 30;
const EXPONENT: f64 = 1.0;

/// Seconds in memory, hours on disk.
#[derive(Debug, Node, Clone, PartialEq, Eq, Hash)]
#[node(key = "page:{id}", value = String, tiers(memory(ttl = "5m"), sqlite(ttl = "6h")))]
struct Page {
    id: u64,
}

pub(super) fn measure(run: &mut Run<'_>, runtime: &Runtime) -> anyhow::Result<()> {
    let nodes: u32 = run.sized(10_000, 2000, 50);
    let requests = nodes * REQUESTS_PER_NODE;
    run.note(&format!("sqlite: a day of {requests} requests for {nodes} nodes, Zipf {EXPONENT}"));
    let folder = tempfile::tempdir()?;
    let (clock, reads) = (ManualClock::new(), Arc::new(AtomicU64::new(0)));
    let begun = Instant::now();
    let stats = runtime.block_on(async {
        let file = SqliteOptions::new(folder.path().join("day.db")).clock(Arc::new(clock.clone()));
        // Room for a tenth of the nodes, so that most of them are on disk only.
        let memory = Memory::builder().max_entries(u64::from(nodes / 10)).build()?;
        let cache = Cache::builder()
            .storage("memory", memory)
            .storage("sqlite", file.open().await?)
            .clock(Arc::new(clock.clone()))
            .build()?;
        let counted = Arc::clone(&reads);
        let pages = cache.bind::<Page>(source_fn(move |page: Page| {
            counted.fetch_add(1, Ordering::Relaxed);
            async move { Ok::<_, LoadError>(format!("page {}", page.id)) }
        }))?;
        let (popularity, mut random) = (Zipf::new(f64::from(nodes), EXPONENT)?, Pcg64Mcg::new(11));
        for _ in 0..requests {
            let id = popularity.sample(&mut random) as u64;
            pages.get(&Page { id }).await?;
            clock.advance(DAY / requests);
        }
        let stats = pages.stats();
        cache.close().await?;
        anyhow::Ok(stats)
    })?;
    let share = |count: u64| count as f64 / f64::from(requests);
    let in_memory = stats.tiers.first().map_or(0, |memory| memory.hits);
    run.note(&format!(
        "  {:.1} % from memory, {:.1} % from disk, {} reads of the source, in {:.1} s",
        share(in_memory) * 100.0,
        share(stats.hits - in_memory) * 100.0,
        reads.load(Ordering::Relaxed),
        begun.elapsed().as_secs_f64()
    ));
    let saved = 1.0 - share(reads.load(Ordering::Relaxed));
    let hit_rate = share(stats.hits);
    run.report(&Row::at_least("sqlite_day_hit_rate", hit_rate, HIT_RATE_MIN, "of 1"))?;
    run.report(&Row::at_least("sqlite_day_reads_saved", saved, READS_SAVED_MIN, "of 1"))?;
    Ok(())
}
