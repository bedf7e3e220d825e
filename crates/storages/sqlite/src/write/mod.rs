//! Writes: queued for the one thread that writes, which commits them in groups.

mod apply;
mod group;
mod job;
mod thread;
mod transaction;

pub(crate) use apply::apply;
pub(crate) use group::Writer;
#[cfg(all(test, shuttle))]
pub(crate) use group::{Commit, Failed, Grouped};
#[cfg(all(test, shuttle))]
pub(crate) use job::Apart;
pub(crate) use job::{Job, Left, Outcomes};
pub(crate) use thread::Committer;
pub(crate) use transaction::Transaction;

use std::time::Instant;

use cache_core::entry::Entry;
use cache_core::storage::{Outcome, StorageError, Write, WriteAction};
use tokio::sync::oneshot;
use tokio::task::coop::consume_budget;

use crate::error::closed;
use crate::maintain::Operation;
use crate::storage::Shared;

/// What a job weighs in the queue for each of this many bytes that it holds.
const BYTES_PER_WEIGHT: usize = 1024;

impl Shared {
    pub(crate) async fn write(&self, writes: Vec<Write>) -> Result<Outcomes, StorageError> {
        const OPERATION: &str = "write";
        if writes.is_empty() {
            return if self.calls.is_closed() { Err(closed(OPERATION)) } else { Ok(Vec::new()) };
        }
        consume_budget().await;
        let begun = Instant::now();
        let count = writes.len() as u64;
        let bytes: usize = writes.iter().map(payload_bytes).sum();
        let weight = writes.len() + bytes / BYTES_PER_WEIGHT;
        let (answer, answered) = oneshot::channel();
        let job = Job::Write { writes, done: Vec::new(), answer };
        let outcomes = self.job(OPERATION, job, weight, answered).await;
        let stored = |outcome: &&Result<Outcome, _>| matches!(outcome, Ok(Outcome::Stored));
        let hits =
            outcomes.as_ref().ok().map(|outcomes| outcomes.iter().filter(stored).count() as u64);
        self.tallies.lock().add(Operation::Write, begun, count, hits);
        outcomes
    }

    /// Hands a job to the writer and waits for its answer, within the timeout.
    pub(crate) async fn job<T>(
        &self,
        operation: &'static str,
        job: Job,
        weight: usize,
        answered: oneshot::Receiver<Result<T, StorageError>>,
    ) -> Result<T, StorageError> {
        self.within(operation, self.long_job(operation, job, weight, answered)).await
    }

    /// The same for jobs of many steps: as long as it takes. That the writer comes no further is
    /// told by SQLite's own timeout.
    pub(crate) async fn long_job<T>(
        &self,
        operation: &'static str,
        job: Job,
        weight: usize,
        answered: oneshot::Receiver<Result<T, StorageError>>,
    ) -> Result<T, StorageError> {
        self.calls.write(operation, job, weight, answered).await
    }
}

fn payload_bytes(write: &Write) -> usize {
    match &write.action {
        WriteAction::Fill { entry, .. }
        | WriteAction::Set { entry }
        | WriteAction::Update { entry, .. }
        | WriteAction::PutIfUnchanged { entry, .. } => bytes_of(entry),
        _ => 0,
    }
}

fn bytes_of(entry: &Entry) -> usize {
    entry.payload.len()
}

#[cfg(test)]
mod tests {
    use cache_core::clock::Timestamp;
    use cache_core::entry::{CodecId, Compression, EntryKind, Token};
    use cache_core::key::{Key, Tags};
    use cache_core::storage::{InvalidationMode, Selector, Storage, StorageErrorKind};

    use super::*;
    use crate::config::SqliteOptions;
    use crate::storage::Sqlite;

    fn set(name: &str, length: usize) -> Write {
        let key = Key::parse(&format!("t:{name}:v1")).unwrap();
        let entry = Entry {
            kind: EntryKind::Value,
            codec: CodecId::BYTES,
            compression: Compression::None,
            decoded_bytes: length as u32,
            created: Timestamp::from_unix_ms(0),
            fresh_until: Timestamp::NEVER,
            kept_until: Timestamp::NEVER,
            idle: None,
            stamp: 0,
            token: Token(1),
            tags: Tags::NONE,
            payload: vec![7; length].into(),
            checksum: 0,
        };
        let entry = entry.sealed(&key);
        Write { key, action: WriteAction::Set { entry } }
    }

    async fn execute(storage: &Sqlite, sql: String) {
        let (answer, answered) = oneshot::channel();
        let job = Job::Execute { sql, answer };
        storage.shared().job("execute", job, 1, answered).await.unwrap();
    }

    #[tokio::test]
    async fn a_full_disk_is_told_and_leaves_everything_whole() {
        let folder = tempfile::tempdir().unwrap();
        let options = SqliteOptions::new(folder.path().join("c.db")).cleanup_interval(None);
        let storage = options.clone().open().await.unwrap();
        let first = set("first", 1000);
        storage.write(vec![first.clone()]).await.unwrap();
        // SQLite's own limit answers as a full disk does; it holds for this connection.
        let pages = storage.stats().await.unwrap().stored_bytes / 4096 + 20;
        execute(&storage, format!("PRAGMA max_page_count = {pages}")).await;
        let error = storage.write(vec![set("large", 1 << 20)]).await.unwrap_err();
        assert_eq!(error.kind(), StorageErrorKind::Full, "{error}");
        // In a batch only what does not fit fails.
        let batch = vec![set("a", 10), set("large", 1 << 20), set("b", 10)];
        let outcomes = storage.write(batch).await.unwrap();
        let kinds: Vec<_> =
            outcomes.iter().map(|outcome| outcome.as_ref().err().map(StorageError::kind)).collect();
        assert_eq!(kinds, [None, Some(StorageErrorKind::Full), None]);
        let named = outcomes[1].as_ref().unwrap_err().key().unwrap().name().to_owned();
        assert_eq!(named, "large");
        // Reading and removing go on.
        assert!(storage.get(&first.key).await.unwrap().entry.is_some());
        let selector = Selector::Keys(vec![first.key.clone()]);
        storage.invalidate(&selector, InvalidationMode::Remove).await.unwrap();
        assert_eq!(storage.stats().await.unwrap().entries, 2);
        storage.close().await.unwrap();
        crate::schema::check_schema(folder.path().join("c.db"), "cache").unwrap();
        assert_eq!(options.open().await.unwrap().stats().await.unwrap().entries, 2);
    }

    #[tokio::test]
    async fn a_panic_of_the_writer_ends_every_call() {
        let storage = SqliteOptions::temporary().open().await.unwrap();
        let (answer, answered) = oneshot::channel();
        let job = Job::Execute { sql: Job::PANIC.to_owned(), answer };
        assert!(storage.shared().job("execute", job, 1, answered).await.is_err());
        let error = storage.write(vec![set("a", 1)]).await.unwrap_err();
        assert_eq!(error.kind(), StorageErrorKind::Closed, "{error}");
        let error = storage.close().await.unwrap_err();
        assert!(error.to_string().contains("unexpectedly"), "{error}");
    }
}
