//! The bounds on entries and bytes, and who goes when they are passed.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use cache_core::storage::StorageError;
use mongodb::bson::{Bson, DateTime, doc};
use tokio::sync::Notify;

use crate::connection::{Call, Find, STEP, number};
use crate::fence::ROWS;
use crate::schema::field;
use crate::storage::Shared;

/// Up to so many documents, entries and bytes are counted; above, the server's own count is taken.
const COUNTED_MAX: u64 = 10_000;

/// What this process has written and removed.
#[derive(Debug)]
pub(crate) struct Bounds {
    /// Writes since the bounds were looked at, and their bytes.
    written: AtomicU64,
    written_bytes: AtomicU64,
    /// After so many, or so many bytes, they are looked at.
    stride: u64,
    stride_bytes: u64,
    /// Whether a write of this process looks at them now.
    looking: AtomicBool,
    /// Told when more is to go than a write stays for.
    pub(super) due: Notify,
    expired: AtomicU64,
    evicted: AtomicU64,
}

impl Bounds {
    pub(crate) fn new(max_entries: u64, max_bytes: u64) -> Self {
        Self {
            written: AtomicU64::new(0),
            written_bytes: AtomicU64::new(0),
            stride: (max_entries / 100).clamp(1, 10_000),
            stride_bytes: (max_bytes / 100).max(1),
            looking: AtomicBool::new(false),
            due: Notify::new(),
            expired: AtomicU64::new(0),
            evicted: AtomicU64::new(0),
        }
    }

    /// Counts writes; whether another hundredth of a bound has been written.
    fn stored(&self, writes: u64, bytes: u64) -> bool {
        let add = |count: &AtomicU64, more: u64| {
            count.fetch_add(more, Ordering::Relaxed).saturating_add(more)
        };
        let entries = add(&self.written, writes) >= self.stride;
        let bytes = add(&self.written_bytes, bytes) >= self.stride_bytes;
        if entries || bytes {
            self.written.store(0, Ordering::Relaxed);
            self.written_bytes.store(0, Ordering::Relaxed);
        }
        entries || bytes
    }

    pub(super) fn expired(&self, entries: u64) {
        self.expired.fetch_add(entries, Ordering::Relaxed);
    }

    /// What was removed as expired and as evicted.
    pub(super) fn removed(&self) -> (u64, u64) {
        (self.expired.load(Ordering::Relaxed), self.evicted.load(Ordering::Relaxed))
    }
}

/// That one write looks at the bounds; the next may when this is dropped.
struct Looking<'a>(&'a AtomicBool);

impl<'a> Looking<'a> {
    fn begin(looking: &'a AtomicBool) -> Option<Self> {
        (!looking.swap(true, Ordering::AcqRel)).then_some(Self(looking))
    }
}

impl Drop for Looking<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

/// How much the collection holds.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Amount {
    pub(super) entries: u64,
    pub(super) payload_bytes: u64,
}

/// What is to go. Reckoned once, and then counted down by what went: counts of the server may be
/// wrong for a while, and whoever followed them to the end could empty the store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Surplus {
    entries: u64,
    bytes: u64,
}

impl Surplus {
    fn of(amount: Amount, max_entries: u64, max_bytes: u64) -> Self {
        Self {
            entries: amount.entries.saturating_sub(max_entries),
            bytes: amount.payload_bytes.saturating_sub(max_bytes),
        }
    }

    pub(super) fn is_none(&self) -> bool {
        self.entries == 0 && self.bytes == 0
    }

    /// Whether an entry is to go, which is counted then.
    fn takes(&mut self, payload_bytes: u64) -> bool {
        let takes = !self.is_none();
        self.entries = self.entries.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(payload_bytes);
        takes
    }
}

impl Shared {
    /// Looks at the bounds after writes that filled another hundredth of one, and evicts. The writes
    /// are done: what fails here is left to maintenance.
    pub(crate) async fn hold_bounds(&self, writes: u64, bytes: u64) {
        if !self.bounds.stored(writes, bytes) {
            return;
        }
        let Some(_looking) = Looking::begin(&self.bounds.looking) else { return };
        let call = self.connection.call("evict");
        let held = async {
            let mut surplus = self.surplus(&call).await?;
            if !surplus.is_none() {
                self.write_accesses().await?;
                self.evict(&call, &mut surplus, STEP).await?;
            }
            Ok::<_, StorageError>(surplus.is_none())
        };
        let held = tokio::time::timeout(self.options.timeout, held).await;
        if !matches!(held, Ok(Ok(true))) {
            self.bounds.due.notify_one();
        }
    }

    /// What is over the bounds.
    pub(super) async fn surplus(&self, call: &Call) -> Result<Surplus, StorageError> {
        let size = self.size(call).await?;
        let (count, bytes) = (number(size.get("count")), number(size.get("size")));
        let (max_entries, max_bytes) = (self.options.max_entries, self.options.max_bytes);
        if count <= max_entries && bytes <= max_bytes {
            return Ok(Surplus::default());
        }
        let amount = if count <= COUNTED_MAX {
            self.amount(call).await?
        } else {
            // The server has counted what belongs to the fence, too.
            let fence = ROWS as u64 + 1;
            Amount { entries: count.saturating_sub(fence), payload_bytes: bytes }
        };
        Ok(Surplus::of(amount, max_entries, max_bytes))
    }

    /// Counts entries and the bytes of their payloads, by the index that holds both.
    pub(super) async fn amount(&self, call: &Call) -> Result<Amount, StorageError> {
        let pipeline = vec![
            doc! { "$match": { field::USED_AT: { "$gte": DateTime::from_millis(0) } } },
            doc! { "$group": {
                "_id": Bson::Null,
                "entries": { "$sum": 1 },
                "bytes": { "$sum": format!("${}", field::PAYLOAD_BYTES) },
            } },
        ];
        let command = doc! {
            "aggregate": self.connection.collection_name(),
            "pipeline": pipeline,
            "cursor": {},
        };
        let reply = self.connection.run(call, command).await?;
        let batch = reply.get_document("cursor").and_then(|it| it.get_array("firstBatch"));
        let sums = batch.ok().and_then(|batch| batch.first()).and_then(Bson::as_document);
        let sum = |field| sums.map_or(0, |sums| number(sums.get(field)));
        Ok(Amount { entries: sum("entries"), payload_bytes: sum("bytes") })
    }

    /// Removes those used least recently, as many as are to go and at most so many; gives how many
    /// went.
    pub(super) async fn evict(
        &self,
        call: &Call,
        surplus: &mut Surplus,
        step: usize,
    ) -> Result<u64, StorageError> {
        let find = Find::new(doc! { field::USED_AT: { "$gte": DateTime::from_millis(0) } }, step)
            .only(doc! { field::ID: 1, field::USED_AT: 1, field::PAYLOAD_BYTES: 1 })
            .sorted(doc! { field::USED_AT: 1, field::PAYLOAD_BYTES: 1 })
            .limited();
        let found = self.connection.find(call, find, |document| {
            let id = document.get_str(field::ID).ok()?.to_owned();
            let bytes = document.get_i64(field::PAYLOAD_BYTES).unwrap_or(0);
            let used = document.get_datetime(field::USED_AT).ok()?;
            Some((id, u64::try_from(bytes).unwrap_or(0), used))
        });
        let found = found.await?.into_iter().flatten();
        let found: Vec<_> = found.take_while(|(_, bytes, _)| surplus.takes(*bytes)).collect();
        let Some(last) = found.iter().map(|(.., used)| *used).max() else {
            // What the server counted is not there.
            *surplus = Surplus::default();
            return Ok(0);
        };
        let ids: Vec<_> = found.into_iter().map(|(id, ..)| id).collect();
        // Not what was used again meanwhile.
        let filter = doc! { "_id": { "$in": ids }, field::USED_AT: { "$lte": last } };
        let evicted = self.connection.delete(call, filter).await?;
        self.bounds.evicted.fetch_add(evicted, Ordering::Relaxed);
        Ok(evicted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_over_either_bound_goes_and_no_more() {
        let amount = |entries, payload_bytes| Amount { entries, payload_bytes };
        assert!(Surplus::of(amount(100, 2_000), 100, 2_000).is_none());
        let mut by_entries = Surplus::of(amount(102, 10), 100, 2_000);
        assert!(by_entries.takes(1) && by_entries.takes(1) && !by_entries.takes(1));
        let mut by_bytes = Surplus::of(amount(5, 2_095), 100, 2_000);
        assert!(by_bytes.takes(90) && by_bytes.takes(90) && !by_bytes.takes(90));
    }

    #[test]
    fn every_hundredth_of_a_bound_is_looked_at() {
        let bounds = Bounds::new(1_000, 100_000);
        let due: Vec<_> = (0..25).map(|_| bounds.stored(1, 0)).collect();
        assert_eq!(due.iter().filter(|due| **due).count(), 2);
        let bounds = Bounds::new(1_000, 100_000);
        assert!(!bounds.stored(1, 999) && bounds.stored(1, 1) && !bounds.stored(1, 0));
        assert!(Bounds::new(1, 1).stored(1, 0), "the smallest bounds");
    }

    #[test]
    fn one_write_looks_at_a_time() {
        let looking = AtomicBool::new(false);
        let first = Looking::begin(&looking);
        assert!(first.is_some() && Looking::begin(&looking).is_none());
        drop(first);
        assert!(Looking::begin(&looking).is_some());
    }
}
