use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use super::pending::Pending;
use crate::atomics::InProcessAtomics;
use crate::error::Error;
use crate::memory::MemoryEngine;
use crate::observe;
use crate::stats::{LatencyRecorder, StorageReport};
use crate::storage::{
    Invalidated, InvalidationMode, Reach, Selector, Storage, StorageError, StorageErrorKind,
};

/// A storage under its name, with the invalidations that have not reached it yet.
#[derive(Debug)]
pub(crate) struct Registered {
    pub(crate) name: Arc<str>,
    pub(crate) pending: Pending,
    invalidations: AtomicU64,
    invalidations_failed: AtomicU64,
    invalidate_latency: LatencyRecorder,
    /// The backplane's log lies in it, so that whoever follows the log reaches it.
    carries_log: AtomicBool,
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
    pub(super) fn new(name: &str, storage: Arc<dyn Storage>) -> Self {
        Self {
            name: name.into(),
            pending: Pending::default(),
            invalidations: AtomicU64::new(0),
            invalidations_failed: AtomicU64::new(0),
            invalidate_latency: LatencyRecorder::default(),
            carries_log: AtomicBool::new(false),
            storage,
        }
    }

    /// Whether every process that this one tells of invalidations reaches it.
    pub(crate) fn is_shared(&self) -> bool {
        self.capabilities().reach == Reach::Shared || self.carries_log.load(Ordering::Relaxed)
    }

    /// The backplane's log lies in it: all caches that hear of each other share it.
    pub(super) fn carries_log(&self) {
        self.carries_log.store(true, Ordering::Relaxed);
    }

    /// As the storage itself invalidates, counted and timed.
    pub(crate) async fn invalidate(
        &self,
        selector: &Selector,
        mode: InvalidationMode,
    ) -> Result<Invalidated, StorageError> {
        let started = Instant::now();
        let call = self.storage.invalidate(selector, mode);
        let done = observe::in_tier_span(&self.name, "invalidate", call).await;
        self.invalidate_latency.record(started.elapsed());
        let counter = if done.is_ok() { &self.invalidations } else { &self.invalidations_failed };
        counter.fetch_add(1, Ordering::Relaxed);
        done
    }

    /// What the storage says of itself, and what was counted of it.
    pub(super) async fn report(&self) -> StorageReport {
        StorageReport {
            storage: self.name.to_string(),
            stats: self.storage.stats().await,
            pending_invalidations: self.pending.len(),
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
    pub(crate) fn expect_answers(&self, asked: usize, answers: usize) -> Result<(), StorageError> {
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

impl Deref for Registered {
    type Target = dyn Storage;

    fn deref(&self) -> &(dyn Storage + 'static) {
        &*self.storage
    }
}
