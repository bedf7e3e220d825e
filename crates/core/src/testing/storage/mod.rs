//! A storage in memory for tests: plain, complete, and broken on demand.

mod atomics;
mod builder;
mod calls;
mod events;
mod faults;
mod mutant;
mod operations;
mod table;
#[cfg(test)]
mod tests;

pub use builder::TestStorageBuilder;
pub use calls::{Calls, Operation};
pub use faults::ReadDamage;
pub use mutant::Mutant;

use std::sync::Arc;
use std::time::Duration;

use self::calls::Counters;
use self::faults::Faults;
use self::table::Table;
use super::gate::Gate;
use crate::backplane::InProcessLog;
use crate::clock::Clock;
use crate::entry::Entry;
use crate::key::Key;
use crate::storage::{Capabilities, StorageErrorKind};
use crate::sync::Mutex;

/// A storage in memory for tests: plain, complete, and broken on demand.
///
/// It does all that the [suite](super::suite) asks, behind one lock. Clones are the same client;
/// [`second_client`](Self::second_client) is another one on the same store, as another process
/// would have, with calls, faults and a life of its own.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// use cache_core::key::Key;
/// use cache_core::storage::{Storage, StorageErrorKind};
/// use cache_core::testing::{Operation, TestStorage};
///
/// let storage = TestStorage::new();
/// let key = Key::parse("app:user:7:v1").unwrap();
/// storage.fail_next(Operation::Get, 1, StorageErrorKind::Unavailable);
/// assert!(storage.get(&key).await.unwrap_err().is_transient());
/// assert_eq!(storage.get(&key).await.unwrap().entry, None);
/// assert_eq!(storage.calls().get, 2);
/// # });
/// ```
#[derive(Clone, Debug)]
pub struct TestStorage {
    client: Arc<ClientState>,
}

#[derive(Debug)]
struct ClientState {
    store: Arc<Mutex<Table>>,
    clock: Arc<dyn Clock>,
    capabilities: Capabilities,
    mutant: Option<Mutant>,
    calls: Counters,
    faults: Faults,
    closed: std::sync::atomic::AtomicBool,
    log: InProcessLog,
    has_events: bool,
}

impl Default for TestStorage {
    fn default() -> Self {
        Self::new()
    }
}

impl TestStorage {
    /// A shared, volatile storage without a bound, on a [`ManualClock`](super::ManualClock) of its
    /// own.
    pub fn new() -> Self {
        Self::builder().build()
    }

    /// A storage with other capabilities, or on a given clock.
    pub fn builder() -> TestStorageBuilder {
        TestStorageBuilder::default()
    }

    fn on(
        store: Arc<Mutex<Table>>,
        clock: Arc<dyn Clock>,
        capabilities: Capabilities,
        mutant: Option<Mutant>,
        (log, has_events): (InProcessLog, bool),
    ) -> Self {
        Self {
            client: Arc::new(ClientState {
                store,
                clock,
                capabilities,
                mutant,
                calls: Counters::default(),
                faults: Faults::default(),
                closed: false.into(),
                log,
                has_events,
            }),
        }
    }

    /// Another client on the same store; open even where this one is closed.
    pub fn second_client(&self) -> Self {
        self.client_with(Arc::clone(&self.client.clock)).build()
    }

    /// Another client on the same store, with a clock and capabilities of its own.
    pub fn client_with(&self, clock: Arc<dyn Clock>) -> TestStorageBuilder {
        let client = &self.client;
        TestStorageBuilder {
            store: Some(Arc::clone(&client.store)),
            clock,
            capabilities: client.capabilities.clone(),
            mutant: client.mutant,
            log: client.log.clone(),
            has_events: client.has_events,
        }
    }

    /// The calls that this client has had, failed ones included.
    pub fn calls(&self) -> Calls {
        self.client.calls.snapshot()
    }

    /// Begins to count at zero again.
    pub fn reset_calls(&self) {
        self.client.calls.reset();
    }

    /// The next `count` calls of an operation fail, and change nothing.
    pub fn fail_next(&self, operation: Operation, count: usize, kind: StorageErrorKind) {
        self.client.faults.fail_next(operation, count, kind);
    }

    /// The next `count` calls of an operation are carried out, and fail then: their answers are
    /// lost on the way.
    pub fn lose_next_answers(&self, operation: Operation, count: usize, kind: StorageErrorKind) {
        self.client.faults.lose_next(operation, count, kind);
    }

    /// The next `count` calls of an operation panic, and change nothing.
    pub fn panic_next(&self, operation: Operation, count: usize) {
        self.client.faults.panic_next(operation, count);
    }

    /// The next `count` keys that are read or written in a batch, or alone by `get`, fail if they
    /// are this one, and change nothing; the others in their batches do not.
    pub fn fail_next_of_key(&self, key: &Key, count: usize, kind: StorageErrorKind) {
        self.client.faults.fail_next_of_key(key, count, kind);
    }

    /// The next `count` entries that are found come out damaged; what is stored stays whole.
    pub fn damage_next(&self, damage: ReadDamage, count: usize) {
        self.client.faults.damage_next(damage, count);
    }

    /// The next `count` calls of an operation take so long, by the storage's clock.
    pub fn delay_next(&self, operation: Operation, count: usize, duration: Duration) {
        self.client.faults.delay_next(operation, count, duration);
    }

    /// Every call of an operation waits at this gate before it does anything, from now on.
    ///
    /// ```
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// use cache_core::storage::Storage;
    /// use cache_core::testing::{Operation, TestStorage};
    ///
    /// let storage = TestStorage::new();
    /// let gate = storage.hold(Operation::Flush);
    /// let flush = tokio::spawn({ let storage = storage.clone(); async move { storage.flush().await } });
    /// gate.arrived(1).await;
    /// gate.open();
    /// assert!(flush.await.unwrap().is_ok());
    /// # });
    /// ```
    pub fn hold(&self, operation: Operation) -> Gate {
        self.client.faults.hold(operation)
    }

    /// Every call of an operation waits at this gate after it was carried out, and before it
    /// answers.
    pub fn hold_answers(&self, operation: Operation) -> Gate {
        self.client.faults.hold_answers(operation)
    }

    /// Takes away all faults that are left, and opens all gates.
    pub fn heal(&self) {
        self.client.faults.heal();
    }

    /// Every call of its log of events fails from now on, by any client, until this is taken back.
    pub fn set_events_down(&self, is_down: bool) {
        self.client.log.set_down(is_down);
    }

    /// What is stored under a key, past its time or not; counts as no call.
    pub fn stored(&self, key: &Key) -> Option<Entry> {
        self.client.store.lock().stored(key)
    }

    /// The keys of all that is stored and within its time; counts as no call.
    pub fn keys(&self) -> Vec<Key> {
        self.client.store.lock().keys(self.client.clock.wall())
    }

    /// How many counters, locks and the like are stored, past their ends or not; counts as no
    /// call.
    pub fn atomics_stored(&self) -> usize {
        self.client.store.lock().slots().len()
    }

    /// Loses all entries, as a server does that is restarted without a disk. The fence is made
    /// anew, with another origin: stamps from before are refused.
    pub fn lose_everything(&self) {
        let now = self.client.clock.wall();
        *self.client.store.lock() = Table::new(now);
        self.client.log.lose_everything();
    }
}
