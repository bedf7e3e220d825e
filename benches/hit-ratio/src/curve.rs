//! What the engine estimates of itself while a trace is replayed, beside what other replays show.

use cache_memory::{Policy, ShardedCache};
use comfy_table::{CellAlignment, Table, presets};

use crate::trace::Trace;

/// One estimate of one replay, in per cent.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Estimate {
    trace: String,
    entries: u64,
    policy: String,
    size_percent: u32,
    estimated: f64,
    replayed: f64,
}

impl Estimate {
    pub(crate) fn error(&self) -> f64 {
        (self.estimated - self.replayed).abs()
    }
}

/// The largest error of all.
pub(crate) fn worst(estimates: &[Estimate]) -> f64 {
    estimates.iter().map(Estimate::error).fold(0.0, f64::max)
}

fn replayed(
    trace: &Trace,
    policy: Policy,
    entries: u64,
    curve_entries: u64,
) -> Option<(ShardedCache<u64, ()>, f64)> {
    let cache = ShardedCache::builder().max_entries(entries.max(1)).policy(policy);
    let cache = cache.curve_entries(curve_entries).build().ok()?;
    let mut hits = 0_u64;
    for key in &trace.keys {
        if cache.get_with(key, |()| ()).is_some() {
            hits += 1;
        } else {
            cache.insert(*key, ());
        }
    }
    Some((cache, 100.0 * hits as f64 / trace.keys.len() as f64))
}

/// Replays a trace by the default policy, and then at every size and by every policy of which
/// that has estimated anything.
pub(crate) fn estimates(trace: &Trace, entries: u64, curve_entries: u64) -> Vec<Estimate> {
    let own = replayed(trace, Policy::default(), entries, curve_entries);
    let Some(curve) = own.and_then(|(cache, _)| cache.curve()) else { return Vec::new() };
    let estimate = |point: &cache_core::memory::MissRatioPoint| {
        let size = (entries * u64::from(point.size_percent)).div_ceil(100);
        let policy = point.policy.parse().ok()?;
        let (_, replayed) = replayed(trace, policy, size, 0)?;
        let estimated = curve.hit_ratio(point.policy, point.size_percent)?;
        Some(Estimate {
            trace: trace.name.clone(),
            entries,
            policy: point.policy.to_owned(),
            size_percent: point.size_percent,
            estimated: 100.0 * estimated,
            replayed,
        })
    };
    curve.points.iter().filter_map(estimate).collect()
}

/// A line for each, with the largest error at the end.
pub(crate) fn table(estimates: &[Estimate]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["trace", "entries", "policy", "size, %", "estimated", "replayed", "error"]);
    for estimate in estimates {
        table.add_row([
            estimate.trace.clone(),
            estimate.entries.to_string(),
            estimate.policy.clone(),
            estimate.size_percent.to_string(),
            format!("{:.2}", estimate.estimated),
            format!("{:.2}", estimate.replayed),
            format!("{:.2}", estimate.error()),
        ]);
    }
    for nth in [1, 3, 4, 5, 6] {
        if let Some(column) = table.column_mut(nth) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

#[cfg(test)]
mod tests {
    use cache_memory::CURVE_ENTRIES_DEFAULT;

    use super::*;

    #[test]
    fn estimates_of_shipped_traces_are_near_the_truth() {
        for trace in Trace::shipped() {
            let distinct = trace.keys.iter().collect::<std::collections::HashSet<_>>().len();
            let estimates = estimates(&trace, distinct as u64 / 10, CURVE_ENTRIES_DEFAULT);
            assert_eq!(estimates.len(), 11);
            assert!(worst(&estimates) <= 2.0, "{}", table(&estimates));
        }
    }
}
