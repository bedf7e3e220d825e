use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures_util::stream::{self, BoxStream, StreamExt};

use super::guard::{Guard, Passing, Span, failure_of_batch};
use super::pending::Pending;
use super::storage_options::StorageOptions;
use crate::atomics::{Answer, AtomicName, Atomics, InProcessAtomics, Operation};
use crate::backplane::EventLog;
use crate::clock::{Clock, Tick};
use crate::error::Error;
use crate::events::Hub;
use crate::fence::Stamp;
use crate::key::Key;
use crate::memory::MemoryEngine;
use crate::observe;
use crate::stats::{LatencyRecorder, StorageReport};
use crate::storage::{
    Capabilities, EntryDetails, Invalidated, InvalidationMode, Lookup, Outcome, Reach, Selector,
    Storage, StorageError, StorageErrorKind, Write,
};

/// A storage under its name, behind its guard, with the invalidations that have not reached it yet.
#[derive(Debug)]
pub(crate) struct Registered {
    pub(crate) name: Arc<str>,
    pub(crate) pending: Pending,
    invalidations: AtomicU64,
    invalidations_failed: AtomicU64,
    invalidate_latency: LatencyRecorder,
    /// The backplane's log lies in it, so that whoever follows the log reaches it.
    carries_log: AtomicBool,
    /// For how many milliseconds something of this cache may stand in it, and a load be on its way
    /// there, at most. Zero before any node type is bound to it.
    kept_max_ms: AtomicU64,
    guard: Guard,
    clock: Arc<dyn Clock>,
    storage: Arc<dyn Storage>,
}

/// A memory under its name.
#[derive(Clone, Debug)]
pub(crate) struct RegisteredMemory {
    pub(crate) name: Arc<str>,
    pub(crate) engine: Arc<dyn MemoryEngine>,
    /// Beside the entries, and of this cache alone.
    pub(crate) atomics: Arc<InProcessAtomics>,
}

impl Registered {
    pub(super) fn new(
        name: &str,
        storage: Arc<dyn Storage>,
        options: StorageOptions,
        clock: Arc<dyn Clock>,
        events: Arc<Hub>,
    ) -> Self {
        let name: Arc<str> = name.into();
        let scheme = storage.capabilities().scheme;
        Self {
            guard: Guard::new(Arc::clone(&name), scheme, options, Arc::clone(&clock), events),
            name,
            pending: Pending::default(),
            invalidations: AtomicU64::new(0),
            invalidations_failed: AtomicU64::new(0),
            invalidate_latency: LatencyRecorder::default(),
            carries_log: AtomicBool::new(false),
            kept_max_ms: AtomicU64::new(0),
            clock,
            storage,
        }
    }

    pub(crate) fn capabilities(&self) -> &Capabilities {
        self.storage.capabilities()
    }

    /// Its log of events, if it has one; who asks it has time-outs of his own.
    pub(crate) fn events(&self) -> Option<&dyn EventLog> {
        self.storage.events()
    }

    /// Its counters, locks and leases, if it offers them.
    pub(crate) fn atomics(&self) -> Option<&dyn Atomics> {
        self.storage.atomics()
    }

    /// Whether every process that this one tells of invalidations reaches it.
    pub(crate) fn is_shared(&self) -> bool {
        self.capabilities().reach == Reach::Shared || self.carries_log.load(Ordering::Relaxed)
    }

    /// The backplane's log lies in it: all caches that hear of each other share it.
    pub(super) fn carries_log(&self) {
        self.carries_log.store(true, Ordering::Relaxed);
    }

    /// A node type is bound to it, whose entries are kept for so long, and whose loads take no
    /// longer than that; `None`: without end.
    pub(super) fn keeps(&self, kept: Option<Duration>) {
        let ms = kept.and_then(|kept| u64::try_from(kept.as_millis()).ok()).unwrap_or(u64::MAX);
        self.kept_max_ms.fetch_max(ms, Ordering::SeqCst);
    }

    /// When nothing is left that stands in it now, or is on its way there, at the latest.
    pub(super) fn all_expired_at(&self) -> Tick {
        match self.kept_max_ms.load(Ordering::SeqCst) {
            // Other processes may have bound what this one has not.
            0 | u64::MAX => Tick::NEVER,
            ms => self.clock.monotonic().after(Duration::from_millis(ms)),
        }
    }

    /// As the storage itself reads, guarded.
    pub(crate) async fn get(&self, key: &Key) -> Result<Lookup, StorageError> {
        let call = self.storage.get(key);
        self.guard.call("get", Span::Operation, Passing::Asking, call, |_| None).await
    }

    /// As [`get`](Self::get), of several keys.
    pub(crate) async fn get_many(
        &self,
        keys: &[Key],
    ) -> Result<Vec<Result<Lookup, StorageError>>, StorageError> {
        let call = async {
            let answers = self.storage.get_many(keys).await?;
            self.expect_answers(keys.len(), answers.len())?;
            Ok(answers)
        };
        let guarded =
            self.guard.call("get_many", Span::Operation, Passing::Asking, call, |answers| {
                failure_of_batch(answers)
            });
        guarded.await
    }

    /// As the storage itself gives stamps, guarded.
    pub(crate) async fn stamps(&self, keys: &[Key]) -> Result<Vec<Stamp>, StorageError> {
        let call = async {
            let stamps = self.storage.stamps(keys).await?;
            self.expect_answers(keys.len(), stamps.len())?;
            Ok(stamps)
        };
        self.guard.call("stamps", Span::Operation, Passing::Asking, call, |_| None).await
    }

    /// Whether it has failed again and again, and a call would not be made now.
    pub(crate) fn is_left_alone(&self) -> bool {
        self.guard.is_open()
    }

    /// As the storage itself writes, guarded.
    pub(crate) async fn write(
        &self,
        writes: Vec<Write>,
    ) -> Result<Vec<Result<Outcome, StorageError>>, StorageError> {
        let asked = writes.len();
        let call = async {
            let outcomes = self.storage.write(writes).await?;
            self.expect_answers(asked, outcomes.len())?;
            Ok(outcomes)
        };
        let guarded =
            self.guard.call("write", Span::Operation, Passing::Asking, call, |outcomes| {
                failure_of_batch(outcomes)
            });
        guarded.await
    }

    /// As the storage itself invalidates, guarded, counted and timed.
    pub(crate) async fn invalidate(
        &self,
        selector: &Selector,
        mode: InvalidationMode,
    ) -> Result<Invalidated, StorageError> {
        self.invalidate_passing(selector, mode, Passing::Asking).await
    }

    /// The same, whether the storage is left alone or not: for what has to land.
    pub(super) async fn invalidate_anyway(
        &self,
        selector: &Selector,
        mode: InvalidationMode,
    ) -> Result<Invalidated, StorageError> {
        self.invalidate_passing(selector, mode, Passing::Anyway).await
    }

    async fn invalidate_passing(
        &self,
        selector: &Selector,
        mode: InvalidationMode,
        passing: Passing,
    ) -> Result<Invalidated, StorageError> {
        let started = Instant::now();
        let span = match selector {
            Selector::Keys(_) => Span::Operation,
            _ => Span::Sweep,
        };
        let call = self.storage.invalidate(selector, mode);
        let call = self.guard.call("invalidate", span, passing, call, |_| None);
        let done = observe::in_tier_span(&self.name, "invalidate", call).await;
        if was_made(&done) {
            self.invalidate_latency.record(started.elapsed());
            let made = if done.is_ok() { &self.invalidations } else { &self.invalidations_failed };
            made.fetch_add(1, Ordering::Relaxed);
        }
        done
    }

    /// Carries out an atomic step, guarded; `None` where it offers none. What is given back is given
    /// back whether the storage is left alone or not, or others would wait for its end.
    pub(crate) async fn apply(
        &self,
        name: &AtomicName,
        operation: &Operation,
    ) -> Option<Result<Answer, StorageError>> {
        let call = self.storage.atomics()?.apply(name, operation);
        let passing = match operation {
            Operation::Release { .. } => Passing::Anyway,
            _ => Passing::Asking,
        };
        Some(self.guard.call(operation.name(), Span::Operation, passing, call, |_| None).await)
    }

    /// As the storage itself lists, each page guarded. Ends with the first error.
    pub(crate) fn scan<'a>(
        &'a self,
        selector: &'a Selector,
    ) -> BoxStream<'a, Result<EntryDetails, StorageError>> {
        let listed = self.storage.scan(selector);
        let next = move |listed: Option<BoxStream<'a, _>>| async move {
            let mut listed = listed?;
            let page = async { listed.next().await.transpose() };
            let page = self.guard.call("scan", Span::Sweep, Passing::Asking, page, |_| None).await;
            match page.transpose()? {
                Ok(details) => Some((Ok(details), Some(listed))),
                // One damaged record ends no listing; a storage that takes too long does.
                Err(error) if error.kind() == StorageErrorKind::Corrupt => {
                    Some((Err(error), Some(listed)))
                }
                Err(error) => Some((Err(error), None)),
            }
        };
        stream::unfold(Some(listed), next).boxed()
    }

    /// Lets the storage make durable what it has, guarded.
    pub(crate) async fn flush(&self) -> Result<(), StorageError> {
        let call = self.storage.flush();
        self.guard.call("flush", Span::Sweep, Passing::Asking, call, |()| None).await
    }

    /// Closes the storage; one that does not come to an end is left.
    pub(super) async fn close(&self) -> Result<(), StorageError> {
        self.guard.in_time("close", Span::Sweep, self.storage.close()).await
    }

    /// What the storage says of itself, and what was counted of it.
    pub(super) async fn report(&self) -> StorageReport {
        StorageReport {
            storage: self.name.to_string(),
            stats: self.guard.in_time("stats", Span::Operation, self.storage.stats()).await,
            health: self.guard.health(),
            pending_invalidations: self.pending.len(),
            invalidations_expired: self.pending.expired(),
            invalidations: self.invalidations.load(Ordering::Relaxed),
            invalidations_failed: self.invalidations_failed.load(Ordering::Relaxed),
            invalidate_latency: self.invalidate_latency.snapshot(),
        }
    }

    /// The storage's error under its name.
    pub(crate) fn error(&self, source: StorageError) -> Error {
        Error::Storage { storage: self.name.to_string(), source: Box::new(source) }
    }

    /// A storage that answers fewer or more than it was asked is not to be believed.
    fn expect_answers(&self, asked: usize, answers: usize) -> Result<(), StorageError> {
        if asked == answers {
            return Ok(());
        }
        Err(StorageError::new(
            self.capabilities().scheme,
            "batch",
            StorageErrorKind::Failed,
            format!("{answers} answers to {asked} questions"),
        ))
    }
}

/// Whether the storage was asked, rather than left alone.
pub(super) fn was_made<T>(done: &Result<T, StorageError>) -> bool {
    done.as_ref().err().is_none_or(|error| error.kind() != StorageErrorKind::BreakerOpen)
}
