//! Flights for nodes that somebody may want next, below all other work.

use std::collections::HashSet;
use std::sync::Arc;

use super::batch::Batch;
use super::behind::Places;
use super::lead::{Plan, Reads, spawn};
use super::map::{FlightKind, Flights};
use crate::cache::Binding;
use crate::key::Tags;
use crate::node::Node;

/// How many nodes one batch has at most: who comes to want one of them waits for all.
const BATCH_MAX: usize = 64;

/// Has nodes loaded that memory does not hold, as far as there are places that nobody else wants,
/// and forgets the rest. Returns how many were begun.
pub(crate) fn prefetch<N: Node>(
    binding: &Arc<Binding<N>>,
    nodes: impl IntoIterator<Item = N>,
) -> usize {
    let now = binding.cache.clock.monotonic();
    let nodes_max = binding.definition.prefetches_max.saturating_mul(BATCH_MAX);
    let (mut wanted, mut seen, mut skipped) = (Vec::new(), HashSet::new(), 0);
    for node in nodes {
        if wanted.len() == nodes_max {
            skipped += 1;
            continue;
        }
        // A node without a key is told to whoever asks for it.
        let Ok(key) = binding.key(&node) else { continue };
        let mark = binding.cache.fence.mark(key.digest(), &Tags::NONE);
        let is_held_back = binding.behind.throttled(key.digest(), mark, now).is_some();
        if !is_held_back && binding.memory_peek(&node).is_none() && seen.insert(node.clone()) {
            wanted.push(node);
        }
    }
    let mut begun = 0;
    for batch in wanted.chunks(BATCH_MAX) {
        match places(binding) {
            Some(places) => begun += begin(binding, batch, places),
            None => skipped += batch.len(),
        }
    }
    binding.recorder.prefetches_begun(begun as u64);
    binding.recorder.prefetches_skipped(skipped as u64);
    begun
}

/// A place among the prefetches, and one among the loads if it is not the last.
fn places<N: Node>(binding: &Binding<N>) -> Option<Places> {
    let behind = binding.behind.prefetch_place()?;
    if binding.loads.available_permits() < 2 {
        return None;
    }
    let load = Arc::clone(&binding.loads).try_acquire_owned().ok()?;
    Some(Places { behind, load })
}

fn begin<N: Node>(binding: &Arc<Binding<N>>, nodes: &[N], places: Places) -> usize {
    let begun = binding.cache.fence.stamp();
    let (reads, refreshes) = (&binding.flights, &binding.refreshes);
    let joined = Flights::begin_unwaited(reads, refreshes, nodes, begun, FlightKind::Read);
    let count = joined.led.len();
    if count > 0 {
        let mut batch = Batch::new(Arc::clone(binding), joined.led);
        batch.next = None;
        spawn(batch, &joined.lead, Plan { once: None, reads: Reads::Tiers }, Some(places));
    }
    count
}
