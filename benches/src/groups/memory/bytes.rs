//! What an entry takes in memory beyond key and value.

use std::sync::Arc;

use anyhow::ensure;
use tiers_benches::{Row, Run};
use tokio::runtime::Runtime;

use super::{Article, Text, engine, handle, text};
use crate::allocations::held_by;

/// How much of the engine's own an entry may take beyond key and value: it bears its times, tags
/// and stamp, and is found by the text of its key too.
const OF_ENGINE_MAX: f64 = 2.0;

const BATCH: u64 = 1000;

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
        let handle = handle(runtime, entries)?;
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
    Ok(run.report(&Row::at_most("memory_bytes_per_entry", of_handle, bound, "B"))?)
}
