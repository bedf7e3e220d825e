//! Writes: the file first, whole and under its name, then the row that makes it visible.

mod carried;
mod value;

pub use value::ValueWriter;

use std::io::{self, Write as _};
use std::sync::Arc;

use bytes::Bytes;
use cache_core::entry::Entry;
use cache_core::storage::{Outcome, Storage, StorageError, StorageErrorKind, Write, WriteAction};
use cache_sqlite::Reference;
use futures_util::stream::{self, StreamExt};

use crate::error::{closed, failure, of_index};
use crate::layout::{Files, Staged};
use crate::storage::Shared;
use carried::Carried;

const OPERATION: &str = "write";

pub(crate) type Outcomes = Vec<Result<Outcome, StorageError>>;

/// A write whose payload has become a reference, and the file that this refers to.
struct Prepared {
    write: Write,
    staged: Option<Staged>,
}

impl Shared {
    pub(crate) async fn write(
        self: &Arc<Self>,
        writes: Vec<Write>,
    ) -> Result<Outcomes, StorageError> {
        if self.is_closed() {
            return Err(closed(OPERATION));
        }
        let prepared = writes.into_iter().map(|write| self.prepare(write));
        let prepared = stream::iter(prepared).buffered(self.options.files_at_once);
        let mut ready = Vec::new();
        let mut outcomes: Vec<Option<StorageError>> = Vec::new();
        for one in prepared.collect::<Vec<_>>().await {
            outcomes.push(match one {
                Ok(one) => {
                    ready.push(one);
                    None
                }
                Err(error) => Some(error),
            });
        }
        let mut done = self.commit(ready).await?.into_iter();
        let missing = || Err(closed(OPERATION));
        let outcome = |error: Option<StorageError>| match error {
            Some(error) => Err(error),
            None => done.next().unwrap_or_else(missing),
        };
        Ok(outcomes.into_iter().map(outcome).collect())
    }

    /// Writes the payload to a file and puts a reference in its place.
    async fn prepare(&self, mut write: Write) -> Result<Prepared, StorageError> {
        let Some(entry) = entry_of(&mut write.action).filter(|entry| !entry.payload.is_empty())
        else {
            return Ok(Prepared { write, staged: None });
        };
        let bytes = entry.payload.len() as u64;
        if bytes > self.capabilities.value_bytes_max {
            // The index refuses it by its length, and does what else is to be done.
            entry.payload = Reference { id: 0, bytes }.to_payload();
            return Ok(Prepared { write, staged: None });
        }
        let payload = std::mem::take(&mut entry.payload);
        let (files, sync) = (Arc::clone(&self.files), self.options.fsync);
        let staged = self.blocking(OPERATION, move || stage(&files, &payload, sync)).await;
        let staged = staged.and_then(|staged| {
            staged.map_err(|source| failure(OPERATION, "the value cannot be written", source))
        });
        match staged {
            Ok(staged) => {
                entry.payload = staged.reference(bytes).to_payload();
                Ok(Prepared { write, staged: Some(staged) })
            }
            Err(error) => Err(error.with_key(&write.key)),
        }
    }

    /// Makes files visible. Once begun it goes on to its end, whether the caller waits or not, and
    /// so each file ends with a row or is deleted.
    async fn commit(self: &Arc<Self>, prepared: Vec<Prepared>) -> Result<Outcomes, StorageError> {
        let shared = Arc::clone(self);
        Carried::new(async move {
            let (mut writes, mut files) = (Vec::new(), Vec::new());
            for Prepared { write, mut staged } in prepared {
                if let Some(staged) = &mut staged {
                    staged.offer(&write.key);
                }
                files.push(staged);
                writes.push(write);
            }
            let outcomes = shared.index.write(writes).await;
            let outcome = |index: usize| match &outcomes {
                Ok(outcomes) => outcomes.get(index).map(Result::as_ref),
                Err(error) => Some(Err(error)),
            };
            for (index, staged) in files.into_iter().enumerate() {
                let Some(staged) = staged else { continue };
                match outcome(index) {
                    Some(Ok(Outcome::Stored)) => staged.keep(),
                    Some(Err(error)) if may_have_happened(error) => drop(staged),
                    None => drop(staged),
                    _ => staged.refuse(),
                }
            }
            let outcomes = outcomes.map_err(of_index)?;
            if shared.files.has_doubtful() {
                // The index answers again. What still fails stays doubtful.
                tokio::spawn(async move { shared.decide_doubtful().await });
            }
            Ok(outcomes.into_iter().map(|outcome| outcome.map_err(of_index)).collect())
        })
        .await
    }
}

/// Whether a write that failed like this may be stored all the same, or still be.
fn may_have_happened(error: &StorageError) -> bool {
    matches!(error.kind(), StorageErrorKind::Unavailable | StorageErrorKind::Closed)
}

/// Writes a value to a file of its own, up to its name.
fn stage(files: &Arc<Files>, payload: &Bytes, sync: bool) -> io::Result<Staged> {
    let mut staged = Staged::begin(files, sync)?;
    let stage = staged.stage()?;
    stage.file.write_all(payload)?;
    stage.finish(sync)?;
    Ok(staged)
}

/// The entry that a write stores, if it stores one.
fn entry_of(action: &mut WriteAction) -> Option<&mut Entry> {
    match action {
        WriteAction::Fill { entry, .. }
        | WriteAction::Set { entry }
        | WriteAction::Update { entry, .. }
        | WriteAction::PutIfUnchanged { entry, .. } => Some(entry),
        _ => None,
    }
}
