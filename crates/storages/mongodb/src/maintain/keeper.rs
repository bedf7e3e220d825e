//! The task that keeps the store in order while it is open.

use std::sync::{Arc, Weak};
use std::time::Duration;

use cache_core::storage::{Budget, StorageError};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use crate::storage::Shared;

/// How much one turn may do before it looks whether it is to end.
const BUDGET: Budget = Budget { entries_max: 20_000, duration_max: Duration::from_secs(5) };

/// When nothing is ever due.
const NEVER: Duration = Duration::from_secs(365 * 86_400);

/// Writes accesses and cleans up, until the store is closed or dropped.
pub(crate) async fn keep(shared: Weak<Shared>, mut stopped: watch::Receiver<bool>) {
    let Some((access, cleanup)) = shared
        .upgrade()
        .map(|shared| (shared.options.access_interval, shared.options.cleanup_interval))
    else {
        return;
    };
    // Not all processes at the same moment.
    let apart = |interval: Duration| interval.min(NEVER).mul_f64(0.75 + fastrand::f64() / 2.0);
    let mut accesses_due = Instant::now() + apart(access);
    let mut cleanup_due = Instant::now() + cleanup.map_or(NEVER, apart);
    loop {
        let Some(bounds) = shared.upgrade() else { return };
        let woken = tokio::select! {
            _ = stopped.wait_for(|stopped| *stopped) => return,
            () = sleep_until(accesses_due.min(cleanup_due)) => false,
            () = due(&bounds, cleanup.is_some()) => true,
        };
        let now = Instant::now();
        if now >= accesses_due {
            accesses_due = now + apart(access);
            report("accesses were not written", bounds.write_accesses().await);
        }
        if woken || now >= cleanup_due {
            cleanup_due = now + cleanup.map_or(NEVER, apart);
            let done = bounds.maintain(BUDGET).await;
            if done.as_ref().is_ok_and(|done| done.unfinished) {
                cleanup_due = now;
            }
            report("maintenance failed", done.map(drop));
        }
    }
}

async fn due(shared: &Arc<Shared>, wanted: bool) {
    match wanted {
        true => shared.bounds.due.notified().await,
        false => std::future::pending().await,
    }
}

/// The next turn tries again; an operator may want to know.
fn report(what: &str, done: Result<(), StorageError>) {
    if let Err(error) = done {
        #[cfg(feature = "tracing")]
        tracing::warn!(%error, "mongodb: {what}");
        #[cfg(not(feature = "tracing"))]
        drop((what, error));
    }
}
