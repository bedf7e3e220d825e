//! What the callers of a store and its keeper share.

use std::sync::Arc;

use cache_core::storage::{Capabilities, Reach, StorageError};
use cache_sql::{AccessLog, Known, StoredShare};
use parking_lot::Mutex;
use tokio::task::AbortHandle;

use crate::config::PostgresOptions;
use crate::connection::{Connector, Pool};
use crate::error::{SCHEME, closed};
use crate::events::Events;
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
    stored: StoredShare,
}

impl Shared {
    pub(super) fn new(options: PostgresOptions) -> Self {
        let capabilities = Capabilities::new(SCHEME, Reach::Shared)
            .with_value_bytes_max(options.common.value_bytes_max)
            .with_atomics();
        Self {
            capabilities,
            statements: Statements::new(&options.schema, &options.common.table),
            pool: Pool::new(
                Connector::new(&options),
                options.common.pool_size,
                options.common.idle_timeout,
            ),
            known: Known::default(),
            accesses: AccessLog::new(ACCESSES_MAX),
            counters: Counters::default(),
            keeper: Mutex::new(None),
            events: Events::new(&options),
            stored: StoredShare::default(),
            options,
        }
    }

    /// Notes what was stored; tells whether that has come to a hundredth of the bound, and so the
    /// bound is to be looked at.
    pub(crate) fn note_stored(&self, entries: u64, bytes: u64) -> bool {
        let Self { options, stored, .. } = self;
        stored.note(entries, options.common.max_entries, bytes, options.common.max_bytes)
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
        let _ = tokio::time::timeout(self.options.common.timeout, self.pool.close()).await;
        match flushed {
            // Another call closed it in the meantime; that one flushed.
            Err(error) if error.kind() == closed("close").kind() => Ok(()),
            flushed => flushed,
        }
    }
}
