use std::future::Future;
use std::sync::Arc;

use super::failure::Failure;
use crate::clock::Clock;
use crate::storage::Storage;

/// Makes stores for the cases, and opens them.
///
/// A *store* is what outlives a client: a folder, a database, a server's address with a name of
/// its own. A case gets one store and opens it once, several times at once, or again.
pub trait StorageFactory: Send + Sync + 'static {
    /// The place that clients are opened on. It is dropped after all of them are closed, and may
    /// clean up then.
    type Store: Send + Sync + 'static;

    /// How time passes for the storages that this opens.
    fn time(&self) -> Time {
        Time::Injected
    }

    /// How many clients one store takes.
    fn clients(&self) -> Clients {
        Clients::Many
    }

    /// What keeps the stores of two cases apart.
    fn isolation(&self) -> Isolation {
        Isolation::Store
    }

    /// Makes an empty store.
    ///
    /// # Errors
    /// Any error; the case fails with it.
    fn create(&self) -> impl Future<Output = Result<Self::Store, Failure>> + Send;

    /// Opens a client on a store, as another process would.
    ///
    /// # Errors
    /// Any error; the case fails with it.
    fn open(
        &self,
        store: &Self::Store,
        setup: &Setup,
    ) -> impl Future<Output = Result<Arc<dyn Storage>, Failure>> + Send;
}

/// What a case asks of the storage that is opened for it.
#[derive(Clone, Debug)]
pub struct Setup {
    pub(super) clock: Arc<dyn Clock>,
    pub(super) value_bytes_max: Option<u64>,
    pub(super) entries_max: Option<u64>,
    pub(super) bytes_max: Option<u64>,
    pub(super) events_max: Option<u64>,
}

impl Setup {
    /// The clock that the storage is to go by, where it has no server with a clock.
    pub fn clock(&self) -> Arc<dyn Clock> {
        Arc::clone(&self.clock)
    }

    /// The largest payload that the storage is to take, where the case wants it small. A storage
    /// that cannot be told leaves it aside; the case is then ignored.
    pub fn value_bytes_max(&self) -> Option<u64> {
        self.value_bytes_max
    }

    /// The bound on entries that the store is to be opened with, where the case has one. Every
    /// storage that [evicts](crate::storage::Capabilities::evicts) and has stores of its own
    /// follows it.
    pub fn entries_max(&self) -> Option<u64> {
        self.entries_max
    }

    /// How many events the log is to keep, more or less, where the case has such a bound. Every
    /// storage with a log and stores of its own follows it.
    pub fn events_max(&self) -> Option<u64> {
        self.events_max
    }

    /// The bound on bytes that the store is to be opened with, where the case has one. Followed as
    /// [`entries_max`](Self::entries_max) is; what else than payloads counts is the storage's own.
    pub fn bytes_max(&self) -> Option<u64> {
        self.bytes_max
    }
}

/// How time passes for a storage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Time {
    /// It goes by [`Setup::clock`], which cases move by hand.
    Injected,
    /// It goes by its server's clock: cases wait in short spans, and those that need an exact
    /// moment are ignored. Both clocks are to agree within a tenth of a second.
    Server,
}

/// How many clients one store takes at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Clients {
    /// As many as are opened.
    Many,
    /// One; a second is refused, or sees other entries.
    One,
}

/// What keeps the stores of two cases apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Isolation {
    /// Each store has entries and a fence of its own: cases run in parallel without a thought.
    Store,
    /// Stores share one fence, and only the prefix differs: cases that raise the floor run alone,
    /// the others never meet in a cell.
    Prefix,
}
