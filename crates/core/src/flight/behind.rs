//! Flights behind readers: what they were answered with is loaded again without them.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::OwnedSemaphorePermit;

use super::batch::{Batch, StaleCopy};
use super::lead::{LoadBy, Plan, Reads, spawn};
use super::load::LoadOnce;
use super::map::{Flight, FlightKind, Flights};
use super::wait::Waiter;
use crate::cache::{Binding, RETRY};
use crate::fence::Stamp;
use crate::key::Tags;
use crate::node::Node;

/// The places that a refresh behind readers takes: one among its like, one among all loads.
pub(super) struct Places {
    pub(super) behind: OwnedSemaphorePermit,
    pub(super) load: OwnedSemaphorePermit,
}

/// What a flight knows already when it is handed on.
pub(super) struct Seed<N: Node> {
    pub(super) stamps: Vec<Option<Stamp>>,
    pub(super) stale: Option<StaleCopy<N>>,
}

/// Has nodes loaded again that memory has just answered, through the storages to the source.
#[cold]
pub(crate) fn refresh_behind<N: Node>(binding: &Arc<Binding<N>>, nodes: &[N], by: &LoadBy<N>) {
    begin(binding, nodes, by.take(), None);
}

/// Has nodes loaded again that the tiers up to `answered` have answered, unless somebody does so
/// already, the source is to be left alone, or there is no place: whoever loads for a caller comes
/// first.
pub(super) fn begin<N: Node>(
    binding: &Arc<Binding<N>>,
    nodes: &[N],
    once: Option<LoadOnce<N::Value>>,
    answered: Option<usize>,
) {
    let now = binding.cache.clock.monotonic();
    let mut wanted = Vec::with_capacity(nodes.len());
    for node in nodes {
        let Ok(key) = binding.key(node) else { continue };
        let mark = binding.cache.fence.mark(key.digest(), &Tags::NONE);
        match binding.behind.throttled(key.digest(), mark, now) {
            Some(until) => binding.put_off_in_memory(node, until.since(now), false),
            None => wanted.push(node.clone()),
        }
    }
    if wanted.is_empty() {
        return;
    }
    let load = Arc::clone(&binding.loads).try_acquire_owned().ok();
    let (Some(behind), Some(load)) = (binding.behind.place(), load) else {
        binding.recorder.refreshes_skipped(wanted.len() as u64);
        wanted.iter().for_each(|node| binding.put_off_in_memory(node, RETRY, false));
        return;
    };
    let begun = binding.cache.fence.stamp();
    let (reads, refreshes) = (&binding.flights, &binding.refreshes);
    let joined = Flights::begin_unwaited(reads, refreshes, &wanted, begun, FlightKind::Behind);
    for node in &wanted {
        if !joined.led.iter().any(|led| led.node == *node) {
            // Should that flight not come to fill it, a later reader sees to it.
            binding.put_off_in_memory(node, RETRY, false);
        }
    }
    if joined.led.is_empty() {
        return;
    }
    binding.recorder.refreshes_begun(joined.led.len() as u64);
    let batch = Batch::new(Arc::clone(binding), joined.led);
    let plan = Plan { once, reads: Reads::Behind { answered } };
    spawn(batch, &joined.lead, plan, Some(Places { behind, load }));
}

/// Joins the flights of nodes that are refreshed now.
pub(super) fn join_flying<N: Node>(
    binding: &Arc<Binding<N>>,
    nodes: &[&N],
) -> Vec<Option<Joined<N>>> {
    let arrival = binding.cache.fence.stamp();
    let flights = binding.refreshes.join_flying(nodes).into_iter();
    flights.map(|flight| flight.map(|flight| Joined::new(binding, flight, arrival))).collect()
}

/// Hands loads on to a flight of their own, which may go on when its waiters have left. Gives one
/// joined flight for each seed, in order.
pub(super) fn hand_on<N: Node>(
    binding: &Arc<Binding<N>>,
    seeds: Vec<(N, Seed<N>)>,
    once: Option<LoadOnce<N::Value>>,
) -> Vec<Joined<N>> {
    let arrival = binding.cache.fence.stamp();
    let nodes: Vec<N> = seeds.iter().map(|(node, _)| node.clone()).collect();
    let mut seeds: HashMap<N, Seed<N>> = seeds.into_iter().collect();
    let joined = binding.refreshes.join(&nodes, arrival, FlightKind::Behind);
    if !joined.led.is_empty() {
        let mut batch = Batch::new(Arc::clone(binding), joined.led);
        for item in &mut batch.items {
            if let Some(seed) = seeds.remove(&item.led.node) {
                (item.stamps, item.stale) = (seed.stamps, seed.stale);
            }
        }
        spawn(batch, &joined.lead, Plan { once, reads: Reads::Done }, None);
    }
    let flights = joined.flights.into_iter();
    flights.map(|flight| Joined::new(binding, flight, arrival)).collect()
}

/// A flight that is waited for, and may be left to itself.
pub(super) struct Joined<N: Node> {
    pub(super) waiter: Waiter<N>,
    pub(super) flight: Arc<Flight<N, N::Value>>,
}

impl<N: Node> Joined<N> {
    fn new(binding: &Arc<Binding<N>>, flight: Arc<Flight<N, N::Value>>, arrival: u64) -> Self {
        let waiter = Waiter::new(Arc::clone(binding), Arc::clone(&flight), arrival, true);
        Self { waiter, flight }
    }
}
