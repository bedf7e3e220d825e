//! The real thing: processes with their caches, over storages that they share.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream::BoxStream;
use tiers::cache::StorageOptions;
use tiers::clock::{Clock, ManualClock};
use tiers::core::fence::Stamp;
use tiers::core::key::Key;
use tiers::core::memory::MemoryEngine;
use tiers::core::testing::TestStorage;
use tiers::memory::Policy;
use tiers::node::{Abandoned, TierFailure};
use tiers::policy::breaker::BreakerState;
use tiers::policy::early::EarlyRefresh;
use tiers::policy::stale::StaleOptions;
use tiers::policy::write_behind::WriteBehind;
use tiers::prelude::*;
use tiers::sqlite::{SqliteOptions, Synchronous};
use tiers::storage::{
    Budget, Capabilities, EntryDetails, Invalidated, InvalidationMode, Lookup, Maintenance,
    Outcome, Reach, Selector, Storage, StorageError, StorageStats, Write,
};

use crate::model::{Contents, Counts, Held, NEVER, TierCounts};
use crate::operation::*;
use crate::source::{Item, Script, decode};

/// After this long a load is given up.
pub(crate) const LOAD_TIMEOUT: Duration = Duration::from_secs(3600);

/// The SQLite file that all sequences of a test share, each under a prefix of its own.
pub(crate) struct File {
    pub folder: tempfile::TempDir,
    pub clients: Vec<Option<Sqlite>>,
}

impl File {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("a folder"), clients: vec![None, None] }
    }

    async fn client(&mut self, process: usize, clock: &ManualClock) -> Sqlite {
        if self.clients[process].is_none() {
            let path = self.folder.path().join("cache.db");
            let options = SqliteOptions::new(path)
                .clock(Arc::new(clock.clone()))
                .synchronous(Synchronous::Off)
                .cleanup_interval(None)
                .stats_interval(None);
            self.clients[process] = Some(options.open().await.expect("the file opens"));
        }
        self.clients[process].clone().expect("was opened")
    }
}

/// A storage of one process.
#[derive(Clone, Debug)]
pub(crate) enum Client {
    Sqlite(Sqlite),
    Test(TestStorage),
}

pub(crate) struct Process {
    pub cache: Cache,
    pub handles: [Handle<Item>; BINDINGS],
    pub clients: Vec<Client>,
    memory: Option<Memory>,
}

pub(crate) struct World<'a> {
    pub clock: ManualClock,
    pub script: Script,
    pub processes: Vec<Process>,
    keys: Vec<Key>,
    setup: Setup,
    prefix: String,
    file: &'a mut File,
    /// One store each, which processes are clients of.
    stores: Vec<TestStorage>,
}

impl<'a> World<'a> {
    pub(crate) async fn new(
        setup: &Setup,
        seed: u64,
        prefix: String,
        clock: ManualClock,
        file: &'a mut File,
    ) -> Self {
        let store = |reach| TestStorage::builder().clock(clock.clone()).reach(reach).build();
        let stores = match setup.storages {
            Storages::None | Storages::Sqlite => vec![],
            Storages::Test => vec![store(Reach::Shared)],
            Storages::NearLocal => vec![store(Reach::Local), store(Reach::Shared)],
            Storages::NearShared => vec![store(Reach::Shared), store(Reach::Shared)],
        };
        let keys = |node| Key::parse(&format!("{prefix}:{}:v1", name_of(node))).expect("a key");
        let mut world = Self {
            script: Script::new(seed, setup),
            processes: Vec::new(),
            keys: (0..NODES).map(keys).collect(),
            setup: setup.clone(),
            prefix,
            stores,
            clock,
            file,
        };
        for process in 0..setup.memories.len() {
            let process = world.open(process).await;
            world.processes.push(process);
        }
        world
    }

    async fn open(&mut self, process: usize) -> Process {
        let memory = match self.setup.memories[process] {
            MemoryKind::None => None,
            MemoryKind::Large => Some(Memory::builder().policy(Policy::Lru).max_entries(1000)),
            MemoryKind::Tiny => Some(Memory::builder().max_entries(2)),
        };
        let memory = memory.map(|memory| memory.build().expect("a valid memory"));
        let clients: Vec<Client> = match self.setup.storages {
            Storages::Sqlite => {
                vec![Client::Sqlite(self.file.client(process, &self.clock).await)]
            }
            _ => self.stores.iter().map(|store| Client::Test(store.second_client())).collect(),
        };
        let mut cache = Cache::builder().prefix(&*self.prefix).clock(Arc::new(self.clock.clone()));
        if let Some(memory) = &memory {
            cache = cache.storage("memory", memory.clone());
        }
        for (at, client) in clients.iter().enumerate() {
            let storage = match client {
                Client::Sqlite(storage) => Arc::new(storage.clone()) as Arc<dyn Storage>,
                Client::Test(storage) => {
                    Arc::new(Paced { storage: storage.clone(), script: self.script.clone() })
                        as Arc<dyn Storage>
                }
            };
            let options = match self.setup.breaker {
                Some(breaker) => StorageOptions::DEFAULT.breaker(Some(breaker)),
                None => StorageOptions::DEFAULT,
            };
            cache = cache.storage_with(format!("storage{at}"), storage, options);
        }
        let cache = cache.build().expect("a valid cache");
        let handles = std::array::from_fn(|binding| {
            let definition = self.definition(binding, memory.is_some());
            cache.bind_as::<Item>(definition, self.script.clone()).expect("binds")
        });
        Process { cache, handles, clients, memory }
    }

    fn definition(&self, binding: usize, has_memory: bool) -> NodeDefinition {
        let ms = |ms: Option<u64>| ms.map(Duration::from_millis);
        let definition = &self.setup.bindings[binding];
        let tier = |name: String, tier: &Tier| {
            let mut made = TierDefinition::new(name);
            (made.ttl, made.idle) = (ms(tier.ttl), ms(tier.idle));
            made.value_bytes_max = tier.bytes_max.unwrap_or(u64::MAX);
            if definition.fails {
                made.on_failure = TierFailure::Error;
            }
            made
        };
        let memory = has_memory.then(|| tier("memory".to_owned(), &definition.memory));
        let storages = definition
            .storages
            .iter()
            .enumerate()
            .map(|(at, storage)| tier(format!("storage{at}"), storage));
        let name = ["item", "part"][binding];
        let stale = definition.stale;
        let mut options = StaleOptions::new().throttle(Duration::from_millis(stale.throttle));
        options.while_revalidate = ms(stale.while_revalidate);
        options.if_error = ms(stale.if_error);
        options.soft_timeout = ms(stale.soft_timeout);
        let made = NodeDefinition::new(name, format!("{name}:{{id}}"))
            .tiers(memory.into_iter().chain(storages))
            .absent_ttl(ms(definition.absent_ttl))
            .load_timeout(Some(LOAD_TIMEOUT))
            .loads_max(self.setup.loads_max)
            .write_behind(write_behind(self.setup.storages))
            .abandoned(if self.setup.cancels_abandoned {
                Abandoned::Cancel
            } else {
                Abandoned::Finish
            })
            .stale(if stale.kept() > 0 { options } else { StaleOptions::NEVER });
        match stale.early_percent {
            Some(percent) => made.early_refresh(EarlyRefresh::AtShare(f64::from(percent) / 100.0)),
            None => made,
        }
    }

    /// The process ends in good order and begins anew.
    pub(crate) async fn reopen(&mut self, process: usize) -> Result<(), String> {
        let cache = self.processes[process].cache.clone();
        cache.close().await.map_err(|error| format!("closing: {error}"))?;
        if self.setup.storages == Storages::Sqlite {
            self.file.clients[process] = None;
        }
        self.processes[process] = self.open(process).await;
        Ok(())
    }

    pub(crate) fn wall(&self) -> u64 {
        self.clock.wall().unix_ms()
    }

    pub(crate) fn mono(&self) -> u64 {
        self.clock.monotonic().ms()
    }

    /// What the memory of a process holds.
    pub(crate) fn memory(&self, process: usize) -> Contents {
        let mut contents = Contents::new();
        let Some(memory) = &self.processes[process].memory else { return contents };
        memory.for_each(&mut |key, entry| {
            let Some(Item(node)) = key.downcast::<Item>() else { return };
            let value = entry.value.clone().and_then(|value| value.downcast::<Bytes>().ok());
            let held = Held {
                number: value.as_ref().map(|value| decode(value, *node).unwrap_or(NEVER)),
                bytes: value.as_ref().map_or(0, |value| value.len() as u64),
                created: entry.created.unix_ms(),
                fresh_until: entry.fresh_until().ms(),
                kept_until: entry.kept_until.ms(),
                idle: entry.idle().map(|idle| idle.as_millis() as u64),
                tags: entry.tags.into_iter().map(|tag| tag.label().to_owned()).collect(),
                token: 0,
            };
            contents.insert(*node, held);
        });
        contents
    }

    /// What a storage keeps, read past the caches and all faults.
    pub(crate) async fn storage(&self, storage: usize) -> Result<Contents, String> {
        let mut contents = Contents::new();
        let mut entries = Vec::new();
        match &self.processes[0].clients[storage] {
            Client::Test(storage) => {
                entries.extend(self.keys.iter().map(|key| storage.stored(key)))
            }
            Client::Sqlite(storage) => {
                let lookups = storage.get_many(&self.keys).await;
                for lookup in lookups.map_err(|error| error.to_string())? {
                    entries.push(lookup.map_err(|error| error.to_string())?.entry);
                }
            }
        }
        for (node, (key, entry)) in self.keys.iter().zip(entries).enumerate() {
            let Some(entry) = entry.filter(|entry| entry.is_kept(self.clock.wall())) else {
                continue;
            };
            entry.verify(key).map_err(|damage| format!("{key}: {damage}"))?;
            let has_value = entry.kind == tiers::entry::EntryKind::Value;
            let held = Held {
                number: has_value.then(|| decode(&entry.payload, node).unwrap_or(NEVER)),
                bytes: u64::from(entry.decoded_bytes),
                created: entry.created.unix_ms(),
                fresh_until: entry.fresh_until.unix_ms(),
                kept_until: entry.kept_until.unix_ms(),
                idle: entry.idle.map(|idle| idle.as_millis() as u64),
                tags: entry.tags.into_iter().map(|tag| tag.label().to_owned()).collect(),
                token: entry.token.0,
            };
            contents.insert(node, held);
        }
        Ok(contents)
    }

    pub(crate) fn counts(&self, process: usize) -> [Counts; BINDINGS] {
        std::array::from_fn(|binding| {
            let stats = self.processes[process].handles[binding].stats();
            Counts {
                hits: stats.hits,
                misses: stats.misses,
                coalesced: stats.coalesced,
                loads_succeeded: stats.loads_succeeded,
                loads_failed: stats.loads_failed,
                abandoned: stats.abandoned,
                encode_failures: stats.encode_failures,
                tiers: stats
                    .tiers
                    .iter()
                    .map(|tier| TierCounts {
                        hits: tier.hits,
                        misses: tier.misses,
                        stale: tier.stale,
                        fills: tier.fills,
                        fills_refused: tier.fills_refused,
                        fills_skipped: tier.fills_skipped,
                        errors: tier.errors,
                        damaged: tier.damaged,
                    })
                    .collect(),
            }
        })
    }

    /// Waits until storages have done what they were asked for before, dropped calls included.
    pub(crate) async fn drain(&self) -> Result<(), String> {
        for process in &self.processes {
            for client in &process.clients {
                if let Client::Sqlite(storage) = client {
                    // It names nothing, and stands in the same queue.
                    let nothing = Selector::Keys(vec![]);
                    let drained = storage.invalidate(&nothing, InvalidationMode::Remove).await;
                    drained.map_err(|error| error.to_string())?;
                }
            }
        }
        Ok(())
    }

    /// How many storages of a process have invalidations pending.
    pub(crate) async fn pending(&self, process: usize) -> usize {
        let stats = self.processes[process].cache.stats().await;
        stats.storages.iter().filter(|storage| storage.pending_invalidations > 0).count()
    }

    /// Whether a process asks all of its storages.
    pub(crate) async fn asks_all(&self, process: usize) -> bool {
        let stats = self.processes[process].cache.stats().await;
        stats.storages.iter().all(|storage| storage.health.breaker == BreakerState::Closed)
    }

    pub(crate) fn heal(&self) {
        for process in &self.processes {
            for client in &process.clients {
                if let Client::Test(storage) = client {
                    storage.heal();
                }
            }
        }
    }
}

/// A storage that gives some turns away before and after each call, so that operations interleave
/// in ever new ways.
#[derive(Debug)]
struct Paced {
    storage: TestStorage,
    script: Script,
}

impl Paced {
    async fn call<T>(&self, call: impl Future<Output = T>) -> T {
        self.script.turns().await;
        let answer = call.await;
        self.script.turns().await;
        answer
    }
}

#[async_trait]
impl Storage for Paced {
    fn capabilities(&self) -> &Capabilities {
        self.storage.capabilities()
    }

    async fn get(&self, key: &Key) -> Result<Lookup, StorageError> {
        self.call(self.storage.get(key)).await
    }

    async fn get_many(
        &self,
        keys: &[Key],
    ) -> Result<Vec<Result<Lookup, StorageError>>, StorageError> {
        self.call(self.storage.get_many(keys)).await
    }

    async fn stamps(&self, keys: &[Key]) -> Result<Vec<Stamp>, StorageError> {
        self.call(self.storage.stamps(keys)).await
    }

    async fn write(
        &self,
        writes: Vec<Write>,
    ) -> Result<Vec<Result<Outcome, StorageError>>, StorageError> {
        self.call(self.storage.write(writes)).await
    }

    async fn invalidate(
        &self,
        selector: &Selector,
        mode: InvalidationMode,
    ) -> Result<Invalidated, StorageError> {
        self.call(self.storage.invalidate(selector, mode)).await
    }

    fn scan<'a>(
        &'a self,
        selector: &'a Selector,
    ) -> BoxStream<'a, Result<EntryDetails, StorageError>> {
        self.storage.scan(selector)
    }

    async fn maintain(&self, budget: Budget) -> Result<Maintenance, StorageError> {
        self.call(self.storage.maintain(budget)).await
    }

    async fn stats(&self) -> Result<StorageStats, StorageError> {
        self.storage.stats().await
    }

    async fn flush(&self) -> Result<(), StorageError> {
        self.call(self.storage.flush()).await
    }

    async fn close(&self) -> Result<(), StorageError> {
        self.call(self.storage.close()).await
    }
}

/// What fails is given up: nothing is left over when a step is.
fn write_behind(storages: Storages) -> WriteBehind {
    let options = match storages {
        Storages::None => WriteBehind::to_source(),
        _ => WriteBehind::to_storages(),
    };
    options.delay(Duration::ZERO).retry_for(Duration::ZERO)
}
