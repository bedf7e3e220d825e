//! The task that keeps a store in order while it is open.

use std::sync::{Arc, Weak};
use std::time::Duration;

use cache_core::storage::Budget;
use tokio::time::sleep;

use crate::storage::Shared;

/// What one run by itself may do; what is left waits for the next.
const BUDGET: Budget = Budget { entries_max: 100_000, duration_max: Duration::from_secs(10) };

/// Starts the task. It ends with the storage, or when the last handle is dropped.
pub(crate) fn start(shared: &Arc<Shared>) {
    let task = tokio::spawn(keep(Arc::downgrade(shared)));
    *shared.keeper.lock() = Some(task.abort_handle());
}

async fn keep(shared: Weak<Shared>) {
    loop {
        let Some(open) = shared.upgrade() else { return };
        let cleanup = open.options.common.cleanup_interval;
        let every = cleanup.unwrap_or(open.options.common.access_interval);
        // Processes that were started together do not come together.
        let wait = every.min(MAX_WAIT).mul_f64(0.75 + fastrand::f64() / 2.0);
        drop(open);
        sleep(wait).await;
        let Some(open) = shared.upgrade() else { return };
        if open.pool.is_closed() {
            return;
        }
        open.pool.close_old().await;
        let done = match cleanup {
            Some(_) => open.maintain(BUDGET).await.map(drop),
            None => open.write_accesses("maintain").await,
        };
        // What failed is tried at the next round; callers see the same failure for themselves.
        #[cfg(feature = "tracing")]
        if let Err(error) = &done {
            tracing::warn!(%error, "maintenance of a PostgreSQL storage has failed");
        }
        let _ = done;
    }
}

/// Connections that nobody uses are closed in the same rounds.
const MAX_WAIT: Duration = Duration::from_secs(3600);
