use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;

use super::registered::Registered;
use super::shared::Shared;
use crate::atomics::AtomicStore;
use crate::error::ConfigError;
use crate::node::Across;
use crate::stats::AcrossRecorder;

/// What a binding needs for single flight across processes.
pub(crate) struct AcrossLeases {
    pub(crate) store: AtomicStore,
    pub(crate) ttl: Duration,
    pub(crate) wait_max: Duration,
    pub(crate) recorder: AcrossRecorder,
    /// Rung where a load of another process may have ended.
    pub(crate) woken: Notify,
}

impl AcrossLeases {
    pub(super) fn new(
        shared: &Arc<Shared>,
        storage: &Arc<Registered>,
        options: &Across,
    ) -> Result<Self, ConfigError> {
        Ok(Self {
            store: AtomicStore::of(shared, storage)?,
            ttl: options.ttl,
            wait_max: options.wait_max,
            recorder: AcrossRecorder::default(),
            woken: Notify::new(),
        })
    }
}
