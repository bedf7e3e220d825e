use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::OwnedSemaphorePermit;

use crate::sync::{Mutex, process_static, task_local};

/// Tells the tasks that lead flights apart, in all caches of the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct LeadId(u64);

impl LeadId {
    pub(super) fn next() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
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

/// Which lead waits for which.
type Waits = HashMap<LeadId, Vec<LeadId>>;

// Of all caches of the process. Entered only by loads that ask a cache for something themselves.
process_static! { WAITS: Mutex<Option<Waits>> = Mutex::new(None) }

/// A load that waits; leaves the table when it is dropped.
#[derive(Debug)]
pub(super) struct Wait {
    from: LeadId,
    to: LeadId,
}

/// The wait would have no end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cycle;

/// Notes that the load that is running here, if one is, waits for `to`.
pub(super) fn begin_wait(to: LeadId) -> Result<Option<Wait>, Cycle> {
    let Ok(scope) = LOADING.try_with(Arc::clone) else { return Ok(None) };
    let wait = Wait::begin(scope.lead, to)?;
    drop(scope.place.lock().take());
    Ok(Some(wait))
}

impl Wait {
    fn begin(from: LeadId, to: LeadId) -> Result<Self, Cycle> {
        let mut table = WAITS.lock();
        let waits = table.get_or_insert_default();
        let mut reached = vec![to];
        let mut next = 0;
        while let Some(lead) = reached.get(next).copied() {
            if lead == from && !cfg!(mutant = "cycles_wait") {
                return Err(Cycle);
            }
            for waits_for in waits.get(&lead).into_iter().flatten() {
                if !reached.contains(waits_for) {
                    reached.push(*waits_for);
                }
            }
            next += 1;
        }
        waits.entry(from).or_default().push(to);
        Ok(Self { from, to })
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        let mut table = WAITS.lock();
        let Some(waits) = table.as_mut() else { return };
        if let Some(waits_for) = waits.get_mut(&self.from) {
            if let Some(at) = waits_for.iter().position(|lead| *lead == self.to) {
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

    #[test]
    fn a_cycle_of_any_length_is_found_and_forgotten_with_the_wait() {
        let [a, b, c] = [LeadId::next(), LeadId::next(), LeadId::next()];
        assert_eq!(Wait::begin(a, a).err(), Some(Cycle));
        let first = Wait::begin(a, b).expect("no cycle");
        let _second = Wait::begin(b, c).expect("no cycle");
        assert_eq!(Wait::begin(c, a).err(), Some(Cycle));
        drop(first);
        assert!(Wait::begin(c, a).is_ok());
    }

    #[test]
    fn two_waits_for_one_lead_are_two() {
        let [a, b] = [LeadId::next(), LeadId::next()];
        let first = Wait::begin(a, b).expect("no cycle");
        let _second = Wait::begin(a, b).expect("no cycle");
        drop(first);
        assert_eq!(Wait::begin(b, a).err(), Some(Cycle));
    }
}
