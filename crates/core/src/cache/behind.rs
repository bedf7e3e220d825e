use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::clock::Tick;
use crate::node::NodeDefinition;
use crate::policy::throttle::Throttle;
use crate::sync::Mutex;

/// How many failed keys of a node type are remembered at once.
const THROTTLED_MAX: usize = 1 << 16;

/// After this long a refresh that found no place is tried again by whoever reads then.
pub(crate) const RETRY: Duration = Duration::from_millis(100);

/// What a binding keeps for refreshes behind its readers.
pub(crate) struct Behind {
    /// Whether the definition asks for any of it.
    pub(crate) is_on: bool,
    places: Arc<Semaphore>,
    prefetches: Arc<Semaphore>,
    throttle: Mutex<Throttle>,
    /// How long loads take, in nanoseconds: a moving mean, for [`XFetch`].
    ///
    /// [`XFetch`]: crate::policy::early::EarlyRefresh::XFetch
    load_time_ns: AtomicU64,
}

impl Behind {
    pub(super) fn new(definition: &NodeDefinition) -> Self {
        let places = |places: usize| Arc::new(Semaphore::new(places.min(Semaphore::MAX_PERMITS)));
        Self {
            is_on: definition.stale.is_on() || definition.early_refresh.is_some(),
            places: places(definition.refreshes_max),
            prefetches: places(definition.prefetches_max),
            throttle: Mutex::new(Throttle::new(THROTTLED_MAX)),
            load_time_ns: AtomicU64::new(0),
        }
    }

    /// A place for one more refresh, if there is one.
    pub(crate) fn place(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.places).try_acquire_owned().ok()
    }

    /// A place for one more batch of prefetches, if there is one.
    pub(crate) fn prefetch_place(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.prefetches).try_acquire_owned().ok()
    }

    /// A load took so long.
    pub(crate) fn load_took(&self, time: Duration) {
        let time = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        let mean = self.load_time_ns.load(Ordering::Relaxed);
        // Of two at once one may be lost.
        let moved = if mean == 0 { time } else { mean - mean / 8 + time / 8 };
        self.load_time_ns.store(moved, Ordering::Relaxed);
    }

    /// How long loads take.
    pub(crate) fn load_time(&self) -> Duration {
        Duration::from_nanos(self.load_time_ns.load(Ordering::Relaxed))
    }

    /// A load of the key that had begun under `stamp` failed.
    pub(crate) fn load_failed(&self, key_digest: u64, stamp: u64, now: Tick, until: Tick) {
        self.throttle.lock().failed(key_digest, stamp, now, until);
    }

    /// A load of the key succeeded.
    pub(crate) fn load_succeeded(&self, key_digest: u64) {
        self.throttle.lock().succeeded(key_digest);
    }

    /// Until when the source is not to be asked for the key, if it is not.
    pub(crate) fn throttled(&self, key_digest: u64, mark: u64, now: Tick) -> Option<Tick> {
        self.throttle.lock().until(key_digest, mark, now)
    }
}
