use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{Either, select};

use super::shared::Shared;
use crate::storage::StorageError;

/// Closing did not go as it should; the cache is closed all the same.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CloseError {
    /// Storages could not be flushed or closed.
    #[error("closing failed: {}", .failures.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Storages {
        /// What each of them said.
        failures: Vec<StorageError>,
    },
    /// Invalidations had not been told to other processes, and will not be.
    #[error("{count} events had not been told to other processes and are lost")]
    Unannounced {
        /// How many events.
        count: usize,
    },
    /// Queued writes had not come to where they go, and are lost.
    #[error("{count} queued writes of `{node}` had not been written and are lost")]
    QueuedWrites {
        /// The node type.
        node: String,
        /// How many.
        count: usize,
    },
    /// Invalidations had not reached every storage, and are lost.
    #[error("{count} invalidations had not reached `{storage}` and are lost")]
    PendingInvalidations {
        /// The storage.
        storage: String,
        /// How many.
        count: usize,
    },
}

/// Refuses new operations, lets what runs finish for `grace` and aborts the rest, then flushes and
/// closes the storages. Closing twice does nothing more.
pub(super) async fn close(shared: &Arc<Shared>, grace: Duration) -> Result<(), CloseError> {
    shared.refuse();
    // Whoever comes while another closes waits for the same end; where that one went away half-way,
    // this one goes on from there.
    shared.closed_storages.get_or_init(|| finish(shared, grace)).await.clone()
}

async fn finish(shared: &Arc<Shared>, grace: Duration) -> Result<(), CloseError> {
    let finished = std::pin::pin!(shared.finished());
    let sleep = shared.clock.sleep(grace);
    if let Either::Right((_, finished)) = select(finished, sleep).await {
        shared.abort();
        finished.await;
    }
    let mut failures = Vec::new();
    let mut lost = None;
    if let Some(announcer) = &shared.announcer
        && !announcer.append_unsent().await
    {
        lost = Some(CloseError::Unannounced { count: announcer.unsent() });
    }
    for storage in &shared.storages {
        let count = storage.pending.len();
        if count > 0 {
            lost =
                Some(CloseError::PendingInvalidations { storage: storage.name.to_string(), count });
        }
        if let Err(error) = storage.close().await {
            failures.push(error);
        }
    }
    shared.queues.for_each(|queue| {
        let count = queue.len();
        if count > 0 {
            lost = Some(CloseError::QueuedWrites { node: queue.node().to_owned(), count });
        }
    });
    shared.events.close();
    match lost {
        Some(lost) if failures.is_empty() => Err(lost),
        None if failures.is_empty() => Ok(()),
        _ => Err(CloseError::Storages { failures }),
    }
}
