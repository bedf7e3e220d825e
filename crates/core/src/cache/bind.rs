use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;

use super::across::AcrossLeases;
use super::behind::Behind;
use super::binding::{Binding, MemoryTier, StorageTier};
use super::registered::{Registered, RegisteredMemory};
use super::shared::Shared;
use crate::error::ConfigError;
use crate::flight::Flights;
use crate::key::{KeyTemplate, Tag, validate_name};
use crate::memory::BindingId;
use crate::node::{Abandoned, Node, NodeDefinition, TierDefinition};
use crate::policy::doorkeeper::Doorkeeper;
use crate::policy::routing::SizeRange;
use crate::policy::write_behind::Destination;
use crate::source::{ErasedSource, Source};
use crate::stats::{NodeRecorder, TierRecorder};
use crate::sync::Mutex;
use crate::write_behind::Queue;

/// Checks a definition against the storages there are, and makes a binding of it.
pub(super) fn bind<N: Node>(
    shared: &Arc<Shared>,
    definition: NodeDefinition,
    source: impl Source<N>,
) -> Result<Binding<N>, ConfigError> {
    let codec = N::codec();
    let template = check(&definition)?;
    let static_tags = static_tags(shared, &definition)?;
    let mut memory = None;
    let mut tiers: Vec<StorageTier> = Vec::new();
    for tier in &definition.tiers {
        check_tier(&definition.name, tier)?;
        let duplicate =
            |what: String| ConfigError::DuplicateTier { node: definition.name.clone(), what };
        if let Some(found) = find_memory(shared, &tier.storage) {
            if memory.replace(memory_tier(found, tier, shared.times_memory_reads)).is_some() {
                return Err(duplicate("a memory".to_owned()));
            }
        } else if let Some(found) = find_storage(shared, &tier.storage) {
            if codec.is_none() {
                return Err(ConfigError::NoCodec {
                    node: definition.name.clone(),
                    storage: tier.storage.clone(),
                });
            }
            if tiers.iter().any(|bound| Arc::ptr_eq(&bound.storage, &found)) {
                return Err(duplicate(format!("`{}`", tier.storage)));
            }
            tiers.push(storage_tier(found, tier));
        } else {
            return Err(unknown_storage(shared, &definition.name, &tier.storage));
        }
    }
    let across = across(shared, &definition, &tiers)?;
    let far_first = order(shared, &definition.name, &tiers)?;
    for tier in &tiers {
        let kept = [tier.ttl, definition.load_timeout].into_iter().sum::<Option<Duration>>();
        let stale = definition.stale.kept().unwrap_or_default();
        tier.storage.keeps(kept.map(|kept| kept.saturating_add(stale)));
    }
    let queue = queue(shared, &definition, memory.as_ref(), &tiers)?;
    let cancels = definition.abandoned == Abandoned::Cancel;
    Ok(Binding {
        id: BindingId::next(),
        cache: Arc::clone(shared),
        template,
        codec,
        source: Arc::new(source) as Arc<dyn ErasedSource<N>>,
        memory,
        tiers,
        far_first,
        flights: Flights::new(cancels),
        refreshes: Flights::new(cancels),
        memory_change: Mutex::default(),
        loads: Arc::new(Semaphore::new(definition.loads_max.min(Semaphore::MAX_PERMITS))),
        doorkeeper: definition.doorkeeper.map(Doorkeeper::new),
        behind: Behind::new(&definition),
        across,
        queue,
        static_tags,
        recorder: NodeRecorder::new(),
        definition,
    })
}

fn check(definition: &NodeDefinition) -> Result<KeyTemplate, ConfigError> {
    let node = &definition.name;
    if node.is_empty() {
        return Err(option("a node definition", "name", "must not be empty"));
    }
    let named = |source| ConfigError::Name { context: format!("node `{node}`"), source };
    let template = KeyTemplate::parse(&definition.key).map_err(named)?;
    validate_name("version", &definition.version).map_err(named)?;
    if definition.tiers.is_empty() {
        return Err(ConfigError::NoTiers { node: node.clone() });
    }
    let context = format!("node `{node}`");
    if !(0.0..=1.0).contains(&definition.jitter) {
        return Err(option(&context, "jitter", "must lie between 0 and 1"));
    }
    if definition.loads_max == 0 {
        return Err(option(&context, "loads_max", "must be larger than zero"));
    }
    positive(&context, "absent_ttl", definition.absent_ttl)?;
    positive(&context, "load_timeout", definition.load_timeout)?;
    if let Some((name, problem)) = definition.stale.problem() {
        return Err(option(&context, name, problem));
    }
    if let Some(problem) = definition.early_refresh.and_then(|early| early.problem()) {
        return Err(option(&context, "early_refresh", problem));
    }
    for (name, places) in
        [("refreshes_max", definition.refreshes_max), ("prefetches_max", definition.prefetches_max)]
    {
        if places == 0 {
            return Err(option(&context, name, "must be larger than zero"));
        }
    }
    if let Some(problem) = definition.doorkeeper.as_ref().and_then(|options| options.problem()) {
        return Err(option(&context, "doorkeeper", problem));
    }
    definition
        .compression
        .method
        .available()
        .map_err(|source| ConfigError::Compression { node: node.clone(), source })?;
    Ok(template)
}

fn check_tier(node: &str, tier: &TierDefinition) -> Result<(), ConfigError> {
    let context = format!("node `{node}`, tier `{}`", tier.storage);
    positive(&context, "ttl", tier.ttl)?;
    positive(&context, "idle", tier.idle)?;
    if tier.value_bytes_min > tier.value_bytes_max {
        let problem = "must not be larger than `value_bytes_max`";
        return Err(option(&context, "value_bytes_min", problem));
    }
    Ok(())
}

fn positive(context: &str, name: &str, duration: Option<Duration>) -> Result<(), ConfigError> {
    match duration {
        // Times are kept in milliseconds; less would be none.
        Some(duration) if duration < Duration::from_millis(1) => {
            Err(option(context, name, "must be at least a millisecond"))
        }
        _ => Ok(()),
    }
}

fn option(context: &str, option: &str, problem: &str) -> ConfigError {
    ConfigError::Option {
        context: context.to_owned(),
        option: option.to_owned(),
        problem: problem.to_owned(),
    }
}

fn static_tags(shared: &Shared, definition: &NodeDefinition) -> Result<Vec<Tag>, ConfigError> {
    let tags = definition.tags.iter().map(|label| Tag::new(&shared.prefix, label));
    tags.collect::<Result<_, _>>().map_err(|source| ConfigError::Name {
        context: format!("node `{}`", definition.name),
        source,
    })
}

fn find_memory<'a>(shared: &'a Shared, name: &str) -> Option<&'a RegisteredMemory> {
    shared.memories.iter().find(|memory| &*memory.name == name)
}

fn find_storage(shared: &Shared, name: &str) -> Option<Arc<Registered>> {
    shared.storages.iter().find(|storage| &*storage.name == name).cloned()
}

fn unknown_storage(shared: &Shared, node: &str, storage: &str) -> ConfigError {
    ConfigError::UnknownStorage {
        node: node.to_owned(),
        storage: storage.to_owned(),
        registered: shared.registered_names(),
    }
}

fn memory_tier(found: &RegisteredMemory, tier: &TierDefinition, is_timed: bool) -> MemoryTier {
    MemoryTier {
        engine: Arc::clone(&found.engine),
        name: Arc::clone(&found.name),
        is_timed,
        ttl: tier.ttl,
        idle: tier.idle,
        size: size_range(tier),
        recorder: TierRecorder::new(Arc::clone(&found.name)),
    }
}

fn storage_tier(found: Arc<Registered>, tier: &TierDefinition) -> StorageTier {
    StorageTier {
        recorder: TierRecorder::new(Arc::clone(&found.name)),
        storage: found,
        ttl: tier.ttl,
        idle: tier.idle,
        size: size_range(tier),
        on_failure: tier.on_failure,
    }
}

fn size_range(tier: &TierDefinition) -> SizeRange {
    SizeRange { bytes_min: tier.value_bytes_min, bytes_max: tier.value_bytes_max }
}

/// Where the leases of its loads are kept, if it asks for them.
fn across(
    shared: &Arc<Shared>,
    definition: &NodeDefinition,
    tiers: &[StorageTier],
) -> Result<Option<AcrossLeases>, ConfigError> {
    let Some(options) = &definition.across else { return Ok(None) };
    let context = format!("node `{}`", definition.name);
    if let Some((name, problem)) = options.problem() {
        return Err(option(&context, name, problem));
    }
    if tiers.is_empty() {
        let problem = "needs a storage among the tiers, by which the others get the value";
        return Err(option(&context, "across", problem));
    }
    let storage = find_storage(shared, &options.storage)
        .ok_or_else(|| unknown_storage(shared, &definition.name, &options.storage))?;
    AcrossLeases::new(shared, &storage, options).map(Some)
}

/// What its values wait in, if it asks for that.
fn queue<N: Node>(
    shared: &Arc<Shared>,
    definition: &NodeDefinition,
    memory: Option<&MemoryTier>,
    tiers: &[StorageTier],
) -> Result<Option<Arc<Queue<N>>>, ConfigError> {
    let Some(options) = definition.write_behind else { return Ok(None) };
    let context = format!("node `{}`, write-behind", definition.name);
    if let Some((name, problem)) = options.problem() {
        return Err(option(&context, name, problem));
    }
    if tiers.is_empty() && options.to == Destination::Storages {
        return Err(option(&context, "to", "needs a storage among the tiers"));
    }
    let read_for = read_for(shared, memory, tiers);
    let queue = Arc::new(Queue::new(&definition.name, options, read_for));
    shared.queues.add(&queue);
    Ok(Some(queue))
}

/// For how long this process reads what others may have invalidated without its hearing of it: the
/// shortest TTL of what it has for itself. No bound is needed where it hears of them, or distrusts
/// what it has.
fn read_for(
    shared: &Shared,
    memory: Option<&MemoryTier>,
    tiers: &[StorageTier],
) -> Option<Duration> {
    if shared.announcer.as_ref().is_some_and(|announcer| announcer.misses_in_silence()) {
        return None;
    }
    let own = tiers.iter().filter(|tier| !tier.storage.is_shared()).map(|tier| tier.ttl);
    own.chain(memory.map(|memory| memory.ttl)).flatten().min()
}

/// Fits the chain into the cache's order of tiers; gives the places of its tiers, farthest first.
fn order(shared: &Shared, node: &str, tiers: &[StorageTier]) -> Result<Vec<usize>, ConfigError> {
    let chain: Vec<Arc<Registered>> = tiers.iter().map(|tier| Arc::clone(&tier.storage)).collect();
    shared.order.add(&chain).map_err(|conflict| ConfigError::TierOrder {
        node: node.to_owned(),
        near: conflict.near,
        far: conflict.far,
    })?;
    let far_first = shared.order.sort_far_first(chain.clone());
    let place = |storage: &Arc<Registered>| chain.iter().position(|one| Arc::ptr_eq(one, storage));
    Ok(far_first.iter().filter_map(place).collect())
}
