//! What callers hand to the threads of a store, and how those end.

use std::future::Future;
use std::sync::Arc;

use cache_core::storage::{StorageError, StorageErrorKind};
use tokio::sync::{oneshot, watch};

use crate::error::{closed, error};
use crate::queue::Queue;
use crate::requests::Requests;
use crate::sync::thread::JoinHandle;

/// Weights that the queues take: about as many reads, and kibibytes of writes.
const READS_MAX: u32 = 16_384;
const WRITES_MAX: u32 = 64 << 10;

/// The queues of reads `R` and of jobs of the writer `W`, and what the keeper is asked for.
#[derive(Debug)]
pub(crate) struct Calls<R, W> {
    pub(crate) reads: Queue<R>,
    pub(crate) writes: Queue<W>,
    pub(crate) checkpoints: Requests<Result<(), StorageError>>,
    /// What the collector is asked for, where values lie outside.
    pub(crate) collections: Requests<Result<(), StorageError>>,
    /// `Some` once everything has stopped.
    stopped: watch::Sender<Option<Result<(), StorageError>>>,
}

/// Where a call's answer comes by.
type Answered<T> = oneshot::Receiver<Result<T, StorageError>>;

impl<R, W> Calls<R, W> {
    pub(crate) fn new() -> Self {
        Self::with_room(READS_MAX, WRITES_MAX)
    }

    pub(crate) fn with_room(reads_max: u32, writes_max: u32) -> Self {
        Self {
            reads: Queue::new(reads_max),
            writes: Queue::new(writes_max),
            checkpoints: Requests::new(),
            collections: Requests::new(),
            stopped: watch::Sender::new(None),
        }
    }

    /// Hands a read to the reader threads and waits for its answer.
    pub(crate) async fn read<T>(
        &self,
        operation: &'static str,
        read: R,
        weight: usize,
        answered: Answered<T>,
    ) -> Result<T, StorageError> {
        let weight = u32::try_from(weight).unwrap_or(u32::MAX);
        self.reads.push(read, weight).await.map_err(|_| closed(operation))?;
        answered.await.map_err(|_| closed(operation))?
    }

    /// Hands a job to the writer and waits for its answer.
    pub(crate) async fn write<T>(
        &self,
        operation: &'static str,
        job: W,
        weight: usize,
        answered: Answered<T>,
    ) -> Result<T, StorageError> {
        let weight = u32::try_from(weight).unwrap_or(u32::MAX);
        self.writes.push(job, weight).await.map_err(|_| closed(operation))?;
        answered.await.map_err(|_| closed(operation))?
    }

    /// Has the keeper bring the log into the file, and waits for it.
    pub(crate) async fn checkpoint(&self, operation: &'static str) -> Result<(), StorageError> {
        let answered = self.checkpoints.ask().map_err(|_| closed(operation))?;
        answered.await.map_err(|_| closed(operation))?
    }

    /// Has the collector delete what is no longer referred to, and waits for it.
    pub(crate) async fn collect(&self, operation: &'static str) -> Result<(), StorageError> {
        let answered = self.collections.ask().map_err(|_| closed(operation))?;
        answered.await.map_err(|_| closed(operation))?
    }

    /// Whether it takes no more calls.
    pub(crate) fn is_closed(&self) -> bool {
        self.writes.is_closed()
    }

    /// Takes no more calls; the threads finish what is queued, and end.
    pub(crate) fn stop(&self) {
        self.writes.close();
    }

    /// Flushes, stops everything and waits for it.
    pub(crate) async fn close(
        &self,
        flush: impl Future<Output = Result<(), StorageError>>,
    ) -> Result<(), StorageError> {
        let flushed = if self.is_closed() { Ok(()) } else { flush.await };
        self.stop();
        let mut stopped = self.stopped.subscribe();
        // The sender lives in `self`, so that waiting cannot fail.
        let result = match stopped.wait_for(Option::is_some).await {
            Ok(result) => result.clone().unwrap_or(Ok(())),
            Err(_) => Ok(()),
        };
        match flushed {
            // Another call closed it in the meantime; that one flushed.
            Err(error) if error.kind() == StorageErrorKind::Closed => result,
            flushed => flushed.and(result),
        }
    }
}

/// The end of a store, in good order or because the writer's thread panics: lives there.
pub(crate) struct End<R, W> {
    calls: Arc<Calls<R, W>>,
    threads: Vec<JoinHandle<()>>,
    /// Gives back what the threads used.
    release: Option<Box<dyn FnOnce()>>,
}

impl<R, W> End<R, W> {
    pub(crate) fn new(
        calls: Arc<Calls<R, W>>,
        threads: Vec<JoinHandle<()>>,
        release: impl FnOnce() + 'static,
    ) -> Self {
        Self { calls, threads, release: Some(Box::new(release)) }
    }

    /// Ends the other threads, then finishes what is left to do alone, and tells how it went.
    pub(crate) fn orderly(mut self, finish: impl FnOnce() -> Result<(), StorageError>) {
        self.stop();
        let result = finish();
        self.calls.stopped.send_replace(Some(result));
    }

    fn stop(&mut self) {
        let calls = &self.calls;
        calls.writes.close();
        calls.reads.close();
        calls.checkpoints.close();
        calls.collections.close();
        for thread in self.threads.drain(..) {
            // One that panicked has ended too.
            let _ = thread.join();
        }
        // Those who wait in vain are told.
        if !cfg!(mutant = "left_in_the_queue") {
            calls.writes.clear();
            calls.reads.clear();
        }
        if let Some(release) = self.release.take() {
            release();
        }
    }
}

impl<R, W> Drop for End<R, W> {
    fn drop(&mut self) {
        self.stop();
        self.calls.stopped.send_if_modified(|stopped| {
            let unknown = stopped.is_none();
            if unknown {
                let message = "the writer's thread ended unexpectedly";
                *stopped = Some(Err(error("close", StorageErrorKind::Failed, message)));
            }
            unknown
        });
    }
}
