use std::sync::Arc;

use super::backend::Backend;
use super::registered::{Registered, RegisteredMemory};
use super::shared::Shared;
use super::whole::Cache;
use crate::clock::{Clock, SystemClock};
use crate::error::ConfigError;
use crate::key::validate_name;
use crate::sync::Runtime;

/// Puts a [`Cache`] together.
#[derive(Debug)]
pub struct CacheBuilder {
    prefix: String,
    backends: Vec<(String, Backend)>,
    clock: Arc<dyn Clock>,
    runtime: Option<Runtime>,
}

impl CacheBuilder {
    pub(super) fn new() -> Self {
        Self {
            prefix: "tiers".to_owned(),
            backends: Vec::new(),
            clock: Arc::new(SystemClock),
            runtime: None,
        }
    }

    /// Sets the prefix of all stored keys and tags; `tiers` by default. Caches with different
    /// prefixes may share a storage and never touch each other's entries.
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// Registers a memory or a storage under a name, by which tiers refer to it.
    pub fn storage(mut self, name: impl Into<String>, backend: impl Into<Backend>) -> Self {
        self.backends.push((name.into(), backend.into()));
        self
    }

    /// Sets the clock. Storages have their own, given when they were opened.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Sets the runtime that loads run on; by default the one that `build` is called in.
    #[cfg(not(shuttle))]
    pub fn runtime(mut self, runtime: tokio::runtime::Handle) -> Self {
        self.runtime = Some(runtime);
        self
    }

    /// Checks what was given.
    ///
    /// # Errors
    /// [`ConfigError`] if the prefix or a name is not valid, a name is given twice, or there is no
    /// runtime.
    pub fn build(self) -> Result<Cache, ConfigError> {
        validate_name("prefix", &self.prefix)
            .map_err(|source| ConfigError::Name { context: "cache".to_owned(), source })?;
        let mut storages: Vec<Arc<Registered>> = Vec::new();
        let mut memories: Vec<RegisteredMemory> = Vec::new();
        for (name, backend) in self.backends {
            validate_name("storage name", &name)
                .map_err(|source| ConfigError::Name { context: "cache".to_owned(), source })?;
            let known = storages.iter().any(|storage| *storage.name == *name)
                || memories.iter().any(|memory| *memory.name == *name);
            if known {
                return Err(ConfigError::DuplicateStorage { name });
            }
            match backend {
                Backend::Memory(engine) => {
                    memories.push(RegisteredMemory { name: name.into(), engine });
                }
                Backend::Storage(storage) => {
                    storages.push(Arc::new(Registered::new(&name, storage)));
                }
            }
        }
        let runtime = match self.runtime {
            Some(runtime) => runtime,
            None => Runtime::try_current().map_err(|_| ConfigError::NoRuntime)?,
        };
        Ok(Cache::new(Shared::new(self.prefix, self.clock, runtime, storages, memories)))
    }
}
