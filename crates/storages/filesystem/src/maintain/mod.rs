//! Keeping the store small and whole: the index' own maintenance, and a check of the files.

mod check;

pub use check::{Checked, Thoroughness};

use cache_core::storage::{Budget, Maintenance, Storage, StorageError};
use cache_sqlite::Reference;

use crate::error::of_index;
use crate::layout::{FileId, Form, Found};
use crate::storage::Shared;

impl Shared {
    pub(crate) async fn maintain(&self, budget: Budget) -> Result<Maintenance, StorageError> {
        self.decide_doubtful().await?;
        let deleted = self.files.deleted_bytes();
        let mut done = self.index.maintain(budget).await.map_err(of_index)?;
        self.index.collect().await.map_err(of_index)?;
        done.freed_bytes += self.files.deleted_bytes().saturating_sub(deleted);
        Ok(done)
    }

    /// Finds out what became of writes that were not answered, and deletes the files of those that
    /// came to nothing.
    pub(crate) async fn decide_doubtful(&self) -> Result<(), StorageError> {
        let doubtful = self.files.take_doubtful();
        if doubtful.is_empty() {
            return Ok(());
        }
        // Whatever was queued before this has been done, or never will be.
        let mut passed = self.index.flush().await;
        for (key, id) in doubtful {
            let found = match &passed {
                Ok(()) => self.index.get(&key).await,
                Err(error) => Err(error.clone()),
            };
            match found {
                Ok(lookup) => {
                    let payload = lookup.entry.map(|entry| entry.payload).unwrap_or_default();
                    let held = Reference::from_payload(&payload);
                    if held.is_none_or(|reference| FileId(reference.id) != id) {
                        self.delete(Found { id, form: Form::Whole }).await?;
                    }
                    self.files.decided(id);
                }
                Err(error) => {
                    self.files.doubt(key, id);
                    passed = Err(error);
                }
            }
        }
        passed.map_err(of_index)
    }
}
