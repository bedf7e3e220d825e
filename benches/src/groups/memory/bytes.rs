//! What an entry takes in memory beyond key and value.

use std::sync::Arc;

use anyhow::ensure;
use tiers::memory::ShardedCache;
use tiers_benches::allocations::held_by;
use tiers_benches::{Row, Run};
use tokio::runtime::Runtime;

use super::{Article, Text, engine, handle, text};

/// How much of the engine's own an entry may take beyond key and value: it bears its times, tags
/// and stamp, and is found by the text of its key too.
const OF_ENGINE_MAX: f64 = 2.0;

const BATCH: u64 = 1000;

/// What an entry of the engine alone may take, its key and the pointer to its value included.
const OF_ALONE_MAX: f64 = 72.0;
/// What an entry may take through the tiers, beyond key and value: with its digest, and room for tags.
const THROUGH_TIERS_MAX: f64 = 128.0;

/// The engine for those who use it alone: full, and after half as many keys again have come.
pub(super) const ALONE: &str = "memory_engine_bytes_per_entry";
pub(super) const AFTER_OTHERS: &str = "memory_engine_bytes_per_entry_after_others";
pub(super) const THROUGH_TIERS: &str = "memory_tiers_bytes_per_entry";

pub(super) fn measure_alone(run: &mut Run<'_>) -> anyhow::Result<()> {
    let entries: u64 = run.sized(1_000_000, 100_000, 2000);
    run.note(&format!("memory: bytes of {entries} entries of the engine alone"));
    // One for all, which counts for none.
    let value: Arc<Text> = Arc::new(text(0));
    let (cache, of_alone) = held_by(|| {
        let cache = ShardedCache::<u64, Arc<Text>>::builder().max_entries(entries).build()?;
        // As many more as it takes for the last shard to be full.
        for key in 0..entries + entries / 50 + 500 {
            cache.insert(key, Arc::clone(&value));
        }
        anyhow::Ok(cache)
    });
    let cache = cache?;
    let held = cache.len() as f64;
    ensure!(held > entries as f64 * 0.99, "only {held} of {entries} are held");
    let ((), by_others) = held_by(|| {
        for key in entries..entries + entries / 2 {
            cache.insert(key, Arc::clone(&value));
        }
    });
    let (of_alone, after) = (of_alone as f64 / held, (of_alone + by_others) as f64 / held);
    run.note(&format!("  key and pointer included: {of_alone:.1} B, later {after:.1} B"));
    run.report(&Row::at_most(ALONE, of_alone, OF_ALONE_MAX, "B"))?;
    Ok(run.report(&Row::at_most(AFTER_OTHERS, after, OF_ALONE_MAX, "B"))?)
}

pub(super) fn measure(run: &mut Run<'_>, runtime: &Runtime) -> anyhow::Result<()> {
    let entries: u64 = run.sized(1_000_000, 100_000, 2000);
    run.note(&format!("memory: bytes of {entries} entries"));
    let beyond = |held_bytes: i64| {
        held_bytes as f64 / entries as f64 - (size_of::<Article>() + size_of::<Text>()) as f64
    };

    let (engine, of_engine) = held_by(|| {
        let engine = engine(entries);
        for id in 0..entries {
            engine.insert(Article { id }, Arc::new(text(id)));
        }
        engine.run_pending_tasks();
        engine
    });
    ensure!(engine.entry_count() == entries, "the engine holds {}", engine.entry_count());
    drop(engine);

    let (filled, of_handle) = held_by(|| {
        // Shards do not fill evenly: with a quarter to spare none is full before all are held.
        let handle = handle(runtime, entries + entries / 4)?;
        for first in (0..entries).step_by(BATCH as usize) {
            let batch = (first..first + BATCH).map(|id| (Article { id }, text(id)));
            let set = runtime.block_on(handle.set_many(batch));
            set.into_iter().collect::<Result<(), _>>()?;
        }
        anyhow::Ok(handle)
    });
    let handle = filled?;
    for id in [0, entries / 2, entries - 1] {
        ensure!(runtime.block_on(handle.contains(&Article { id }))?, "entry {id} was evicted");
    }
    let (of_handle, of_engine) = (beyond(of_handle), beyond(of_engine));
    run.note(&format!(
        "  beyond key and value: {of_handle:.0} B an entry, the raw engine {of_engine:.0} B"
    ));
    let bound = of_engine * OF_ENGINE_MAX;
    run.report(&Row::at_most("memory_bytes_per_entry", of_handle, bound, "B"))?;
    Ok(run.report(&Row::at_most(THROUGH_TIERS, of_handle, THROUGH_TIERS_MAX, "B"))?)
}
