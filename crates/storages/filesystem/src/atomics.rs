//! Counters, registers, locks and limits: in the index.

use async_trait::async_trait;
use cache_core::atomics::{Answer, AtomicName, Atomics, Operation};
use cache_core::storage::StorageError;

use crate::error::of_index;
use crate::storage::Filesystem;

#[async_trait]
impl Atomics for Filesystem {
    async fn apply(
        &self,
        name: &AtomicName,
        operation: &Operation,
    ) -> Result<Answer, StorageError> {
        self.shared().index.apply(name, operation).await.map_err(of_index)
    }
}
