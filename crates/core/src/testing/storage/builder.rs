use std::sync::Arc;

use super::TestStorage;
use super::mutant::Mutant;
use super::table::Table;
use crate::backplane::InProcessLog;
use crate::clock::{Clock, ManualClock};
use crate::storage::{Capabilities, Reach};
use crate::sync::Mutex;

/// Makes a [`TestStorage`].
#[derive(Clone, Debug)]
pub struct TestStorageBuilder {
    /// The store of another client; a new one without.
    pub(super) store: Option<Arc<Mutex<Table>>>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) capabilities: Capabilities,
    pub(super) mutant: Option<Mutant>,
    pub(super) log: InProcessLog,
    pub(super) has_events: bool,
}

impl Default for TestStorageBuilder {
    fn default() -> Self {
        let capabilities =
            Capabilities::new("test", Reach::Shared).volatile().without_eviction().with_atomics();
        Self {
            store: None,
            clock: Arc::new(ManualClock::new()),
            capabilities,
            mutant: None,
            log: InProcessLog::new(),
            has_events: true,
        }
    }
}

impl TestStorageBuilder {
    /// The clock that the storage goes by.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Which processes it says that it reaches.
    pub fn reach(mut self, reach: Reach) -> Self {
        self.capabilities.reach = reach;
        self
    }

    /// The name that it goes by in errors and statistics.
    pub fn scheme(mut self, scheme: &'static str) -> Self {
        self.capabilities.scheme = scheme;
        self
    }

    /// The largest payload that it takes, in bytes.
    pub fn value_bytes_max(mut self, value_bytes_max: u64) -> Self {
        self.capabilities.value_bytes_max = value_bytes_max;
        self
    }

    /// Whether it says that entries outlive their client.
    pub fn persistent(mut self, persistent: bool) -> Self {
        self.capabilities.persistent = persistent;
        self
    }

    /// Whether it lists keys.
    pub fn scan(mut self, scan: bool) -> Self {
        self.capabilities.scan = scan;
        self
    }

    /// Whether it has a log of events; it has one by default.
    pub fn events(mut self, has_events: bool) -> Self {
        self.has_events = has_events;
        self
    }

    /// How many events its log keeps.
    pub fn events_max(mut self, events_max: usize) -> Self {
        self.log = self.log.with_events_max(events_max);
        self
    }

    /// Whether it offers counters, locks and the like.
    pub fn atomics(mut self, atomics: bool) -> Self {
        self.capabilities.atomics = atomics;
        self
    }

    /// Breaks one rule that every storage keeps, to show that the suite finds it.
    #[doc(hidden)]
    pub fn mutant(mut self, mutant: Mutant) -> Self {
        self.mutant = Some(mutant);
        self
    }

    /// The storage; empty, unless it is another client of one that is not.
    pub fn build(self) -> TestStorage {
        let new = || Arc::new(Mutex::new(Table::new(self.clock.wall())));
        let store = self.store.unwrap_or_else(new);
        TestStorage::on(
            store,
            self.clock,
            self.capabilities,
            self.mutant,
            (self.log, self.has_events),
        )
    }
}
