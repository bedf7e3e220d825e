use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;

use super::context::{Context, Ground, Room};
use super::factory::{Clients, Isolation, Setup, StorageFactory, Time};
use super::failure::{CaseResult, Failure};
use crate::clock::{Clock, ManualClock, SystemClock};
use crate::storage::Storage;

/// One case of the suite.
#[derive(Clone)]
pub struct Case {
    name: &'static str,
    needs: &'static [Need],
    exclusive: bool,
    run: fn(Context) -> BoxFuture<'static, CaseResult>,
}

/// What a case needs that not every storage has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Need {
    /// Time that the case moves by hand: [`Time::Injected`].
    ManualTime,
    /// Two clients on one store: [`Clients::Many`].
    SecondClient,
    /// Entries that outlive their client: [`Capabilities::persistent`](crate::storage::Capabilities::persistent).
    Persistence,
    /// Listing keys: [`Capabilities::scan`](crate::storage::Capabilities::scan).
    Scan,
    /// A bound on values that is small enough to pass: [`Setup::value_bytes_max`] is followed.
    SmallValues,
    /// Bounds that evict, and can be made small: [`Capabilities::evicts`](crate::storage::Capabilities::evicts).
    Eviction,
    /// A log of events: [`Storage::events`].
    Events,
    /// A bound on events that is small enough to pass: [`Setup::events_max`] is followed.
    SmallLog,
    /// Counters, locks and the like: [`Capabilities::atomics`](crate::storage::Capabilities::atomics).
    Atomics,
    /// Statistics of nothing but the case's own entries: [`Isolation::Store`].
    OwnStore,
}

/// What became of a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// The storage does as it must.
    Passed,
    /// The storage says that it does not have this; it was not tried.
    Ignored(Need),
}

/// The bound on values that cases with [`Need::SmallValues`] ask for.
pub(super) const SMALL_VALUE_BYTES: u64 = 64 << 10;

/// The bounds that cases with [`Need::Eviction`] ask for.
pub(super) const SMALL_ENTRIES: u64 = 64;
pub(super) const SMALL_BYTES: u64 = 1 << 20;

/// The bound on events that cases with [`Need::SmallLog`] ask for.
pub(super) const SMALL_EVENTS: u64 = 100;

/// After this long in real time a case is given up.
const TIME_LIMIT: Duration = Duration::from_secs(120);

impl Case {
    pub(super) const fn new(
        name: &'static str,
        needs: &'static [Need],
        run: fn(Context) -> BoxFuture<'static, CaseResult>,
    ) -> Self {
        Self { name, needs, exclusive: false, run }
    }

    /// Raises the floor, or so many cells that no other case could run beside it on one fence.
    pub(super) const fn exclusive(mut self) -> Self {
        self.exclusive = true;
        self
    }

    /// Its name.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// What it needs.
    pub fn needs(&self) -> &'static [Need] {
        self.needs
    }

    /// Whether every storage has to pass it.
    pub fn is_core(&self) -> bool {
        self.needs.is_empty()
    }

    /// Runs the case on a new store of `factory`. Needs a runtime of several threads with time.
    ///
    /// # Errors
    /// [`Failure`] if the storage does not do as it must, or could not be opened.
    pub async fn check<F: StorageFactory>(&self, factory: &Arc<F>) -> CaseResult<Verdict> {
        self.check_within(factory, &Ground::default()).await
    }

    pub(super) async fn check_within<F: StorageFactory>(
        &self,
        factory: &Arc<F>,
        ground: &Ground,
    ) -> CaseResult<Verdict> {
        let unmet = |need: &&Need| match need {
            Need::ManualTime => factory.time() == Time::Server,
            Need::SecondClient => factory.clients() == Clients::One,
            Need::OwnStore => factory.isolation() == Isolation::Prefix,
            Need::Persistence | Need::Scan | Need::SmallValues | Need::Eviction => false,
            Need::Events | Need::SmallLog | Need::Atomics => false,
        };
        if let Some(need) = self.needs.iter().find(unmet) {
            return Ok(Verdict::Ignored(*need));
        }
        let shared = factory.isolation() == Isolation::Prefix;
        let _turn = ground.turn(shared && self.exclusive).await;

        let manual = match factory.time() {
            Time::Injected => Some(ManualClock::new()),
            Time::Server => None,
        };
        let clock: Arc<dyn Clock> = match &manual {
            Some(clock) => Arc::new(clock.clone()),
            None => Arc::new(SystemClock),
        };
        let small = self.needs.contains(&Need::SmallValues);
        let bounded = self.needs.contains(&Need::Eviction);
        let setup = Setup {
            clock,
            value_bytes_max: small.then_some(SMALL_VALUE_BYTES),
            entries_max: bounded.then_some(SMALL_ENTRIES),
            bytes_max: bounded.then_some(SMALL_BYTES),
            events_max: self.needs.contains(&Need::SmallLog).then_some(SMALL_EVENTS),
        };
        let store = factory.create().await?;
        let room = Arc::new(Room::new(Arc::clone(factory), store, setup, manual));
        let context = Context::open(room.clone(), ground.cells(shared)).await?;
        if let Some(need) = self.unmet_by(&**context.storage()) {
            room.close().await?;
            return Ok(Verdict::Ignored(need));
        }
        let ran = match tokio::time::timeout(TIME_LIMIT, (self.run)(context)).await {
            Ok(ran) => ran,
            Err(_) => Err(Failure::new(format!("not finished after {TIME_LIMIT:?}"))),
        };
        // The case's own failure says more than that of closing after it.
        let closed = room.close().await;
        ran.and(closed).map(|()| Verdict::Passed)
    }

    fn unmet_by(&self, storage: &dyn Storage) -> Option<Need> {
        let capabilities = storage.capabilities();
        self.needs.iter().copied().find(|need| match need {
            Need::Persistence => !capabilities.persistent,
            Need::Scan => !capabilities.scan,
            Need::SmallValues => capabilities.value_bytes_max > SMALL_VALUE_BYTES,
            Need::Eviction => !capabilities.evicts,
            Need::Events => storage.events().is_none(),
            Need::Atomics => !capabilities.atomics,
            Need::ManualTime | Need::SecondClient | Need::OwnStore | Need::SmallLog => false,
        })
    }
}

impl fmt::Debug for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Case").field("name", &self.name).field("needs", &self.needs).finish()
    }
}

impl fmt::Display for Need {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ManualTime => "the storage goes by its server's clock",
            Self::SecondClient => "the store takes one client only",
            Self::Persistence => "entries do not outlive their client",
            Self::Scan => "the storage does not list keys",
            Self::SmallValues => "the storage's bound on values cannot be made small",
            Self::Eviction => "the storage does not evict",
            Self::Events => "the storage has no log of events",
            Self::SmallLog => "the log's bound cannot be made small",
            Self::Atomics => "the storage offers no counters, locks or leases",
            Self::OwnStore => "the stores of all cases share one server",
        })
    }
}

/// A case out of an async function, with what it needs.
macro_rules! case {
    ($function:ident $(, $need:ident)*) => {
        $crate::testing::suite::Case::new(
            stringify!($function),
            &[$($crate::testing::suite::Need::$need),*],
            |context| Box::pin($function(context)),
        )
    };
}

pub(super) use case;
