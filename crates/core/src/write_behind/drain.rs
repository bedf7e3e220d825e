use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt;

use super::queue::{Accepted, Queue};
use super::unsettled::Unsettled;
use super::{source, storages};
use crate::backplane::Cause;
use crate::cache::{Binding, Reached, invalidate_storages, leave_to_replay, within};
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
    let mut unsettled = Unsettled::new(&binding);
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
        let write = write(&binding, &queue, &jobs, &mut unsettled);
        let written = AssertUnwindSafe(write).catch_unwind().await;
        let failed = || vec![Verdict::Failed { permanent: false }; jobs.len()];
        let verdicts = written.unwrap_or_else(|_| failed());
        settle(&binding, &queue, &jobs, verdicts, &mut unsettled).await;
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
    unsettled: &mut Unsettled<'_, N>,
) -> Vec<Verdict> {
    match queue.options.to {
        Destination::Storages => storages::write(binding, queue, jobs).await,
        Destination::Source => source::write(binding, queue, jobs, unsettled).await,
    }
}

/// Notes what became of a batch, and tells of what was lost.
async fn settle<N: Node>(
    binding: &Arc<Binding<N>>,
    queue: &Queue<N>,
    jobs: &Jobs<N>,
    verdicts: Vec<Verdict>,
    unsettled: &mut Unsettled<'_, N>,
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
        let keys: Vec<Key> = given_up.iter().map(|job| job.key.clone()).collect();
        unsettled.add(keys.iter().cloned());
        forget_in_storages(binding, keys, unsettled).await;
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

/// Invalidates in every storage, and tells others: then these keys are settled. What is queued of
/// them meanwhile stays.
pub(super) async fn forget_in_storages<N: Node>(
    binding: &Binding<N>,
    keys: Vec<Key>,
    unsettled: &mut Unsettled<'_, N>,
) {
    const MODE: InvalidationMode = InvalidationMode::Remove;
    let shared = &binding.cache;
    let selector = Selector::Keys(keys.clone());
    let reached = Reached { storages: binding.storages_far_first(), key_test: None };
    let announcement = shared.announce(&selector, MODE, Cause::Invalidated);
    let told = invalidate_storages(shared, &reached, &selector, MODE, &announcement);
    // What could not be reached is pending there, and counted.
    if AssertUnwindSafe(told).catch_unwind().await.is_err() {
        // One that panics has not been told, nor have those after it.
        for storage in &reached.storages {
            leave_to_replay(shared, storage, &reached.key_test, &selector, MODE);
        }
    }
    binding.queue_passed(keys.iter().map(cell_of_key));
    unsettled.settle(&keys);
    let _ = announcement.finish().await;
}
