//! The bounds on entries and bytes, and who goes when they are passed.

use std::sync::atomic::{AtomicU64, Ordering};

use cache_core::fence::CELLS;
use cache_core::storage::StorageError;
use mongodb::bson::{DateTime, doc};
use tokio::sync::Notify;

use crate::connection::{Call, Find, number};
use crate::schema::field;
use crate::storage::Shared;

/// What this process has written and removed.
#[derive(Debug)]
pub(crate) struct Bounds {
    /// Writes since the bounds were looked at.
    written: AtomicU64,
    /// After so many, they are looked at.
    stride: u64,
    /// Told when they are to be looked at.
    pub(super) due: Notify,
    expired: AtomicU64,
    evicted: AtomicU64,
}

impl Bounds {
    pub(crate) fn new(max_entries: u64) -> Self {
        Self {
            written: AtomicU64::new(0),
            stride: (max_entries / 16).clamp(100, 100_000),
            due: Notify::new(),
            expired: AtomicU64::new(0),
            evicted: AtomicU64::new(0),
        }
    }

    /// Counts writes, and wakes the keeper when there were many.
    pub(crate) fn stored(&self, writes: usize) {
        let written = self.written.fetch_add(writes as u64, Ordering::Relaxed) + writes as u64;
        if written >= self.stride {
            self.written.store(0, Ordering::Relaxed);
            self.due.notify_one();
        }
    }

    pub(super) fn expired(&self, entries: u64) {
        self.expired.fetch_add(entries, Ordering::Relaxed);
    }

    pub(super) fn evicted(&self, entries: u64) {
        self.evicted.fetch_add(entries, Ordering::Relaxed);
    }

    /// What was removed as expired and as evicted.
    pub(super) fn removed(&self) -> (u64, u64) {
        (self.expired.load(Ordering::Relaxed), self.evicted.load(Ordering::Relaxed))
    }
}

/// How many entries are to go so that both bounds hold. The fence's own documents, of which there
/// are at most as many as cells and one, count for a few until the collection is larger than that.
fn surplus(count: u64, bytes: u64, fence: u64, max_entries: u64, max_bytes: u64) -> u64 {
    let entries = count.saturating_sub(fence);
    let by_entries = entries.saturating_sub(max_entries);
    let average = (bytes / count.max(1)).max(1);
    let by_bytes = bytes.saturating_sub(max_bytes).div_ceil(average);
    by_entries.max(by_bytes).min(entries)
}

impl Shared {
    /// How many entries are to go, by the server's own count.
    pub(super) async fn over(&self, call: &Call) -> Result<u64, StorageError> {
        let size = self.size(call).await?;
        let (count, bytes) = (number(size.get("count")), number(size.get("size")));
        let (max_entries, max_bytes) = (self.options.max_entries, self.options.max_bytes);
        if count <= max_entries && bytes <= max_bytes {
            return Ok(0);
        }
        // Numbers come before strings, and are few.
        let cells = Find::new(doc! { "_id": { "$lt": CELLS as i32 } }, CELLS + 1);
        let cells = self.connection.find(call, &cells.only(doc! { "_id": 1 }), |_| ()).await?;
        Ok(surplus(count, bytes, cells.len() as u64, max_entries, max_bytes))
    }

    /// Removes so many of those used least recently; gives how many went.
    pub(super) async fn evict(&self, call: &Call, step: usize) -> Result<u64, StorageError> {
        let find = Find::new(doc! { field::USED_AT: { "$gte": DateTime::from_millis(0) } }, step)
            .only(doc! { field::ID: 1, field::USED_AT: 1 })
            .sorted(doc! { field::USED_AT: 1, field::PAYLOAD_BYTES: 1 })
            .limited();
        let found = self.connection.find(call, &find, |document| {
            let id = document.get_str(field::ID).ok()?.to_owned();
            Some((id, document.get_datetime(field::USED_AT).ok()?))
        });
        let found: Vec<_> = found.await?.into_iter().flatten().collect();
        let Some(last) = found.iter().map(|(_, used)| *used).max() else { return Ok(0) };
        let ids: Vec<_> = found.into_iter().map(|(id, _)| id).collect();
        // Not what was used again meanwhile.
        let filter = doc! { "_id": { "$in": ids }, field::USED_AT: { "$lte": last } };
        self.connection.delete(call, filter).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_over_either_bound_goes() {
        assert_eq!(surplus(110, 1_100, 10, 100, 2_000), 0);
        assert_eq!(surplus(115, 1_100, 10, 100, 2_000), 5);
        assert_eq!(surplus(100, 1_000, 0, 1_000, 905), 10, "95 bytes, of 10 each");
        assert_eq!(surplus(5, 100, 5, 100, 1), 0, "nothing is left but the fence");
        assert_eq!(surplus(0, 0, 0, 1, 1), 0);
    }

    #[test]
    fn many_writes_wake_the_keeper() {
        let bounds = Bounds::new(1_600);
        for _ in 0..99 {
            bounds.stored(1);
        }
        let woken = || {
            let mut due = tokio_test_poll(bounds.due.notified());
            due()
        };
        assert!(!woken());
        bounds.stored(1);
        assert!(woken());
        assert!(!woken());
    }

    /// Whether a future is ready at once.
    fn tokio_test_poll<F: Future<Output = ()>>(future: F) -> impl FnMut() -> bool {
        let mut future = Box::pin(future);
        move || {
            let mut context = std::task::Context::from_waker(std::task::Waker::noop());
            future.as_mut().poll(&mut context).is_ready()
        }
    }
}
