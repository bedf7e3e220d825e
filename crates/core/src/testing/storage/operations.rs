use std::sync::atomic::Ordering;

use async_trait::async_trait;
use futures_util::stream::{self, BoxStream, StreamExt, TryStreamExt};

use super::TestStorage;
use super::calls::Operation;
use super::faults::ReadDamage;
use super::mutant::Mutant;
use super::table::Rules;
use crate::atomics::Atomics;
use crate::backplane::EventLog;
use crate::fence::Stamp;
use crate::key::Key;
use crate::storage::{
    Budget, Capabilities, EntryDetails, Invalidated, InvalidationMode, Lookup, Maintenance,
    Outcome, Selector, Storage, StorageError, StorageErrorKind, StorageStats, Write,
};

impl TestStorage {
    fn error(&self, operation: Operation, kind: StorageErrorKind, message: &str) -> StorageError {
        StorageError::new(self.client.capabilities.scheme, operation.name(), kind, message)
    }

    fn rules(&self) -> Rules {
        Rules {
            now: self.client.clock.wall(),
            value_bytes_max: self.client.capabilities.value_bytes_max,
            mutant: self.client.mutant,
        }
    }

    pub(super) fn breaks(&self, mutant: Mutant) -> bool {
        self.client.mutant == Some(mutant)
    }

    fn refuse_if_closed(&self, operation: Operation) -> Result<(), StorageError> {
        if self.client.closed.load(Ordering::SeqCst) {
            return Err(self.error(operation, StorageErrorKind::Closed, "the storage is closed"));
        }
        Ok(())
    }

    /// Counts the call, and lets happen to it what was planned before it is carried out.
    pub(super) async fn begin(
        &self,
        operation: Operation,
        keys: usize,
    ) -> Result<(), StorageError> {
        self.client.calls.count(operation, keys);
        self.refuse_if_closed(operation)?;
        self.wait(operation).await;
        self.refuse_if_closed(operation)?;
        self.client.faults.panic(operation);
        match self.client.faults.failure(operation) {
            Some(kind) => Err(self.error(operation, kind, "a failure that was asked for")),
            None => Ok(()),
        }
    }

    async fn wait(&self, operation: Operation) {
        if let Some(delay) = self.client.faults.delay(operation) {
            self.client.clock.sleep(delay).await;
        }
        if let Some(gate) = self.client.faults.gate(operation) {
            gate.pass().await;
        }
    }

    /// Lets happen to an answer what was planned.
    pub(super) async fn finish<T>(
        &self,
        operation: Operation,
        answer: T,
    ) -> Result<T, StorageError> {
        if let Some(gate) = self.client.faults.answer_gate(operation) {
            gate.pass().await;
        }
        match self.client.faults.loss(operation) {
            Some(kind) => Err(self.error(operation, kind, "an answer that was to be lost")),
            None => Ok(answer),
        }
    }

    fn refuse_key(&self, operation: Operation, key: &Key) -> Result<(), StorageError> {
        match self.client.faults.failure_of_key(key) {
            Some(kind) => {
                let error = self.error(operation, kind, "a failure of this key that was asked for");
                Err(error.with_key(key))
            }
            None => Ok(()),
        }
    }

    fn lookup(&self, operation: Operation, key: &Key) -> Result<Lookup, StorageError> {
        self.refuse_key(operation, key)?;
        let rules = self.rules();
        let store = self.client.store.lock();
        let mut lookup = Lookup { stamp: store.stamp(), entry: store.read(key, rules) };
        drop(store);
        if let Some(entry) = &mut lookup.entry {
            match self.client.faults.damage() {
                Some(ReadDamage::Detected) => {
                    let kind = StorageErrorKind::Corrupt;
                    let error = self.error(operation, kind, "a damage that was asked for");
                    return Err(error.with_key(key));
                }
                Some(damage) => damage.apply(entry),
                None => {}
            }
        }
        Ok(lookup)
    }

    async fn list(&self, selector: &Selector) -> Result<Vec<EntryDetails>, StorageError> {
        self.begin(Operation::Scan, 0).await?;
        if !self.client.capabilities.scan {
            let message = "the storage does not list keys";
            return Err(self.error(Operation::Scan, StorageErrorKind::Invalid, message));
        }
        let rules = self.rules();
        let details = {
            let store = self.client.store.lock();
            let named = store.select(selector, rules);
            let details = named.into_iter().filter_map(|key| {
                let entry = store.stored(&key)?;
                Some(EntryDetails::of(key, &entry))
            });
            details.collect()
        };
        self.finish(Operation::Scan, details).await
    }
}

/// Gives other tasks their turn, so that what a mutant does in two steps is seen between them.
pub(super) async fn pause() {
    for _ in 0..4 {
        tokio::task::yield_now().await;
    }
}

#[async_trait]
impl Storage for TestStorage {
    fn capabilities(&self) -> &Capabilities {
        &self.client.capabilities
    }

    async fn get(&self, key: &Key) -> Result<Lookup, StorageError> {
        self.begin(Operation::Get, 1).await?;
        let lookup = self.lookup(Operation::Get, key)?;
        self.finish(Operation::Get, lookup).await
    }

    async fn get_many(
        &self,
        keys: &[Key],
    ) -> Result<Vec<Result<Lookup, StorageError>>, StorageError> {
        self.begin(Operation::GetMany, keys.len()).await?;
        let mut keys: Vec<&Key> = keys.iter().collect();
        if self.breaks(Mutant::BatchSorted) {
            keys.sort();
        }
        let lookups = keys.iter().map(|key| self.lookup(Operation::GetMany, key)).collect();
        self.finish(Operation::GetMany, lookups).await
    }

    async fn stamps(&self, keys: &[Key]) -> Result<Vec<Stamp>, StorageError> {
        self.begin(Operation::Stamps, keys.len()).await?;
        let stamps = vec![self.client.store.lock().stamp(); keys.len()];
        self.finish(Operation::Stamps, stamps).await
    }

    async fn write(
        &self,
        writes: Vec<Write>,
    ) -> Result<Vec<Result<Outcome, StorageError>>, StorageError> {
        self.begin(Operation::Write, writes.len()).await?;
        let mut outcomes = Vec::with_capacity(writes.len());
        let mut stopped = false;
        for Write { key, action } in writes {
            let outcome = self.refuse_key(Operation::Write, &key).map(|()| {
                if stopped {
                    return Outcome::Fenced;
                }
                self.client.store.lock().write(&key, action, self.rules())
            });
            stopped = self.breaks(Mutant::BatchStopsAtRefusal)
                && (stopped || outcome.as_ref().is_ok_and(|outcome| *outcome != Outcome::Stored));
            outcomes.push(outcome);
        }
        self.finish(Operation::Write, outcomes).await
    }

    async fn invalidate(
        &self,
        selector: &Selector,
        mode: InvalidationMode,
    ) -> Result<Invalidated, StorageError> {
        self.begin(Operation::Invalidate, 0).await?;
        let rules = self.rules();
        let store = &self.client.store;
        let entries = if self.breaks(Mutant::RemovalBeforeRaise) {
            let entries = store.lock().remove(selector, mode, rules);
            pause().await;
            let mut store = store.lock();
            let mark = store.next_mark(rules.now);
            store.raise(selector, mark, rules);
            entries
        } else if self.breaks(Mutant::RemovalPassesOverPuts) {
            let (mark, named) = {
                let mut store = store.lock();
                let mark = store.next_mark(rules.now);
                store.raise(selector, mark, rules);
                (mark, store.select(selector, rules))
            };
            let mut entries = 0;
            for keys in named.chunks(50) {
                pause().await;
                let keys = Selector::Keys(keys.to_vec());
                entries += store.lock().remove_older(&keys, mode, mark, rules);
            }
            entries
        } else if self.breaks(Mutant::CellsAssigned) {
            let mark = store.lock().next_mark(rules.now);
            pause().await;
            let mut store = store.lock();
            store.raise(selector, mark, rules);
            store.remove(selector, mode, rules)
        } else {
            let mut store = store.lock();
            let spared =
                mode == InvalidationMode::Expire && self.breaks(Mutant::ExpiryRaisesNothing);
            if !spared {
                let mark = store.next_mark(rules.now);
                store.raise(selector, mark, rules);
            }
            store.remove(selector, mode, rules)
        };
        self.finish(Operation::Invalidate, Invalidated { entries }).await
    }

    fn scan<'a>(
        &'a self,
        selector: &'a Selector,
    ) -> BoxStream<'a, Result<EntryDetails, StorageError>> {
        let listed = stream::once(self.list(selector));
        listed.map_ok(|details| stream::iter(details.into_iter().map(Ok))).try_flatten().boxed()
    }

    async fn maintain(&self, budget: Budget) -> Result<Maintenance, StorageError> {
        self.begin(Operation::Maintain, 0).await?;
        let done = self.client.store.lock().maintain(budget, self.rules());
        self.finish(Operation::Maintain, done).await
    }

    async fn stats(&self) -> Result<StorageStats, StorageError> {
        self.begin(Operation::Stats, 0).await?;
        let stats = self.client.store.lock().stats();
        self.finish(Operation::Stats, stats).await
    }

    fn atomics(&self) -> Option<&dyn Atomics> {
        self.client.capabilities.atomics.then_some(self)
    }

    async fn flush(&self) -> Result<(), StorageError> {
        self.begin(Operation::Flush, 0).await?;
        self.finish(Operation::Flush, ()).await
    }

    async fn close(&self) -> Result<(), StorageError> {
        self.client.calls.count(Operation::Close, 0);
        self.wait(Operation::Close).await;
        if !self.breaks(Mutant::CloseIgnored) {
            self.client.closed.store(true, Ordering::SeqCst);
        }
        match self.client.faults.failure(Operation::Close) {
            Some(kind) => Err(self.error(Operation::Close, kind, "a failure that was asked for")),
            None => self.finish(Operation::Close, ()).await,
        }
    }

    fn events(&self) -> Option<&dyn EventLog> {
        self.client.has_events.then_some(self)
    }
}
