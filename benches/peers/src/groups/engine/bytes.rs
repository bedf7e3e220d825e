use tiers_benches::Run;
use tiers_benches::allocations::held_by;
use tiers_benches::table::Table;

use super::caches::{self, TIERS_BORROWED, Value};

/// What an entry takes in each: key, pointer and policy, without the value that is pointed to. The
/// group `memory` has the rows of Tiers.
pub(super) fn measure(run: &mut Run<'_>) -> anyhow::Result<()> {
    let entries: u64 = run.sized(1_000_000, 100_000, 2000);
    run.note(&format!("bytes of {entries} entries of each engine"));
    // As it is allocated, with its two counts.
    let value_bytes = size_of::<[usize; 2]>() + size_of::<<Value as std::ops::Deref>::Target>();
    let value_bytes = value_bytes.next_multiple_of(align_of::<usize>()) as f64;
    let mut table =
        Table::new(["bytes an entry", "full", "after half as many others"].map(str::to_owned));
    for make in caches::ALL {
        let (engine, full) = held_by(|| {
            let engine = make(entries);
            if let Ok(engine) = &engine {
                (0..entries + entries / 50 + 500).for_each(|key| engine.cache.insert(key));
            }
            engine
        });
        let engine = engine?;
        if engine.name == TIERS_BORROWED {
            continue;
        }
        let ((), others) = held_by(|| {
            (entries..entries + entries / 2).for_each(|key| engine.cache.insert(key));
        });
        let of = |bytes: i64| format!("{:.1}", bytes as f64 / entries as f64 - value_bytes);
        table.add(vec![engine.name.to_owned(), of(full), of(full + others)]);
    }
    run.leave("memory-engine-bytes.md", &table.to_markdown())
}
