use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;

use super::Atomics;
use super::name::AtomicName;
use super::operation::{Answer, Operation};
use super::slot::{Change, Slot};
use crate::clock::Clock;
use crate::storage::StorageError;
use crate::sync::Mutex;

/// Counters, registers, locks and limits of one process: what a memory offers, and what a storage
/// for tests keeps.
#[derive(Debug)]
pub struct InProcessAtomics {
    clock: Arc<dyn Clock>,
    slots: Mutex<Slots>,
}

#[derive(Debug, Default)]
struct Slots {
    by_name: HashMap<AtomicName, Slot>,
    /// How many there may be before those past their end are looked for.
    sweep_at: usize,
}

/// So many are kept without a look at their ends.
const SWEEP_AT_MIN: usize = 1024;

impl InProcessAtomics {
    /// None yet, by this clock.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, slots: Mutex::default() }
    }

    /// Carries out an operation.
    pub fn run(&self, name: &AtomicName, operation: &Operation) -> Answer {
        let mut slots = self.slots.lock();
        let now_us = self.clock.wall().unix_ms().saturating_mul(1000);
        let (change, answer) = operation.apply(slots.by_name.get(name), now_us);
        match change {
            Change::Keep => {}
            Change::Put(slot) => slots.put(name, slot, now_us),
            Change::Remove => drop(slots.by_name.remove(name)),
        }
        answer
    }

    /// How many names are kept, those past their end included until they are swept.
    pub fn len(&self) -> usize {
        self.slots.lock().by_name.len()
    }

    /// Whether no name is kept.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Slots {
    fn put(&mut self, name: &AtomicName, slot: Slot, now_us: u64) {
        self.by_name.insert(name.clone(), slot);
        if self.by_name.len() > self.sweep_at.max(SWEEP_AT_MIN) {
            self.by_name.retain(|_, slot| slot.expires_us > now_us);
            // Each sweep is paid by as many that came since the last.
            self.sweep_at = self.by_name.len() * 2;
        }
    }
}

#[async_trait]
impl Atomics for InProcessAtomics {
    async fn apply(
        &self,
        name: &AtomicName,
        operation: &Operation,
    ) -> Result<Answer, StorageError> {
        Ok(self.run(name, operation))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::atomics::AtomicKind;
    use crate::clock::ManualClock;

    #[test]
    fn what_has_ended_is_swept() {
        let clock = ManualClock::new();
        let atomics = InProcessAtomics::new(Arc::new(clock.clone()));
        let add = Operation::Add { delta: 1, ttl: Some(Duration::from_secs(1)), renew: false };
        for round in 0..20 {
            for number in 0..SWEEP_AT_MIN {
                let name = format!("{round}:{number}");
                let name = AtomicName::new("t", &name, AtomicKind::Counter).unwrap();
                atomics.run(&name, &add);
            }
            clock.advance(Duration::from_secs(2));
        }
        assert!(atomics.len() <= SWEEP_AT_MIN * 2 + 1, "{}", atomics.len());
    }
}
