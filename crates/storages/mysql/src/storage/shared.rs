//! What the callers of a store and its keeper share.

use std::sync::Arc;
use std::time::Instant;

use cache_core::storage::{Capabilities, Reach, StorageError};
use cache_sql::{AccessLog, Known, StoredShare};
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::task::AbortHandle;

use crate::config::MySqlOptions;
use crate::connection::{Connector, Pool};
use crate::error::{SCHEME, closed};
use crate::events::Events;
use crate::maintain::Counters;
use crate::schema::Statements;

/// Uses of this many entries are gathered at most.
const ACCESSES_MAX: usize = 65_536;
/// Room in a packet for all of an entry but its payload, and for what stands around it.
const PACKET_MARGIN_BYTES: u64 = 256 << 10;
/// Payloads of this many bytes go into one packet, if the server takes it; more are sent in parts.
const PART_BYTES: u64 = 32 << 20;
/// A bound on no more entries is held at every write.
const SMALL_BOUND_ENTRIES: u64 = 10_000;

/// An open store.
pub(crate) struct Shared {
    pub(crate) options: MySqlOptions,
    pub(crate) capabilities: Capabilities,
    pub(crate) statements: Statements,
    pub(crate) pool: Arc<Pool>,
    pub(crate) known: Known,
    pub(crate) accesses: AccessLog,
    pub(crate) counters: Counters,
    /// Rung when this process has stored so much that the bound is to be looked at.
    pub(crate) maintenance_due: Notify,
    pub(crate) keeper: Mutex<Option<AbortHandle>>,
    pub(crate) events: Events,
    /// Bytes of payloads that one packet may hold, one payload at least.
    pub(crate) part_bytes: u64,
    stored: StoredShare,
}

impl Shared {
    pub(super) fn new(options: MySqlOptions) -> Self {
        let capabilities = Capabilities::new(SCHEME, Reach::Shared)
            .with_value_bytes_max(options.common.value_bytes_max)
            .with_atomics();
        let statements = Statements::new(&options.common.table, options.common.prepared);
        Self {
            capabilities,
            events: Events::new(&options, &statements),
            statements,
            pool: Pool::new(
                Connector::new(&options),
                options.common.pool_size,
                options.common.idle_timeout,
            ),
            known: Known::default(),
            accesses: AccessLog::new(ACCESSES_MAX),
            counters: Counters::default(),
            maintenance_due: Notify::new(),
            keeper: Mutex::new(None),
            part_bytes: PART_BYTES,
            stored: StoredShare::default(),
            options,
        }
    }

    /// Keeps to the server's `max_allowed_packet`. A payload is sent as twice its bytes.
    pub(super) fn limit_packets(&mut self, packet_bytes: u64) {
        let payload_bytes = packet_bytes.saturating_sub(PACKET_MARGIN_BYTES) / 2;
        self.part_bytes = PART_BYTES.min(payload_bytes);
        let value_bytes_max = self.options.common.value_bytes_max.min(payload_bytes);
        self.capabilities = self.capabilities.clone().with_value_bytes_max(value_bytes_max);
    }

    /// Notes what was stored. A small bound is held at once, a larger one by the keeper, which is
    /// rung where that was a hundredth of it. The write began at `begun`.
    pub(crate) async fn note_stored(&self, entries: u64, bytes: u64, begun: Instant) {
        let options = &self.options;
        let is_due =
            self.stored.note(entries, options.common.max_entries, bytes, options.common.max_bytes);
        if is_due && options.common.max_entries <= SMALL_BOUND_ENTRIES {
            self.hold_bounds(begun).await;
        } else if is_due && options.common.cleanup_interval.is_some() {
            self.maintenance_due.notify_one();
        }
    }

    /// Takes no more calls; the keeper ends.
    pub(super) fn stop(&self) {
        self.pool.stop();
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
