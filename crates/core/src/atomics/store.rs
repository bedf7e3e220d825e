use std::sync::Arc;

use super::in_process::InProcessAtomics;
use super::name::{AtomicKind, AtomicName};
use super::operation::{Answer, Operation};
use crate::cache::{Registered, Shared};
use crate::error::{ConfigError, Error};
use crate::storage::{StorageError, StorageErrorKind};

/// Where the names of a counter, lock, .. are kept: a memory or a storage of a cache.
#[derive(Clone, Debug)]
pub(crate) struct AtomicStore {
    pub(crate) cache: Arc<Shared>,
    place: Place,
}

#[derive(Clone, Debug)]
enum Place {
    Memory(Arc<InProcessAtomics>),
    Storage(Arc<Registered>),
}

impl AtomicStore {
    /// The memory or storage that is registered under this name, if it can.
    pub(crate) fn find(cache: &Arc<Shared>, storage: &str) -> Result<Self, ConfigError> {
        let memory = cache.memories.iter().find(|memory| &*memory.name == storage);
        if let Some(memory) = memory {
            let place = Place::Memory(Arc::clone(&memory.atomics));
            return Ok(Self { cache: Arc::clone(cache), place });
        }
        let found = cache.storages.iter().find(|registered| &*registered.name == storage);
        let Some(found) = found else {
            return Err(ConfigError::NotRegistered {
                storage: storage.to_owned(),
                registered: cache.registered_names(),
            });
        };
        Self::of(cache, found)
    }

    /// The storage, if it can.
    pub(crate) fn of(cache: &Arc<Shared>, storage: &Arc<Registered>) -> Result<Self, ConfigError> {
        if storage.atomics().is_none() {
            return Err(ConfigError::NoAtomics { storage: storage.name.to_string() });
        }
        Ok(Self { cache: Arc::clone(cache), place: Place::Storage(Arc::clone(storage)) })
    }

    /// A name under the cache's prefix.
    pub(crate) fn name(&self, name: &str, kind: AtomicKind) -> Result<AtomicName, ConfigError> {
        AtomicName::new(&self.cache.prefix, name, kind)
            .map_err(|source| ConfigError::Name { context: format!("the name {name:?}"), source })
    }

    /// Carries out a step, unless the cache is closed.
    pub(crate) async fn apply(
        &self,
        name: &AtomicName,
        operation: &Operation,
    ) -> Result<Answer, Error> {
        self.cache.check_open()?;
        self.apply_to_the_end(name, operation).await
    }

    /// Carries out a step also while the cache is being closed: what was taken is given back.
    pub(crate) async fn apply_to_the_end(
        &self,
        name: &AtomicName,
        operation: &Operation,
    ) -> Result<Answer, Error> {
        let storage = match &self.place {
            Place::Memory(atomics) => return Ok(atomics.run(name, operation)),
            Place::Storage(storage) => storage,
        };
        let Some(done) = storage.apply(name, operation).await else {
            let message = "it offers no atomic operations any more";
            return Err(self.error(operation, StorageErrorKind::Invalid, message));
        };
        done.map_err(|source| storage.error(source))
    }

    /// The error of a storage that answers another question than it was asked.
    pub(crate) fn unexpected(&self, operation: &Operation) -> Error {
        self.error(operation, StorageErrorKind::Failed, "an answer to another question")
    }

    fn error(&self, operation: &Operation, kind: StorageErrorKind, message: &str) -> Error {
        let (storage, scheme) = match &self.place {
            Place::Memory(_) => ("memory".to_owned(), "memory"),
            Place::Storage(storage) => (storage.name.to_string(), storage.capabilities().scheme),
        };
        let source = Box::new(StorageError::new(scheme, operation.name(), kind, message));
        Error::Storage { storage, source }
    }
}
