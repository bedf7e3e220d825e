use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::error::Error;

/// How a value is set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SetOptions {
    /// How long it lives at most; a tier's own TTL holds where it is shorter.
    pub ttl: Option<Duration>,
    /// Labels of further tags, beside those of the node.
    pub tags: Vec<String>,
}

impl SetOptions {
    /// No TTL but the tiers', no tags but the node's.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets how long it lives at most.
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = Some(ttl);
        self
    }

    /// Adds the label of a tag.
    pub fn tag(mut self, label: impl Into<String>) -> Self {
        self.tags.push(label.into());
        self
    }
}

/// How a cache is warmed.
#[derive(Clone)]
#[non_exhaustive]
pub struct WarmOptions {
    /// How many nodes are asked for in one batch.
    pub batch_size: usize,
    /// How many batches are under way at once.
    pub concurrency: usize,
    /// Called after each batch, on the warming task: it should return soon.
    pub progress: Option<Arc<dyn Fn(WarmProgress) + Send + Sync>>,
}

/// How far warming has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct WarmProgress {
    /// Nodes that are in the cache now.
    pub warmed: u64,
    /// Nodes that failed.
    pub failed: u64,
    /// All nodes, where their number is known beforehand.
    pub total: Option<u64>,
}

/// What warming did.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct WarmReport<N> {
    /// Nodes that are in the cache now; those that were there before included.
    pub warmed: u64,
    /// Nodes of which the source says that they do not exist.
    pub absent: u64,
    /// Nodes that failed, with the reason. Holds the first thousand.
    pub failures: Vec<(N, Error)>,
    /// How many failed.
    pub failed: u64,
}

impl WarmOptions {
    /// Four batches of 64 at once, without a report of progress.
    pub fn new() -> Self {
        Self { batch_size: 64, concurrency: 4, progress: None }
    }

    /// Sets how many nodes are asked for in one batch; at least one.
    pub fn batch_size(mut self, batch_size: usize) -> Self {
        self.batch_size = batch_size.max(1);
        self
    }

    /// Sets how many batches are under way at once; at least one.
    pub fn concurrency(mut self, concurrency: usize) -> Self {
        self.concurrency = concurrency.max(1);
        self
    }

    /// Sets what is called after each batch.
    pub fn progress(mut self, progress: impl Fn(WarmProgress) + Send + Sync + 'static) -> Self {
        self.progress = Some(Arc::new(progress));
        self
    }
}

impl Default for WarmOptions {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for WarmOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WarmOptions")
            .field("batch_size", &self.batch_size)
            .field("concurrency", &self.concurrency)
            .field("progress", &self.progress.is_some())
            .finish()
    }
}
