//! Invalidations happen in the index: the fence is raised and rows go in its transactions, and their
//! files are deleted after that.

use cache_core::storage::{Invalidated, InvalidationMode, Selector, Storage, StorageError};

use crate::error::of_index;
use crate::storage::Shared;

impl Shared {
    pub(crate) async fn invalidate(
        &self,
        selector: &Selector,
        mode: InvalidationMode,
    ) -> Result<Invalidated, StorageError> {
        self.index.invalidate(selector, mode).await.map_err(of_index)
    }
}
