use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{Either, select};

use super::shared::Shared;
use crate::events::WriteLost;
use crate::storage::StorageError;
use crate::write_behind::tell_lost;

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
    /// Queued writes had not come to where they go, and are lost; what was on its way when the time
    /// was over may have been written. Each is told by
    /// [`CacheEvent::WriteLost`](crate::events::CacheEvent::WriteLost).
    #[error("{count} queued writes of `{node}` were not seen to be written and are lost")]
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
    /// More than one of these.
    #[error("{}", .errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Several {
        /// All of them, one for each storage and node type; none is itself several.
        errors: Vec<CloseError>,
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
    // One that nothing but its task holds is still to say what it has lost with it.
    let mut queues = Vec::new();
    shared.queues.for_each(|queue| queues.push(queue));
    let finished = std::pin::pin!(shared.finished());
    let sleep = shared.clock.sleep(grace);
    if let Either::Right((_, finished)) = select(finished, sleep).await {
        shared.abort();
        finished.await;
    }
    let (mut failures, mut errors) = (Vec::new(), Vec::new());
    if let Some(announcer) = &shared.announcer
        && !announcer.append_unsent().await
    {
        errors.push(CloseError::Unannounced { count: announcer.unsent() });
    }
    for storage in &shared.storages {
        let count = storage.pending.len();
        if count > 0 {
            let storage = storage.name.to_string();
            errors.push(CloseError::PendingInvalidations { storage, count });
        }
        if let Err(error) = storage.close().await {
            failures.push(error);
        }
    }
    for queue in queues {
        let (node, keys) = (queue.node(), queue.left());
        if !keys.is_empty() {
            errors.push(CloseError::QueuedWrites { node: node.to_owned(), count: keys.len() });
        }
        for key in keys {
            tell_lost(&shared.events, node, &key, WriteLost::Closed);
        }
    }
    shared.events.close();
    if !failures.is_empty() {
        errors.insert(0, CloseError::Storages { failures });
    }
    match errors.len() {
        0 => Ok(()),
        1 => Err(errors.remove(0)),
        _ => Err(CloseError::Several { errors }),
    }
}
