//! Invalidation across tiers: the process' own fence and memory first, then the shared storages
//! from the farthest to the nearest, then the local ones, then other processes, then this one once
//! more.
//!
//! Nearest first would be wrong: a reader that misses the near tier after its invalidation could
//! read the old value from the far one and carry it nearer with a stamp that looks new.

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Weak};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::join;

use super::pending::Waiting;
use super::registered::Registered;
use super::shared::Shared;
use crate::backplane::{Announcement, Cause};
use crate::events::{CacheEvent, EventKind};
use crate::memory::{MemoryEntry, MemoryKey, MemorySelector};
use crate::observe;
use crate::storage::{InvalidationMode, Selector, StorageError};
use crate::write_behind::ErasedQueue;

/// What an invalidation did.
#[derive(Clone, Debug, Default)]
#[must_use = "an invalidation that is pending has not reached every tier yet"]
#[non_exhaustive]
pub struct Invalidation {
    /// How many entries the storage that had most of them removed or expired; memory not counted.
    pub entries: u64,
    /// Storages that could not be reached. It is tried there again and again, and until it lands
    /// this process does not read what it names from them; other processes may. A process that
    /// ends before it lands loses it.
    pub pending: Vec<PendingInvalidation>,
    /// Why other processes could not be told, where there is a
    /// [`Backplane`](crate::backplane::Backplane) and its log did not take the event. It is appended
    /// as soon as the log takes it; until then their memory may hold what this names, for as long as
    /// its TTL at most. The storages hold it no more: this makes nothing pending.
    pub unannounced: Option<StorageError>,
}

/// A storage that an invalidation has not reached.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PendingInvalidation {
    /// The name under which it is registered.
    pub storage: String,
    /// Why not.
    pub error: StorageError,
}

impl Invalidation {
    /// Whether nothing older than the call can be read from any tier any more.
    pub fn is_done(&self) -> bool {
        self.pending.is_empty()
    }
}

/// How a memory finds the entries that a pattern or a namespace names.
#[derive(Clone)]
pub(crate) struct KeyTest(Arc<dyn Fn(&MemoryKey) -> bool + Send + Sync>);

/// The tiers that an invalidation has to reach, beside the memories, which are always told.
#[derive(Clone)]
pub(crate) struct Reached {
    /// In the order in which they are told: farthest first, shared before local.
    pub(crate) storages: Vec<Arc<Registered>>,
    /// For patterns and namespaces; everything in memory where there is none.
    pub(crate) key_test: Option<KeyTest>,
}

impl KeyTest {
    pub(crate) fn new(test: impl Fn(&MemoryKey) -> bool + Send + Sync + 'static) -> Self {
        Self(Arc::new(test))
    }
}

impl std::fmt::Debug for KeyTest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("KeyTest(..)")
    }
}

/// Invalidates in every tier; what cannot be reached is queued and replayed.
pub(crate) async fn invalidate(
    shared: &Arc<Shared>,
    reached: Reached,
    selector: Selector,
    mode: InvalidationMode,
) -> Invalidation {
    let announcement = shared.announce(&selector, mode, Cause::Invalidated);
    invalidate_announced(shared, reached, selector, mode, &announcement).await
}

/// As [`invalidate`], told to others as it goes.
pub(crate) async fn invalidate_announced(
    shared: &Arc<Shared>,
    reached: Reached,
    selector: Selector,
    mode: InvalidationMode,
    announcement: &Announcement<'_>,
) -> Invalidation {
    let mark = in_process(shared, reached.key_test.as_ref(), &selector, mode);
    let mut done = invalidate_storages(shared, &reached, &selector, mode, announcement).await;
    done.unannounced = announcement.finish().await;
    if !cfg!(mutant = "memory_before_only") {
        heard_in_process(shared, reached.key_test.as_ref(), &selector, mode, mark);
    }
    shared.events.tell(EventKind::Invalidation, || CacheEvent::Invalidation {
        pending: done.pending.iter().map(|pending| pending.storage.clone()).collect(),
        selector,
        mode,
    });
    done
}

/// The part of the storages, in their order. Others hear that it has begun while the farthest shared
/// storage is told.
pub(crate) async fn invalidate_storages(
    shared: &Arc<Shared>,
    reached: &Reached,
    selector: &Selector,
    mode: InvalidationMode,
    announcement: &Announcement<'_>,
) -> Invalidation {
    let mut done = Invalidation::default();
    for (at, storage) in reached.storages.iter().enumerate() {
        let call = storage.invalidate(selector, mode);
        let told = if at == 0 && storage.is_shared() {
            join(call, announcement.intent()).await.0
        } else {
            call.await
        };
        match told {
            Ok(invalidated) => done.entries = done.entries.max(invalidated.entries),
            Err(error) => {
                observe::invalidation_pending(&storage.name, &error);
                leave_to_replay(shared, storage, &reached.key_test, selector, mode);
                let storage = storage.name.to_string();
                done.pending.push(PendingInvalidation { storage, error });
            }
        }
    }
    done
}

/// Raises the process fence, then takes back what is queued and removes from memory. Gives the mark of
/// the fence.
fn in_process(
    shared: &Shared,
    key_test: Option<&KeyTest>,
    selector: &Selector,
    mode: InvalidationMode,
) -> u64 {
    in_process_and(shared, key_test, selector, mode, |queue| queue.invalidated(selector))
}

/// The same for what somebody else has invalidated, or what began before: the storages decide whether
/// they take what is queued of it, for that may be newer, and what was accepted after this mark of the
/// fence is.
pub(crate) fn heard_in_process(
    shared: &Shared,
    key_test: Option<&KeyTest>,
    selector: &Selector,
    mode: InvalidationMode,
    mark: u64,
) -> u64 {
    let raised = match cfg!(mutant = "bus_no_fence") {
        true => shared.fence.stamp(),
        false => raise(shared, selector),
    };
    if !cfg!(mutant = "bus_keeps") {
        forget(shared, key_test, selector, mode, |queue| queue.heard(selector, mark));
    }
    raised
}

/// Forgets all that the process has read, for it may have missed an invalidation. What is queued is
/// written still, if the storages admit it.
pub(crate) fn forget_in_process(
    shared: &Shared,
    key_test: Option<&KeyTest>,
    everything: &Selector,
) {
    const MODE: InvalidationMode = InvalidationMode::Remove;
    in_process_and(shared, key_test, everything, MODE, |queue| queue.distrust());
}

fn in_process_and(
    shared: &Shared,
    key_test: Option<&KeyTest>,
    selector: &Selector,
    mode: InvalidationMode,
    queued: impl Fn(&dyn ErasedQueue),
) -> u64 {
    let mark = raise(shared, selector);
    forget(shared, key_test, selector, mode, queued);
    mark
}

fn raise(shared: &Shared, selector: &Selector) -> u64 {
    match selector.cells() {
        _ if cfg!(mutant = "no_raise") => shared.fence.stamp(),
        Some(cells) => shared.fence.raise(cells),
        None => shared.fence.raise_floor(),
    }
}

/// What follows when the fence has been raised: the queues, then memory.
fn forget(
    shared: &Shared,
    key_test: Option<&KeyTest>,
    selector: &Selector,
    mode: InvalidationMode,
    queued: impl Fn(&dyn ErasedQueue),
) {
    // Before memory: what is accepted in between is taken out of there, and stays queued.
    if !cfg!(mutant = "queue_uninvalidated") {
        shared.queues.for_each(|queue| queued(&*queue));
    }
    if cfg!(mutant = "no_remove") {
        return;
    }
    for memory in &shared.memories {
        let memory = &memory.engine;
        match selector {
            Selector::Keys(keys) => {
                for key in keys {
                    memory.invalidate(&MemorySelector::Digest(key.digest()), mode);
                }
            }
            Selector::AnyTag(tags) => {
                memory.invalidate(&MemorySelector::AnyTag(tags), mode);
            }
            Selector::AllTags(tags) => {
                memory.invalidate(&MemorySelector::AllTags(tags), mode);
            }
            Selector::Pattern(_) | Selector::Namespace(_) => match key_test {
                Some(KeyTest(test)) => {
                    let test = |key: &MemoryKey, _: &MemoryEntry| test(key);
                    memory.invalidate(&MemorySelector::Where(&test), mode);
                }
                None => {
                    memory.invalidate(&MemorySelector::All, mode);
                }
            },
        }
    }
}

/// Invalidates in the process and leaves it pending in every storage, for an operation that is
/// given up where it cannot wait for them: closing counts what did not land.
pub(crate) fn leave_pending(shared: &Arc<Shared>, reached: &Reached, selector: &Selector) {
    const MODE: InvalidationMode = InvalidationMode::Remove;
    in_process(shared, reached.key_test.as_ref(), selector, MODE);
    shared.announce(selector, MODE, Cause::Invalidated).leave();
    for storage in &reached.storages {
        leave_to_replay(shared, storage, &reached.key_test, selector, MODE);
    }
}

/// A storage that could not be told is told later, and neither read nor filled until then.
pub(crate) fn leave_to_replay(
    shared: &Arc<Shared>,
    storage: &Arc<Registered>,
    key_test: &Option<KeyTest>,
    selector: &Selector,
    mode: InvalidationMode,
) {
    let (selector, times) = (selector.clone(), (storage.all_expired_at(), shared.fence.stamp()));
    if storage.pending.add(selector, mode, key_test.clone(), &shared.prefix, times) {
        shared.spawn_until_closing(replay(Arc::downgrade(shared), Arc::clone(storage)));
    }
}

/// Tries until everything that waits for this storage has landed. Another process may have carried
/// the old value nearer meanwhile, so all nearer tiers are invalidated again after it.
/// Ends with the cache.
async fn replay(shared: Weak<Shared>, storage: Arc<Registered>) {
    const PAUSE_MIN: Duration = Duration::from_millis(50);
    const PAUSE_MAX: Duration = Duration::from_secs(10);
    let mut pause = PAUSE_MIN;
    loop {
        let Some(clock) = shared.upgrade().map(|shared| Arc::clone(&shared.clock)) else { return };
        let Some(waiting) = storage.pending.next(clock.monotonic()) else { return };
        clock.sleep(pause.mul_f64(0.5 + 0.5 * fastrand::f64())).await;
        let Some(shared) = shared.upgrade() else { return };
        // A storage that panics has not been told, and is to be told again like one that fails.
        let landed = AssertUnwindSafe(land(&shared, &storage, &waiting)).catch_unwind().await;
        if landed.unwrap_or(false) {
            storage.pending.landed(&waiting);
            shared.events.tell(EventKind::Invalidation, || CacheEvent::Landed {
                tier: Arc::clone(&storage.name),
                left: storage.pending.len(),
            });
            pause = PAUSE_MIN;
        } else {
            storage.pending.failed(&waiting);
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }
}

async fn land(shared: &Shared, storage: &Arc<Registered>, waiting: &Waiting) -> bool {
    if storage.invalidate_anyway(&waiting.selector, waiting.mode).await.is_err() {
        return false;
    }
    let nearer = shared.order.nearer_than(storage);
    if !cfg!(mutant = "no_second_round") {
        for tier in nearer {
            if tier.invalidate_anyway(&waiting.selector, waiting.mode).await.is_err() {
                return false;
            }
        }
        if storage.is_shared() {
            // What others were told when this began was too early for them.
            let announcement = shared.announce(&waiting.selector, waiting.mode, Cause::Invalidated);
            let _ = announcement.finish().await;
        }
        let Waiting { selector, mode, key_test, mark, .. } = waiting;
        heard_in_process(shared, key_test.as_ref(), selector, *mode, *mark);
    }
    true
}
