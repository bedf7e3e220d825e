use std::collections::HashMap;
use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;

use super::calls::Operation;
use crate::entry::Entry;
use crate::key::Key;
use crate::storage::StorageErrorKind;
use crate::testing::gate::Gate;

/// In which way an entry that is read differs from what was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ReadDamage {
    /// One bit of the payload is flipped; of an empty payload, a byte is added.
    FlippedBit,
    /// The second half of the payload is missing.
    Torn,
    /// The checksum is another one.
    WrongChecksum,
    /// The storage finds the damage itself, and answers with an error of kind
    /// [`Corrupt`](StorageErrorKind::Corrupt).
    Detected,
}

impl ReadDamage {
    pub(in crate::testing) fn apply(self, entry: &mut Entry) {
        match self {
            Self::FlippedBit => {
                let mut bytes = entry.payload.to_vec();
                match bytes.first_mut() {
                    Some(first) => *first ^= 1,
                    None => bytes.push(0),
                }
                entry.payload = Bytes::from(bytes);
            }
            Self::Torn => entry.payload.truncate(entry.payload.len() / 2),
            Self::WrongChecksum => entry.checksum ^= 1,
            Self::Detected => {}
        }
    }
}

/// What is to go wrong.
#[derive(Debug, Default)]
pub(super) struct Faults(Mutex<Plan>);

#[derive(Debug, Default)]
struct Plan {
    failures: HashMap<Operation, VecDeque<StorageErrorKind>>,
    losses: HashMap<Operation, VecDeque<StorageErrorKind>>,
    panics: HashMap<Operation, usize>,
    delays: HashMap<Operation, VecDeque<Duration>>,
    keys: HashMap<Key, VecDeque<StorageErrorKind>>,
    damages: VecDeque<ReadDamage>,
    gates: HashMap<Operation, Gate>,
    answer_gates: HashMap<Operation, Gate>,
}

fn extend<K: std::hash::Hash + Eq, T: Clone>(
    queues: &mut HashMap<K, VecDeque<T>>,
    of: K,
    what: T,
    count: usize,
) {
    queues.entry(of).or_default().extend(std::iter::repeat_n(what, count));
}

fn take<K: std::hash::Hash + Eq, T>(queues: &mut HashMap<K, VecDeque<T>>, of: &K) -> Option<T> {
    queues.get_mut(of)?.pop_front()
}

impl Faults {
    pub(super) fn fail_next(&self, operation: Operation, count: usize, kind: StorageErrorKind) {
        extend(&mut self.0.lock().failures, operation, kind, count);
    }

    pub(super) fn lose_next(&self, operation: Operation, count: usize, kind: StorageErrorKind) {
        extend(&mut self.0.lock().losses, operation, kind, count);
    }

    pub(super) fn panic_next(&self, operation: Operation, count: usize) {
        *self.0.lock().panics.entry(operation).or_default() += count;
    }

    pub(super) fn fail_next_of_key(&self, key: &Key, count: usize, kind: StorageErrorKind) {
        extend(&mut self.0.lock().keys, key.clone(), kind, count);
    }

    pub(super) fn delay_next(&self, operation: Operation, count: usize, duration: Duration) {
        extend(&mut self.0.lock().delays, operation, duration, count);
    }

    pub(super) fn damage_next(&self, damage: ReadDamage, count: usize) {
        self.0.lock().damages.extend(std::iter::repeat_n(damage, count));
    }

    pub(super) fn hold(&self, operation: Operation) -> Gate {
        let gate = Gate::new();
        self.0.lock().gates.insert(operation, gate.clone());
        gate
    }

    pub(super) fn hold_answers(&self, operation: Operation) -> Gate {
        let gate = Gate::new();
        self.0.lock().answer_gates.insert(operation, gate.clone());
        gate
    }

    pub(super) fn heal(&self) {
        let plan = std::mem::take(&mut *self.0.lock());
        for gate in plan.gates.values().chain(plan.answer_gates.values()) {
            gate.open();
        }
    }

    pub(super) fn gate(&self, operation: Operation) -> Option<Gate> {
        self.0.lock().gates.get(&operation).cloned()
    }

    pub(super) fn answer_gate(&self, operation: Operation) -> Option<Gate> {
        self.0.lock().answer_gates.get(&operation).cloned()
    }

    pub(super) fn failure(&self, operation: Operation) -> Option<StorageErrorKind> {
        take(&mut self.0.lock().failures, &operation)
    }

    pub(super) fn loss(&self, operation: Operation) -> Option<StorageErrorKind> {
        take(&mut self.0.lock().losses, &operation)
    }

    /// Panics where that was asked for.
    pub(super) fn panic(&self, operation: Operation) {
        let left = {
            let mut plan = self.0.lock();
            plan.panics
                .get_mut(&operation)
                .map(|count| std::mem::replace(count, count.saturating_sub(1)))
        };
        assert!(left.is_none_or(|left| left == 0), "a panic that was asked for");
    }

    pub(super) fn delay(&self, operation: Operation) -> Option<Duration> {
        take(&mut self.0.lock().delays, &operation)
    }

    pub(super) fn failure_of_key(&self, key: &Key) -> Option<StorageErrorKind> {
        take(&mut self.0.lock().keys, key)
    }

    pub(super) fn damage(&self) -> Option<ReadDamage> {
        self.0.lock().damages.pop_front()
    }
}
