use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::close::CloseError;
use super::order::TierOrder;
use super::registered::{Registered, RegisteredMemory};
use crate::backplane::{Announcement, Announcer, Cause};
use crate::clock::Clock;
use crate::error::Error;
use crate::events::Hub;
use crate::fence::Fence;
use crate::storage::{InvalidationMode, Selector};
use crate::sync::{AbortHandle, JoinError, Runtime, panic_of};
use crate::write_behind::Queues;

/// What all bindings of a cache share. It knows no node type.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) prefix: String,
    pub(crate) clock: Arc<dyn Clock>,
    /// The fence of this process: raised by every invalidation, asked by every fill of memory.
    pub(crate) fence: Fence,
    pub(crate) hasher: foldhash::quality::RandomState,
    pub(crate) storages: Vec<Arc<Registered>>,
    pub(crate) memories: Vec<RegisteredMemory>,
    pub(crate) order: TierOrder,
    /// What is accepted and yet to be written, by node type.
    pub(crate) queues: Queues,
    /// What happens is told here.
    pub(crate) events: Arc<Hub>,
    /// Whether reads of memory are timed.
    pub(crate) times_memory_reads: bool,
    /// Tells other processes, where there is a backplane.
    pub(crate) announcer: Option<Arc<Announcer>>,
    #[cfg(feature = "metrics")]
    pub(crate) publisher: crate::observe::Publisher,
    runtime: Runtime,
    tasks: TaskTracker,
    closing: CancellationToken,
    aborting: CancellationToken,
    closed: AtomicBool,
    /// What closing came to; entered by whoever closes, once.
    pub(super) closed_storages: tokio::sync::OnceCell<Result<(), CloseError>>,
}

/// What a builder has put together.
pub(super) struct Parts {
    pub(super) prefix: String,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) runtime: Runtime,
    pub(super) storages: Vec<Arc<Registered>>,
    pub(super) memories: Vec<RegisteredMemory>,
    pub(super) events: Arc<Hub>,
    pub(super) times_memory_reads: bool,
    pub(super) announcer: Option<Arc<Announcer>>,
}

impl Shared {
    pub(super) fn new(parts: Parts) -> Self {
        let Parts {
            prefix,
            clock,
            runtime,
            storages,
            memories,
            events,
            times_memory_reads,
            announcer,
        } = parts;
        Self {
            prefix,
            clock,
            fence: Fence::new(),
            hasher: foldhash::quality::RandomState::default(),
            order: TierOrder::new(storages.clone()),
            queues: Queues::default(),
            storages,
            memories,
            events,
            times_memory_reads,
            announcer,
            #[cfg(feature = "metrics")]
            publisher: crate::observe::Publisher::default(),
            runtime,
            tasks: TaskTracker::new(),
            closing: CancellationToken::new(),
            aborting: CancellationToken::new(),
            closed: AtomicBool::new(false),
            closed_storages: tokio::sync::OnceCell::new(),
        }
    }

    /// What is to be told to other processes of an invalidation that begins.
    pub(crate) fn announce(
        &self,
        selector: &Selector,
        mode: InvalidationMode,
        cause: Cause,
    ) -> Announcement<'_> {
        Announcement::new(self.announcer.as_deref(), selector, mode, cause)
    }

    /// Cancelled when closing begins.
    pub(crate) fn closing(&self) -> CancellationToken {
        self.closing.clone()
    }

    /// Cancelled when closing has waited long enough: what still runs is given up.
    pub(crate) fn aborting(&self) -> &CancellationToken {
        &self.aborting
    }

    pub(crate) fn check_open(&self) -> Result<(), Error> {
        if self.closed.load(Ordering::Relaxed) { Err(Error::Closed) } else { Ok(()) }
    }

    /// Runs a task of the cache: counted, so that closing waits for it, and dropped where closing
    /// has waited long enough.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) -> AbortHandle {
        let aborting = self.aborting.clone();
        let task = async move {
            // Given up or done, the task's own guards have settled its part.
            let _ = aborting.run_until_cancelled_owned(task).await;
        };
        self.runtime.spawn(self.tasks.track_future(task)).abort_handle()
    }

    /// Runs a task that ends when closing begins: it has nothing to finish.
    pub(crate) fn spawn_until_closing(
        &self,
        task: impl Future<Output = ()> + Send + 'static,
    ) -> AbortHandle {
        let closing = self.closing.clone();
        self.spawn(async move {
            let _ = closing.run_until_cancelled_owned(task).await;
        })
    }

    /// The names of all memories and storages, as errors list them.
    pub(crate) fn registered_names(&self) -> String {
        let memories = self.memories.iter().map(|memory| &*memory.name);
        let storages = self.storages.iter().map(|storage| &*storage.name);
        let registered: Vec<&str> = memories.chain(storages).collect();
        if registered.is_empty() { "none".to_owned() } else { registered.join(", ") }
    }

    /// Runs an operation to its end even if its caller goes away half-way, which would leave some
    /// tiers changed and others not. A panic in it is the caller's.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        operation: impl Future<Output = Result<T, Error>> + Send + 'static,
    ) -> Result<T, Error> {
        self.check_open()?;
        let aborting = self.aborting.clone();
        let operation = async move {
            aborting.run_until_cancelled_owned(operation).await.unwrap_or(Err(Error::Closed))
        };
        match self.runtime.spawn(self.tasks.track_future(operation)).await {
            Ok(done) => done,
            Err(error) => resume(error).ok_or(Error::Closed)?,
        }
    }

    /// Runs what takes long without awaiting on a thread made for that.
    pub(crate) async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> T {
        match self.runtime.spawn_blocking(work).await {
            Ok(done) => done,
            Err(error) => match resume(error) {
                Some(never) => never,
                // The runtime is shutting down and drops this future, too, at its next await.
                None => std::future::pending().await,
            },
        }
    }

    pub(super) fn refuse(&self) {
        self.tasks.close();
        self.closing.cancel();
        self.closed.store(true, Ordering::SeqCst);
        // What they hold is written while what runs comes to its end.
        self.queues.for_each(|queue| queue.close());
    }

    pub(super) async fn finished(&self) {
        self.tasks.wait().await;
    }

    pub(super) fn abort(&self) {
        self.aborting.cancel();
    }
}

/// Lets the caller have the panic of a task; `None` if it was cancelled instead.
fn resume<T>(error: JoinError) -> Option<T> {
    match panic_of(error) {
        Some(panic) => std::panic::resume_unwind(panic),
        None => None,
    }
}
