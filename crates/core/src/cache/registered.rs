use std::ops::Deref;
use std::sync::Arc;

use super::pending::Pending;
use crate::error::Error;
use crate::memory::MemoryEngine;
use crate::storage::{Reach, Storage, StorageError, StorageErrorKind};

/// A storage under its name, with the invalidations that have not reached it yet.
#[derive(Debug)]
pub(crate) struct Registered {
    pub(crate) name: Arc<str>,
    pub(crate) pending: Pending,
    storage: Arc<dyn Storage>,
}

/// A memory under its name.
#[derive(Clone, Debug)]
pub(crate) struct RegisteredMemory {
    pub(crate) name: Arc<str>,
    pub(crate) engine: Arc<dyn MemoryEngine>,
}

impl Registered {
    pub(super) fn new(name: &str, storage: Arc<dyn Storage>) -> Self {
        Self { name: name.into(), pending: Pending::default(), storage }
    }

    pub(crate) fn is_shared(&self) -> bool {
        self.capabilities().reach == Reach::Shared
    }

    /// The storage's error under its name.
    pub(crate) fn error(&self, source: StorageError) -> Error {
        Error::Storage { storage: self.name.to_string(), source: Box::new(source) }
    }

    /// A storage that answers fewer or more than it was asked is not to be believed.
    pub(crate) fn expect_answers(&self, asked: usize, answers: usize) -> Result<(), StorageError> {
        if asked == answers {
            return Ok(());
        }
        Err(StorageError::new(
            self.capabilities().scheme,
            "batch",
            StorageErrorKind::Failed,
            format!("{answers} answers to {asked} questions"),
        ))
    }
}

impl Deref for Registered {
    type Target = dyn Storage;

    fn deref(&self) -> &(dyn Storage + 'static) {
        &*self.storage
    }
}
