use std::sync::Arc;

use super::storage_options::StorageOptions;
use crate::memory::MemoryEngine;
use crate::storage::Storage;

/// What can be registered under a name: a memory or a storage. Every storage converts into it, and
/// so do the memories of this project.
#[derive(Clone, Debug)]
pub enum Backend {
    /// Objects in this process.
    Memory(Arc<dyn MemoryEngine>),
    /// Encoded entries elsewhere.
    Storage(Arc<dyn Storage>),
    /// The same, guarded by other options than the defaults.
    Guarded(Arc<dyn Storage>, StorageOptions),
}

impl From<Arc<dyn MemoryEngine>> for Backend {
    fn from(engine: Arc<dyn MemoryEngine>) -> Self {
        Self::Memory(engine)
    }
}

impl From<Arc<dyn Storage>> for Backend {
    fn from(storage: Arc<dyn Storage>) -> Self {
        Self::Storage(storage)
    }
}

impl<S: Storage> From<S> for Backend {
    fn from(storage: S) -> Self {
        Self::Storage(Arc::new(storage))
    }
}
