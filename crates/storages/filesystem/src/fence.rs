//! The fence lies in the index: counter, floor and cells as SQLite keeps them. A write is checked
//! against it in the transaction that makes its file visible.

use cache_core::fence::Stamp;
use cache_core::key::Key;
use cache_core::storage::{Storage, StorageError};

use crate::error::of_index;
use crate::storage::Shared;

impl Shared {
    pub(crate) async fn stamps(&self, keys: &[Key]) -> Result<Vec<Stamp>, StorageError> {
        self.index.stamps(keys).await.map_err(of_index)
    }
}
