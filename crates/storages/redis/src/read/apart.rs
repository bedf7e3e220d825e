//! Reads while a slot is being moved: key by key, each wherever it is.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use cache_core::fence::Stamp;
use cache_core::storage::StorageError;
use redis::{Cmd, Value};

use super::stamp_of;
use crate::connection::Routed;
use crate::error::unexpected;
use crate::layout::Bucket;
use crate::storage::Shared;

/// How long after it was last refused a bucket's keys are not asked for together.
const REMEMBERED_MS: u64 = 1_000;

/// Buckets whose keys were on two servers a moment ago. To be refused takes the driver some tries.
#[derive(Debug)]
pub(crate) struct Apart {
    opened: Instant,
    /// For each bucket, until when it counts, in milliseconds since `opened`; 0 for never.
    until_ms: Box<[AtomicU64]>,
}

impl Apart {
    pub(crate) fn new(buckets: usize) -> Self {
        let until_ms = (0..buckets).map(|_| AtomicU64::new(0)).collect();
        Self { opened: Instant::now(), until_ms }
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.opened.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    pub(super) fn remembers(&self, bucket: Bucket) -> bool {
        self.remembers_at(bucket, || self.now_ms())
    }

    pub(super) fn remember(&self, bucket: Bucket) {
        self.remember_at(bucket, self.now_ms());
    }

    /// Asks for the time only where there is something to remember.
    fn remembers_at(&self, bucket: Bucket, now_ms: impl FnOnce() -> u64) -> bool {
        let until_ms = self.until_ms[usize::from(bucket.0)].load(Ordering::Relaxed);
        until_ms != 0 && now_ms() < until_ms
    }

    fn remember_at(&self, bucket: Bucket, now_ms: u64) {
        self.until_ms[usize::from(bucket.0)].store(now_ms + REMEMBERED_MS, Ordering::Relaxed);
    }
}

impl Shared {
    /// Stamp and values, as the one command would give them. The counter is read before the entries
    /// are asked for: a stamp that is too old is refused without need, one that is too new stores
    /// what was invalidated.
    pub(super) async fn read_apart(
        &self,
        operation: &'static str,
        bucket: Bucket,
        names: Vec<String>,
    ) -> Result<(Option<Stamp>, Vec<Value>), StorageError> {
        let slot = self.slot(bucket);
        // `MGET` of one key: as of several, what is of another kind does not exist.
        let read = |name: String| {
            let mut command = Cmd::new();
            command.arg("MGET").arg(name);
            Routed { slot, command }
        };
        let value = |answer: Value| match answer {
            Value::Array(mut values) if values.len() == 1 => Ok(values.remove(0)),
            _ => Err(unexpected(operation)),
        };
        let counter = self.connections.one(operation, read(self.names.counter(bucket))).await?;
        let stamp = stamp_of(&value(counter)?);
        let reads = names.into_iter().map(read).collect();
        let answers = self.connections.many(operation, reads).await?;
        let values = answers.into_iter().map(|answer| value(answer?));
        Ok((stamp, values.collect::<Result<_, _>>()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_refused_is_remembered() {
        let apart = Apart::new(2);
        apart.remember_at(Bucket(1), 5);
        assert!(!apart.remembers_at(Bucket(0), || 5));
        assert!(apart.remembers_at(Bucket(1), || 5 + REMEMBERED_MS - 1));
        assert!(!apart.remembers_at(Bucket(1), || 5 + REMEMBERED_MS));
        apart.remember(Bucket(0));
        assert!(apart.remembers(Bucket(0)));
    }
}
