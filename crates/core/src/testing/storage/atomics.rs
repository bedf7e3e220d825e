use std::collections::HashMap;
use std::time::Duration;

use async_trait::async_trait;

use super::TestStorage;
use super::calls::Operation;
use super::mutant::Mutant;
use super::operations::pause;
use crate::atomics::{self, Answer, AtomicName, Atomics, Change, Slot};
use crate::clock::Timestamp;
use crate::storage::StorageError;

/// Counters, locks and the like of a store.
#[derive(Debug, Default)]
pub(super) struct Slots(HashMap<AtomicName, Slot>);

impl Slots {
    fn change(&mut self, name: &AtomicName, change: Change) {
        match change {
            Change::Keep => {}
            Change::Put(slot) => drop(self.0.insert(name.clone(), slot)),
            Change::Remove => drop(self.0.remove(name)),
        }
    }

    /// Forgets all, which nothing but [`Mutant::ClearTakesAtomics`] does.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// Forgets what is past its end.
    pub(super) fn sweep(&mut self, now: Timestamp) {
        let now_us = micros(now);
        self.0.retain(|_, slot| slot.expires_us > now_us);
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

fn micros(now: Timestamp) -> u64 {
    now.unix_ms().saturating_mul(1_000)
}

/// The step as a storage that breaks a rule would take it.
fn mutated(
    mutant: Option<Mutant>,
    operation: &atomics::Operation,
    slot: Option<&Slot>,
) -> atomics::Operation {
    use atomics::Operation as Step;
    let mut step = operation.clone();
    match (mutant, &mut step, slot) {
        (Some(Mutant::CounterAlwaysRenewed), Step::Add { renew, .. }, _) => *renew = true,
        (Some(Mutant::SwapBlind), Step::Swap { expected, .. }, slot) => {
            *expected = slot.and_then(|slot| atomics::Version::from_number(slot.number));
        }
        (
            Some(Mutant::TokenForgotten),
            Step::Acquire { retention, .. } | Step::Release { retention, .. },
            _,
        ) => *retention = Duration::ZERO,
        (Some(Mutant::ReleasedByAnyone), Step::Release { .. }, Some(_)) => step = Step::Remove,
        _ => {}
    }
    step
}

#[async_trait]
impl Atomics for TestStorage {
    async fn apply(
        &self,
        name: &AtomicName,
        operation: &atomics::Operation,
    ) -> Result<Answer, StorageError> {
        self.begin(Operation::Atomic, 1).await?;
        let now_us = micros(self.client.clock.wall());
        let store = &self.client.store;
        let answer = if self.breaks(Mutant::AtomicInTwoSteps) {
            let slot = store.lock().slots().0.get(name).cloned();
            pause().await;
            let (change, answer) = operation.apply(slot.as_ref(), now_us);
            store.lock().slots().change(name, change);
            answer
        } else {
            let mut store = store.lock();
            let slots = store.slots();
            let slot = slots.0.get(name);
            let step = mutated(self.client.mutant, operation, slot);
            let (change, answer) = step.apply(slot, now_us);
            slots.change(name, change);
            match (operation, answer) {
                (atomics::Operation::Release { .. }, Answer::Removed(it)) => Answer::Released(it),
                (_, answer) => answer,
            }
        };
        self.finish(Operation::Atomic, answer).await
    }
}
