//! What the callers of a store and its keeper share.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use cache_core::storage::{Capabilities, Reach, StorageError};
use cache_sql::AccessLog;
use parking_lot::Mutex;
use tokio::task::AbortHandle;

use crate::config::PostgresOptions;
use crate::connection::{Connector, Pool};
use crate::error::{SCHEME, closed};
use crate::events::Events;
use crate::fence::Known;
use crate::maintain::Counters;
use crate::schema::Statements;

/// Uses of this many entries are gathered at most.
const ACCESSES_MAX: usize = 65_536;

/// An open store.
pub(crate) struct Shared {
    pub(crate) options: PostgresOptions,
    pub(crate) capabilities: Capabilities,
    pub(crate) statements: Statements,
    pub(crate) pool: Arc<Pool>,
    pub(crate) known: Known,
    pub(crate) accesses: AccessLog,
    pub(crate) counters: Counters,
    pub(crate) keeper: Mutex<Option<AbortHandle>>,
    pub(crate) events: Events,
    stored: AtomicU64,
}

impl Shared {
    pub(super) fn new(options: PostgresOptions) -> Self {
        let capabilities = Capabilities::new(SCHEME, Reach::Shared)
            .with_value_bytes_max(options.value_bytes_max)
            .with_atomics();
        Self {
            capabilities,
            statements: Statements::new(&options.schema, &options.table),
            pool: Pool::new(Connector::new(&options), options.pool_size, options.idle_timeout),
            known: Known::new(),
            accesses: AccessLog::new(ACCESSES_MAX),
            counters: Counters::default(),
            keeper: Mutex::new(None),
            events: Events::new(&options),
            stored: AtomicU64::new(0),
            options,
        }
    }

    /// Notes what was stored; tells whether that has come to a hundredth of the bound, and so the
    /// bound is to be looked at.
    pub(crate) fn note_stored(&self, entries: u64, bytes: u64) -> bool {
        const WHOLE: u64 = 1 << 40;
        const DUE: u64 = WHOLE / 100;
        let of_bound = |part: u64, bound: u64| {
            u64::try_from(u128::from(part) * u128::from(WHOLE) / u128::from(bound.max(1)))
                .unwrap_or(WHOLE)
        };
        let share = of_bound(entries, self.options.max_entries)
            .max(of_bound(bytes, self.options.max_bytes));
        let before = self.stored.fetch_add(share, Ordering::Relaxed);
        let is_due = before.saturating_add(share) >= DUE;
        if is_due {
            self.stored.store(0, Ordering::Relaxed);
        }
        is_due
    }

    /// Takes no more calls; the keeper ends.
    pub(super) fn stop(&self) {
        self.pool.stop();
        self.events.stop();
        // What nobody uses is closed here; what is in use, when it comes back.
        self.pool.forget_idle();
        if let Some(keeper) = self.keeper.lock().take() {
            keeper.abort();
        }
    }

    pub(super) async fn close(&self) -> Result<(), StorageError> {
        if self.pool.is_closed() {
            return Ok(());
        }
        self.events.stop();
        let flushed = self.flush().await;
        if let Some(keeper) = self.keeper.lock().take() {
            keeper.abort();
        }
        let _ = tokio::time::timeout(self.options.timeout, self.pool.close()).await;
        match flushed {
            // Another call closed it in the meantime; that one flushed.
            Err(error) if error.kind() == closed("close").kind() => Ok(()),
            flushed => flushed,
        }
    }
}
