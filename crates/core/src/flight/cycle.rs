use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::OwnedSemaphorePermit;

use crate::sync::atomic::{AtomicU64, Ordering};
use crate::sync::{Mutex, process_static, task_local};

/// Tells loads apart, in all caches of the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct LeadId(u64);

impl LeadId {
    pub(super) fn next() -> Self {
        static NEXT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
        Self(NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed))
    }
}

/// Which load brings a flight: that of its batch, until each flight of the batch is loaded alone.
#[derive(Clone, Debug)]
pub(super) struct Carrier(Arc<AtomicU64>);

impl Carrier {
    pub(super) fn new(load: LeadId) -> Self {
        Self(Arc::new(AtomicU64::new(load.0)))
    }

    fn load(&self) -> LeadId {
        LeadId(self.0.load(Ordering::SeqCst))
    }

    /// Another load brings it from now on; the one before has waited for nothing.
    pub(super) fn hand_to(&self, load: LeadId) {
        self.0.store(load.0, Ordering::SeqCst);
    }
}

/// What a load knows of itself: task-local while it runs.
#[derive(Debug)]
pub(super) struct LoadScope {
    pub(super) lead: LeadId,
    /// Its place among the loads that run at once. Given up while it waits for another load, or
    /// loads that wait for each other's places would stand still.
    pub(super) place: Mutex<Option<OwnedSemaphorePermit>>,
}

task_local! {
    pub(super) static LOADING: Arc<LoadScope>;
}

/// Which load waits for what. Who brings that is looked up each time, for it may change.
type Waits = HashMap<LeadId, Vec<Carrier>>;

// Of all caches of the process. Entered only by loads that ask a cache for something themselves.
process_static! { WAITS: Mutex<Option<Waits>> = Mutex::new(None) }

/// A load that waits; leaves the table when it is dropped.
#[derive(Debug)]
pub(super) struct Wait {
    from: LeadId,
    to: Carrier,
}

/// The wait would have no end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cycle;

/// Notes that the load that is running here, if one is, waits for `to`.
pub(super) fn begin_wait(to: &Carrier) -> Result<Option<Wait>, Cycle> {
    let Ok(scope) = LOADING.try_with(Arc::clone) else { return Ok(None) };
    let wait = Wait::begin(scope.lead, to)?;
    drop(scope.place.lock().take());
    Ok(Some(wait))
}

impl Wait {
    fn begin(from: LeadId, to: &Carrier) -> Result<Self, Cycle> {
        let mut table = WAITS.lock();
        let waits = table.get_or_insert_default();
        let mut reached = vec![to.load()];
        let mut next = 0;
        while let Some(lead) = reached.get(next).copied() {
            if lead == from && !cfg!(mutant = "cycles_wait") {
                return Err(Cycle);
            }
            for waits_for in waits.get(&lead).into_iter().flatten().map(Carrier::load) {
                if !reached.contains(&waits_for) {
                    reached.push(waits_for);
                }
            }
            next += 1;
        }
        waits.entry(from).or_default().push(to.clone());
        Ok(Self { from, to: to.clone() })
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        let mut table = WAITS.lock();
        let Some(waits) = table.as_mut() else { return };
        if let Some(waits_for) = waits.get_mut(&self.from) {
            if let Some(at) = waits_for.iter().position(|to| Arc::ptr_eq(&to.0, &self.to.0)) {
                waits_for.swap_remove(at);
            }
            if waits_for.is_empty() {
                waits.remove(&self.from);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn three() -> ([LeadId; 3], [Carrier; 3]) {
        let loads = [LeadId::next(), LeadId::next(), LeadId::next()];
        (loads, loads.map(Carrier::new))
    }

    #[test]
    fn a_cycle_of_any_length_is_found_and_forgotten_with_the_wait() {
        let ([a, b, c], [to_a, to_b, to_c]) = three();
        assert_eq!(Wait::begin(a, &to_a).err(), Some(Cycle));
        let first = Wait::begin(a, &to_b).expect("no cycle");
        let _second = Wait::begin(b, &to_c).expect("no cycle");
        assert_eq!(Wait::begin(c, &to_a).err(), Some(Cycle));
        drop(first);
        assert!(Wait::begin(c, &to_a).is_ok());
    }

    #[test]
    fn two_waits_for_one_load_are_two() {
        let ([a, b, _], [to_a, to_b, _]) = three();
        let first = Wait::begin(a, &to_b).expect("no cycle");
        let second = Wait::begin(a, &to_b).expect("no cycle");
        drop(first);
        assert_eq!(Wait::begin(b, &to_a).err(), Some(Cycle));
        drop(second);
        assert!(Wait::begin(b, &to_a).is_ok());
    }

    #[test]
    fn who_waits_for_a_flight_waits_for_the_load_that_brings_it_now() {
        let ([batch, alone, other], [_, _, to_other]) = three();
        let [one, two] = [Carrier::new(batch), Carrier::new(batch)];
        let _wait = Wait::begin(other, &one).expect("no cycle");
        assert_eq!(Wait::begin(batch, &to_other).err(), Some(Cycle), "it brings both");
        one.hand_to(LeadId::next());
        two.hand_to(alone);
        assert!(Wait::begin(alone, &to_other).is_ok(), "nobody waits for that one");
        one.hand_to(alone);
        assert_eq!(Wait::begin(alone, &to_other).err(), Some(Cycle));
    }
}
