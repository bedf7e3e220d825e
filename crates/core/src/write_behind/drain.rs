use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt;

use super::queue::{Accepted, Queue};
use super::unsettled::Unsettled;
use super::{source, storages};
use crate::backplane::Cause;
use crate::cache::{Binding, Reached, invalidate_storages, within};
use crate::events::{CacheEvent, EventKind, Hub, WriteLost};
use crate::fence::cell_of_key;
use crate::key::Key;
use crate::node::Node;
use crate::policy::write_behind::{Destination, Failed, Job};
use crate::storage::{InvalidationMode, Selector};

/// Values that are written together.
pub(super) type Jobs<N> = [Job<Key, Arc<Accepted<N>>>];

/// What became of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Written,
    /// By the fence, or something newer, or for its size.
    Refused,
    Failed {
        permanent: bool,
    },
}

/// Writes what is queued, batch after batch, until nothing is.
pub(super) async fn drain<N: Node>(binding: Arc<Binding<N>>) {
    let Some(queue) = binding.queue.clone() else { return };
    let running = Running(&queue);
    loop {
        let (jobs, next) = {
            let mut state = queue.state.lock();
            let jobs = state.values.take(binding.cache.clock.monotonic());
            let next = state.values.next_due();
            if jobs.is_empty() && next.is_none() {
                // In the same step: whoever comes now begins another task.
                state.is_running = false;
                std::mem::forget(running);
                return;
            }
            (jobs, next)
        };
        if jobs.is_empty() {
            let clock = &binding.cache.clock;
            let sooner = queue.work.notified();
            match next.and_then(|next| next.remaining(clock.monotonic())) {
                Some(pause) => _ = within(&**clock, pause, sooner).await,
                // For longer than the clock can tell.
                None => sooner.await,
            }
            continue;
        }
        // A storage or source that panics has written nothing that is known of.
        let written = AssertUnwindSafe(write(&binding, &queue, &jobs)).catch_unwind().await;
        let failed = || vec![Verdict::Failed { permanent: false }; jobs.len()];
        settle(&binding, &queue, &jobs, written.unwrap_or_else(|_| failed())).await;
    }
}

/// Where the task is given up, as closing does after its time, nobody waits for it in vain.
struct Running<'a, N: Node>(&'a Queue<N>);

impl<N: Node> Drop for Running<'_, N> {
    fn drop(&mut self) {
        self.0.state.lock().is_running = false;
        self.0.settled.notify_waiters();
    }
}

async fn write<N: Node>(
    binding: &Arc<Binding<N>>,
    queue: &Queue<N>,
    jobs: &Jobs<N>,
) -> Vec<Verdict> {
    match queue.options.to {
        Destination::Storages => storages::write(binding, queue, jobs).await,
        Destination::Source => source::write(binding, queue, jobs).await,
    }
}

/// Notes what became of a batch, and tells of what was lost.
async fn settle<N: Node>(
    binding: &Arc<Binding<N>>,
    queue: &Queue<N>,
    jobs: &Jobs<N>,
    verdicts: Vec<Verdict>,
) {
    let now = binding.cache.clock.monotonic();
    let recorder = &queue.recorder;
    let mut lost = Vec::new();
    let mut given_up = Vec::new();
    let freed = {
        let mut state = queue.state.lock();
        let before = state.values.len();
        for (job, verdict) in jobs.iter().zip(verdicts) {
            let mut is_gone = false;
            match verdict {
                Verdict::Written => {
                    let was_listed = state.values.is_listed(&job.key, job.id)
                        && queue.is_in_time(&job.value, binding);
                    let landed = state.values.landed(&job.key, job.id);
                    // While nothing was read from it, memory may have got what it has replaced.
                    is_gone = !was_listed && !landed.is_outdated;
                    recorder.written(1);
                }
                Verdict::Refused => {
                    let landed = state.values.landed(&job.key, job.id);
                    is_gone = !landed.is_outdated;
                    if landed.was_withdrawn {
                        recorder.withdrawn(1);
                    } else {
                        recorder.refused(1);
                        lost.push((job.key.clone(), WriteLost::Refused));
                    }
                }
                Verdict::Failed { permanent } => {
                    let draw = fastrand::f64();
                    match state.values.failed(&job.key, job.id, now, permanent, draw) {
                        Failed::Retried => recorder.retried(1),
                        Failed::Superseded => recorder.coalesced(1),
                        Failed::Withdrawn => recorder.withdrawn(1),
                        Failed::GivenUp => {
                            is_gone = true;
                            recorder.given_up(1);
                            given_up.push(job);
                            lost.push((job.key.clone(), WriteLost::GivenUp));
                        }
                    }
                }
            }
            if is_gone {
                // Memory may hold what nothing else does. Still under the lock, so that it is not a
                // newer value that goes.
                binding.cache.fence.raise([cell_of_key(&job.key)]);
                binding.remove_from_memory(&job.value.change().node);
            }
        }
        before - state.values.len()
    };
    queue.freed(freed);
    for (key, why) in lost {
        tell_lost(&binding.cache.events, binding.definition.name.as_str(), &key, why);
    }
    if !given_up.is_empty() {
        // Nobody knows what stands there now.
        let keys = given_up.iter().map(|job| job.key.clone()).collect();
        forget_in_storages(binding, keys).await;
        // Who read meanwhile may have brought from a storage what has gone from there since.
        given_up.into_iter().for_each(|job| forget_in_memory(binding, queue, job));
    }
    queue.settled.notify_waiters();
}

/// Tells of a value that was accepted and is lost.
pub(crate) fn tell_lost(events: &Hub, node: &str, key: &Key, why: WriteLost) {
    crate::observe::write_lost(node, key, why);
    events.tell(EventKind::WriteLost, || CacheEvent::WriteLost {
        node: node.into(),
        key: key.clone(),
        why,
    });
}

/// Raises the fence of the process for a value that has been written, and takes it out of memory
/// where no newer one stands there.
pub(super) fn forget_in_memory<N: Node>(
    binding: &Binding<N>,
    queue: &Queue<N>,
    job: &Job<Key, Arc<Accepted<N>>>,
) {
    let state = queue.state.lock();
    if !state.values.has_waiting(&job.key) {
        binding.cache.fence.raise([cell_of_key(&job.key)]);
        binding.remove_from_memory(&job.value.change().node);
    }
}

/// Invalidates in every storage, and tells others. What is queued of the keys meanwhile stays.
pub(super) async fn forget_in_storages<N: Node>(binding: &Binding<N>, keys: Vec<Key>) {
    const MODE: InvalidationMode = InvalidationMode::Remove;
    let cells: Vec<usize> = keys.iter().map(cell_of_key).collect();
    let unsettled = Unsettled::new(binding, keys.clone());
    let selector = Selector::Keys(keys);
    let reached = Reached { storages: binding.storages_far_first(), key_test: None };
    let announcement = binding.cache.announce(&selector, MODE, Cause::Invalidated);
    // What could not be reached is pending there, and counted.
    let _ = invalidate_storages(&binding.cache, &reached, &selector, MODE, &announcement).await;
    binding.queue_passed(cells);
    unsettled.done();
    let _ = announcement.finish().await;
}
