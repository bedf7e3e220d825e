use std::sync::Arc;
#[cfg(feature = "metrics")]
use std::time::Duration;

use super::backend::Backend;
use super::registered::{Registered, RegisteredMemory};
use super::shared::{Parts, Shared};
use super::storage_options::StorageOptions;
use super::whole::Cache;
use crate::atomics::InProcessAtomics;
use crate::backplane::{Announcer, Backplane, Log, LogChoice};
use crate::clock::{Clock, SystemClock};
use crate::error::ConfigError;
use crate::events::Hub;
use crate::key::validate_name;
use crate::storage::Storage;
use crate::sync::Runtime;

/// Puts a [`Cache`] together.
#[derive(Debug)]
pub struct CacheBuilder {
    prefix: String,
    backends: Vec<(String, Backend, Option<StorageOptions>)>,
    clock: Arc<dyn Clock>,
    runtime: Option<Runtime>,
    times_memory_reads: bool,
    backplane: Option<Backplane>,
    #[cfg(feature = "metrics")]
    metrics_interval: Option<Duration>,
}

impl CacheBuilder {
    pub(super) fn new() -> Self {
        Self {
            prefix: "tiers".to_owned(),
            backends: Vec::new(),
            clock: Arc::new(SystemClock),
            runtime: None,
            times_memory_reads: false,
            backplane: None,
            #[cfg(feature = "metrics")]
            metrics_interval: None,
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
        self.backends.push((name.into(), backend.into(), None));
        self
    }

    /// As [`storage`](Self::storage), for a storage that is guarded by other options than the
    /// [defaults](StorageOptions::DEFAULT): how long its calls may take, and when it is left alone.
    /// A memory is not guarded.
    pub fn storage_with(
        mut self,
        name: impl Into<String>,
        backend: impl Into<Backend>,
        options: StorageOptions,
    ) -> Self {
        self.backends.push((name.into(), backend.into(), Some(options)));
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

    /// Sets whether reads of memory are timed, too; no by default. Each then reads the machine's
    /// clock twice, which takes about as long as the read itself; calls of storages are timed
    /// always.
    pub fn time_memory_reads(mut self, timed: bool) -> Self {
        self.times_memory_reads = timed;
        self
    }

    /// Lets this cache hear of what others with the same prefix invalidate, and tells them: by the
    /// log of a registered storage, which is given by its name, or by one of its own.
    ///
    /// Without it, what this process has in memory, and in storages of its host, may be what others
    /// have changed until its TTL ends.
    ///
    /// ```
    /// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
    /// use cache_core::backplane::InProcessLog;
    /// use cache_core::cache::Cache;
    ///
    /// let log = InProcessLog::new();
    /// let cache = Cache::builder().backplane(log.clone()).build()?;
    /// let other = Cache::builder().backplane(log).build()?;
    /// # let _ = (cache, other);
    /// # Ok::<(), cache_core::error::ConfigError>(()) }).unwrap();
    /// ```
    pub fn backplane(mut self, backplane: impl Into<Backplane>) -> Self {
        self.backplane = Some(backplane.into());
        self
    }

    /// Publishes metrics again and again with this pause between, for recorders that are not asked
    /// but push. Without it, metrics are published by
    /// [`Cache::publish_metrics`](super::Cache::publish_metrics) alone.
    #[cfg(feature = "metrics")]
    pub fn metrics_interval(mut self, interval: Duration) -> Self {
        self.metrics_interval = Some(interval);
        self
    }

    /// Checks what was given.
    ///
    /// # Errors
    /// [`ConfigError`] if the prefix, a name or an option of a storage is not valid, a name is given
    /// twice, a memory has options of a storage, the interval of metrics is shorter than a millisecond, or there is no runtime.
    pub fn build(self) -> Result<Cache, ConfigError> {
        validate_name("prefix", &self.prefix)
            .map_err(|source| ConfigError::Name { context: "cache".to_owned(), source })?;
        #[cfg(feature = "metrics")]
        if self.metrics_interval.is_some_and(|interval| interval < Duration::from_millis(1)) {
            return Err(ConfigError::Option {
                context: "cache".to_owned(),
                option: "metrics_interval".to_owned(),
                problem: "must be at least a millisecond".to_owned(),
            });
        }
        let events = Arc::new(Hub::default());
        let mut storages: Vec<Arc<Registered>> = Vec::new();
        let mut memories: Vec<RegisteredMemory> = Vec::new();
        for (name, backend, options) in self.backends {
            validate_name("storage name", &name)
                .map_err(|source| ConfigError::Name { context: "cache".to_owned(), source })?;
            let known = storages.iter().any(|storage| *storage.name == *name)
                || memories.iter().any(|memory| *memory.name == *name);
            if known {
                return Err(ConfigError::DuplicateStorage { name });
            }
            match backend {
                Backend::Memory(_) if options.is_some() => {
                    return Err(ConfigError::Option {
                        context: format!("storage `{name}`"),
                        option: "storage options".to_owned(),
                        problem: "are not for a memory, whose calls are not guarded".to_owned(),
                    });
                }
                Backend::Memory(engine) => {
                    let atomics = Arc::new(InProcessAtomics::new(Arc::clone(&self.clock)));
                    memories.push(RegisteredMemory { name: name.into(), engine, atomics });
                }
                Backend::Storage(storage) => {
                    let options = options.unwrap_or_default();
                    storages.push(registered(&name, storage, options, &self.clock, &events)?);
                }
                Backend::Guarded(storage, given) => {
                    let options = options.unwrap_or(given);
                    storages.push(registered(&name, storage, options, &self.clock, &events)?);
                }
            }
        }
        let runtime = match self.runtime {
            Some(runtime) => runtime,
            None => Runtime::try_current().map_err(|_| ConfigError::NoRuntime)?,
        };
        let announcer = match self.backplane {
            Some(backplane) => {
                backplane.validate()?;
                let log = find_log(&backplane, &storages)?;
                let clock = Arc::clone(&self.clock);
                Some(Announcer::new(log, &self.prefix, backplane, clock))
            }
            None => None,
        };
        let shared = Shared::new(Parts {
            prefix: self.prefix,
            clock: self.clock,
            runtime,
            storages,
            memories,
            events,
            times_memory_reads: self.times_memory_reads,
            announcer,
        });
        let cache = Cache::new(shared);
        #[cfg(feature = "metrics")]
        if let Some(interval) = self.metrics_interval {
            cache.publish_every(interval);
        }
        Ok(cache)
    }
}

fn find_log(backplane: &Backplane, storages: &[Arc<Registered>]) -> Result<Log, ConfigError> {
    let refuse = |problem: String| ConfigError::Option {
        context: "cache".to_owned(),
        option: "backplane".to_owned(),
        problem,
    };
    match &backplane.log {
        LogChoice::Own(log) => Ok(Log::Own(Arc::clone(log))),
        LogChoice::Storage(name) => {
            let storage = storages.iter().find(|storage| *storage.name == **name);
            let unknown = || refuse(format!("names the storage `{name}`, which is not registered"));
            let storage = storage.ok_or_else(unknown)?;
            if storage.events().is_none() {
                return Err(refuse(format!(
                    "names the storage `{name}`, which has no log of events"
                )));
            }
            storage.carries_log();
            Ok(Log::Storage(Arc::clone(storage)))
        }
    }
}

fn registered(
    name: &str,
    storage: Arc<dyn Storage>,
    options: StorageOptions,
    clock: &Arc<dyn Clock>,
    events: &Arc<Hub>,
) -> Result<Arc<Registered>, ConfigError> {
    match options.problem() {
        Some((option, problem)) => Err(ConfigError::Option {
            context: format!("storage `{name}`"),
            option: option.to_owned(),
            problem: problem.to_owned(),
        }),
        None => {
            let (clock, events) = (Arc::clone(clock), Arc::clone(events));
            Ok(Arc::new(Registered::new(name, storage, options, clock, events)))
        }
    }
}
