use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;
use std::sync::OnceLock;

use futures_util::FutureExt;
use futures_util::future::Shared;
use tokio::sync::oneshot;

use super::answer::Answer;
use super::cycle::{Carrier, LeadId};
use crate::error::Error;
use crate::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use crate::sync::{AbortHandle, Mutex};

pub(super) type Landing<V> = Result<Answer<V>, Error>;

type Flying<N, V> = HashMap<N, Arc<Flight<N, V>>, foldhash::quality::RandomState>;

/// The flights of one node type: at most one a node, in the map from the moment that somebody
/// leads it until its fill is done or given up.
#[derive(Debug)]
pub(crate) struct Flights<N, V> {
    flying: Mutex<Flying<N, V>>,
    /// Whether a lead that nobody waits for is cancelled.
    cancels_abandoned: bool,
}

/// One load of one node, shared by all who want it.
#[derive(Debug)]
pub(crate) struct Flight<N, V> {
    pub(super) lead: Arc<Lead<N>>,
    /// Which load brings it.
    pub(super) carrier: Carrier,
    /// The process fence's counter, noted before anything was read.
    pub(super) begun: u64,
    /// The lead has begun to ask; who wants a value from after its own call joins no more.
    pub(super) asked: AtomicBool,
    /// It bypasses the tiers, and stands in a map of its own.
    refresh: bool,
    pub(super) landing: Shared<oneshot::Receiver<Landing<V>>>,
}

/// The task that carries one or more flights.
#[derive(Debug)]
pub(crate) struct Lead<N> {
    pub(super) id: LeadId,
    nodes: Vec<N>,
    /// Changed up only under the map's lock.
    waiters: AtomicUsize,
    /// Its flights that have not landed, also where others have taken their places in the map.
    /// Changed only under the map's lock.
    flying: AtomicUsize,
    task: OnceLock<AbortHandle>,
}

/// A flight that its lead has to bring down.
#[derive(Debug)]
pub(crate) struct Led<N, V> {
    pub(super) node: N,
    pub(super) flight: Arc<Flight<N, V>>,
    land: Option<oneshot::Sender<Landing<V>>>,
}

/// What joining gave: a flight for each node, and those among them that nobody leads yet.
pub(super) struct Joined<N, V> {
    pub(super) flights: Vec<Arc<Flight<N, V>>>,
    pub(super) joined_others: Vec<bool>,
    pub(super) led: Vec<Led<N, V>>,
    pub(super) lead: Arc<Lead<N>>,
}

impl<N: Clone + Eq + Hash, V> Flights<N, V> {
    pub(crate) fn new(cancels_abandoned: bool) -> Self {
        Self { flying: Mutex::default(), cancels_abandoned }
    }

    /// Registers for all nodes at once: joins what flies, and opens flights, led together, for
    /// what does not. `begun` is the process fence's counter now. The nodes differ.
    ///
    /// A `refresh` that has begun to ask is not joined, for its value may be from before this
    /// call; the new flight takes its place in the map.
    pub(super) fn join(&self, nodes: &[N], begun: u64, refresh: bool) -> Joined<N, V> {
        let mut flying = self.flying.lock();
        let is_joinable = |flight: &&Arc<Flight<N, V>>| {
            let asked = refresh && flight.asked.load(Ordering::SeqCst);
            (!asked || cfg!(mutant = "join_asked")) && !cfg!(mutant = "no_join")
        };
        let to_lead: Vec<N> = nodes
            .iter()
            .filter(|node| flying.get(*node).filter(is_joinable).is_none())
            .cloned()
            .collect();
        let lead = Arc::new(Lead {
            id: LeadId::next(),
            waiters: AtomicUsize::new(0),
            flying: AtomicUsize::new(to_lead.len()),
            nodes: to_lead,
            task: OnceLock::new(),
        });
        let mut joined = Joined {
            flights: Vec::with_capacity(nodes.len()),
            joined_others: Vec::with_capacity(nodes.len()),
            led: Vec::with_capacity(lead.nodes.len()),
            lead: Arc::clone(&lead),
        };
        for node in nodes {
            let found = flying.get(node).filter(is_joinable).cloned();
            joined.joined_others.push(found.is_some());
            let flight = found.unwrap_or_else(|| {
                let (land, landing) = oneshot::channel();
                let flight = Arc::new(Flight {
                    lead: Arc::clone(&lead),
                    carrier: Carrier::new(lead.id),
                    begun,
                    asked: AtomicBool::new(false),
                    refresh,
                    landing: landing.shared(),
                });
                flying.insert(node.clone(), Arc::clone(&flight));
                let flight_led = Arc::clone(&flight);
                joined.led.push(Led { node: node.clone(), flight: flight_led, land: Some(land) });
                flight
            });
            flight.lead.waiters.fetch_add(1, Ordering::SeqCst);
            joined.flights.push(flight);
        }
        joined
    }

    /// Takes a flight out of the air, and out of the map if it is the one that stands there.
    fn remove(&self, node: &N, flight: &Arc<Flight<N, V>>) {
        let mut flying = self.flying.lock();
        flight.lead.flying.fetch_sub(1, Ordering::SeqCst);
        if flying.get(node).is_some_and(|stands| Arc::ptr_eq(stands, flight)) {
            flying.remove(node);
        }
    }

    /// The flight leaves the map, then everybody who waits gets the answer.
    pub(super) fn land(&self, led: &mut Led<N, V>, landing: Landing<V>) {
        if let Some(land) = led.land.take() {
            self.remove(&led.node, &led.flight);
            // Nobody may wait any more, which is fine.
            let _ = land.send(landing);
        }
    }

    /// A waiter leaves. The last one cancels the lead, if that is the policy; a flight that could
    /// still be joined meanwhile is not cancelled, for joining takes the same lock. Says whether
    /// the lead was abandoned.
    pub(crate) fn leave(&self, lead: &Lead<N>) -> bool {
        if lead.waiters.fetch_sub(1, Ordering::SeqCst) > 1 {
            return false;
        }
        let mut flying = self.flying.lock();
        if lead.waiters.load(Ordering::SeqCst) > 0 && !cfg!(mutant = "leave_unasked") {
            return false;
        }
        if lead.flying.load(Ordering::SeqCst) == 0 {
            return false;
        }
        if self.cancels_abandoned {
            let is_led = |flight: &Arc<Flight<N, V>>| flight.lead.id == lead.id;
            for node in &lead.nodes {
                if flying.get(node).is_some_and(is_led) {
                    flying.remove(node);
                }
            }
            drop(flying);
            if let Some(task) = lead.task.get() {
                task.abort();
            }
        }
        true
    }

    /// How many nodes fly.
    pub(crate) fn len(&self) -> usize {
        self.flying.lock().len()
    }
}

impl<N> Lead<N> {
    pub(super) fn set_task(&self, task: AbortHandle) {
        // Set once, by whoever spawned the task, before anybody can leave.
        let _ = self.task.set(task);
    }
}

impl<N, V> Flight<N, V> {
    /// Whether it bypasses the tiers.
    pub(crate) fn is_refresh(&self) -> bool {
        self.refresh
    }

    /// The task that carries it.
    pub(crate) fn lead(&self) -> &Lead<N> {
        &self.lead
    }
}

impl<N, V> Led<N, V> {
    /// Whether it bypasses the tiers.
    pub(crate) fn is_refresh(&self) -> bool {
        self.flight.refresh
    }

    pub(super) fn is_landed(&self) -> bool {
        self.land.is_none()
    }
}
