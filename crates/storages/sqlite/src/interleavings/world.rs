//! A store whose threads, queues and end are the real ones, and whose writer commits marks.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::time::Duration;

use cache_core::storage::{StorageError, StorageErrorKind};
use shuttle::future::{JoinHandle, yield_now};
use shuttle::scheduler::{PctScheduler, RandomScheduler};
use shuttle::{Config, Runner};
use tokio::sync::oneshot;

use crate::calls::{Calls, End};
use crate::error::error;
use crate::queue::Queued;
use crate::sync::{Mutex, thread};
use crate::write::{Apart, Commit, Failed, Grouped, Left, Writer};

const SEED: u64 = 0x7135_0002;
const EXECUTIONS: usize = 1_000;

/// As in the scenarios of the engine.
pub(super) fn check<F: Future<Output = ()>>(
    scenario: impl Fn() -> F + Copy + Send + Sync + 'static,
) {
    let executions = std::env::var("INTERLEAVINGS").ok().and_then(|count| count.parse().ok());
    let executions: usize = executions.unwrap_or(EXECUTIONS);
    let run = move || shuttle::future::block_on(scenario());
    let config = || {
        let mut config = Config::new();
        config.stack_size = 256 << 10;
        config.silence_warnings = true;
        config
    };
    Runner::new(RandomScheduler::new_from_seed(SEED, executions / 2), config()).run(run);
    for depth in [2, 4] {
        let pct = PctScheduler::new_from_seed(SEED, depth, executions / 4);
        Runner::new(pct, config()).run(run);
    }
}

/// Marks to be set, in as many transactions as there are marks.
#[derive(Debug)]
pub(super) struct Marks {
    marks: Vec<Mark>,
    done: usize,
    answer: oneshot::Sender<Result<usize, StorageError>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mark {
    Set(u32),
    /// Makes every transaction that it is a part of fail.
    Bad,
    /// Ends the writer's thread by a panic.
    Panic,
    /// Asks for a commit that waits for the disk.
    Flush,
}

#[derive(Debug)]
pub(super) struct Refused;

impl Grouped for Marks {
    type Error = Refused;

    fn is_flush(&self) -> bool {
        self.marks.contains(&Mark::Flush)
    }

    fn is_divisible(&self) -> bool {
        self.marks.len() - self.done > 1
    }

    fn finish(self) {
        let _ = self.answer.send(Ok(self.done));
    }

    fn fail(self, _: &Refused) {
        let _ = self.answer.send(Err(error("write", StorageErrorKind::Failed, "refused")));
    }

    fn fail_next(&mut self, _: &Refused) -> Left {
        self.done += 1;
        self.left()
    }
}

impl Marks {
    fn left(&self) -> Left {
        if self.done < self.marks.len() { Left::More } else { Left::Nothing }
    }
}

/// What stands in the store, and what the writer has still to be told.
struct Board {
    store: Arc<Store>,
    durable: bool,
}

impl Commit for Board {
    type Job = Marks;

    fn attempt(
        &mut self,
        group: &mut [Queued<Marks>],
        apart: Apart,
    ) -> Result<Vec<Left>, Failed<Refused>> {
        let begun: Vec<usize> = group.iter().map(|queued| queued.item.done).collect();
        let mut set = Vec::new();
        let mut refused = false;
        for queued in &mut *group {
            let job = &mut queued.item;
            // One mark a step, unless they are to be kept apart in one transaction.
            let steps = if apart == Apart::Savepoint { job.marks.len() } else { 1 };
            for mark in job.marks.iter().skip(job.done).take(steps) {
                match mark {
                    Mark::Set(mark) => set.push(*mark),
                    Mark::Bad => refused = true,
                    // Without the hook that takes it for a failure of the scenario.
                    Mark::Panic => resume_unwind(Box::new("the writer panics")),
                    Mark::Flush => assert!(self.durable, "a flush is committed as it asks"),
                }
                job.done += 1;
            }
        }
        thread::yield_now();
        if refused {
            group.iter_mut().zip(begun).for_each(|(queued, begun)| queued.item.done = begun);
            return Err(Failed::Group(Refused));
        }
        let left = group.iter().map(|queued| queued.item.left()).collect();
        self.store.set.lock().extend(set);
        Ok(left)
    }

    fn set_durable(&mut self, durable: bool) -> Result<(), Refused> {
        self.durable = durable;
        Ok(())
    }

    fn committed(&mut self) {}
}

/// A read: what is set.
pub(super) type Read = oneshot::Sender<Result<Vec<u32>, StorageError>>;

/// The store as callers have it.
pub(super) struct Store {
    pub(super) calls: Arc<Calls<Read, Marks>>,
    set: Mutex<Vec<u32>>,
}

impl Store {
    /// With a writer, two readers and a keeper; the queues take this much at once.
    pub(super) fn open(room: u32) -> Arc<Self> {
        let calls = Arc::new(Calls::with_room(room, room));
        let store = Arc::new(Self { calls, set: Mutex::default() });
        let threads = [Self::read_on, Self::read_on, Self::keep].map(|work: fn(&Self)| {
            let store = Arc::clone(&store);
            thread::spawn(move || work(&store))
        });
        let writer = Arc::clone(&store);
        thread::spawn(move || {
            let end = End::new(Arc::clone(&writer.calls), threads.into(), || {});
            let board = Board { store: Arc::clone(&writer), durable: false };
            let write = || Writer::new(&writer.calls.writes, board).run();
            // The checker takes no unwinding through its own locks: what the panic drops on the
            // way is dropped here as well, and the end then as a panic would.
            match catch_unwind(AssertUnwindSafe(write)) {
                Ok(()) => end.orderly(|| Ok(())),
                Err(_) => drop(end),
            }
        });
        store
    }

    fn read_on(&self) {
        let mut taken: Vec<Queued<Read>> = Vec::new();
        while self.calls.reads.take(&mut taken, 2, true).is_ok() {
            for queued in taken.drain(..) {
                let set = self.set.lock().clone();
                let _ = queued.item.send(Ok(set));
            }
        }
    }

    fn keep(&self) {
        while let Ok(asked) = self.calls.checkpoints.take(Duration::MAX) {
            thread::yield_now();
            asked.into_iter().for_each(|answer| drop(answer.send(Ok(()))));
        }
    }

    pub(super) async fn write(&self, marks: Vec<Mark>) -> Result<usize, StorageError> {
        let (answer, answered) = oneshot::channel();
        let weight = marks.len();
        self.calls.write("write", Marks { marks, done: 0, answer }, weight, answered).await
    }

    pub(super) async fn read(&self) -> Result<Vec<u32>, StorageError> {
        let (answer, answered) = oneshot::channel();
        self.calls.read("read", answer, 1, answered).await
    }

    pub(super) async fn close(&self) -> Result<(), StorageError> {
        self.calls.close(async { self.write(vec![Mark::Flush]).await.map(drop) }).await
    }

    pub(super) fn has(&self, mark: u32) -> usize {
        self.set.lock().iter().filter(|set| **set == mark).count()
    }
}

pub(super) fn task<F>(store: &Arc<Store>, work: impl FnOnce(Arc<Store>) -> F) -> JoinHandle<()>
where
    F: Future<Output = ()> + Send + 'static,
{
    shuttle::future::spawn(work(Arc::clone(store)))
}

pub(super) async fn all<const N: usize>(tasks: [JoinHandle<()>; N]) {
    for task in tasks {
        task.await.expect("no task is cancelled");
    }
}

/// A number of turns of the checker, and then no more patience.
pub(super) async fn turns(count: usize) {
    for _ in 0..count {
        yield_now().await;
    }
}
