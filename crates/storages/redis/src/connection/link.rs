//! A place for one connection: made by the first who needs it, left when it breaks.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use redis::RedisResult;
use tokio::sync::OnceCell;

use super::channel::{Channel, Connector};

type Cell = OnceCell<Channel>;

/// One of the connections.
pub(super) struct Link {
    /// Replaced by an empty one when its connection is left.
    cell: ArcSwap<Cell>,
    calls: AtomicUsize,
    patience: Duration,
}

/// The connection that a call found.
pub(super) struct Current {
    cell: Arc<Cell>,
    channel: Channel,
}

impl Current {
    pub(super) fn current(&self) -> &Channel {
        &self.channel
    }
}

/// A call in progress. One that is given up after long means that the connection may be dead
/// although nothing has said so.
pub(super) struct Usage<'a> {
    link: &'a Link,
    cell: Arc<Cell>,
    begun: Instant,
    ended: bool,
}

impl Link {
    /// `patience`: after how long without an answer a connection is not trusted any more.
    pub(super) fn new(patience: Duration) -> Self {
        Self { cell: ArcSwap::default(), calls: AtomicUsize::new(0), patience }
    }

    /// How many calls are in progress.
    pub(super) fn calls(&self) -> usize {
        self.calls.load(Ordering::Relaxed)
    }

    pub(super) fn begin(&self) -> Usage<'_> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        Usage { link: self, cell: self.cell.load_full(), begun: Instant::now(), ended: false }
    }

    /// The connection. Whoever comes first makes it; if that one gives up, the next goes on.
    pub(super) async fn channel(&self, connector: &Connector) -> RedisResult<Current> {
        let cell = self.cell.load_full();
        let channel = cell.get_or_try_init(|| connector.connect()).await?.clone();
        Ok(Current { cell, channel })
    }

    /// Leaves a connection, unless somebody has done so before.
    pub(super) fn leave_channel(&self, current: &Current) {
        self.leave_cell(&current.cell);
    }

    /// Leaves whatever connection there is.
    pub(super) fn leave(&self) {
        self.cell.store(Arc::default());
    }

    fn leave_cell(&self, cell: &Arc<Cell>) {
        self.cell.compare_and_swap(cell, Arc::default());
    }
}

impl Usage<'_> {
    /// An answer has come, be it an error.
    pub(super) fn end(&mut self) {
        self.ended = true;
    }
}

impl Drop for Usage<'_> {
    fn drop(&mut self) {
        self.link.calls.fetch_sub(1, Ordering::Relaxed);
        if !self.ended && self.begun.elapsed() >= self.link.patience {
            self.link.leave_cell(&self.cell);
        }
    }
}
