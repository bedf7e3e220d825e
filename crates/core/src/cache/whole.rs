use std::any::Any;
use std::sync::{Arc, Weak};
use std::time::Duration;

use futures_util::future::try_join_all;
use futures_util::stream::{BoxStream, StreamExt};

use super::bind::bind;
use super::binding::Binding;
use super::builder::CacheBuilder;
use super::close::{CloseError, close};
use super::invalidate::{Invalidation, Reached, invalidate};
use super::registry::Registry;
use super::shared::Shared;
use crate::backplane;
use crate::error::{ConfigError, Error};
use crate::events::{CacheEvent, EventKind, EventOptions, EventSender, Events};
use crate::handle::Handle;
use crate::key::{Glob, KeyError, KeyPattern, Tag};
use crate::memory::Eviction;
use crate::node::Node;
use crate::source::Source;
use crate::stats::{CacheStats, MemoryStorageStats};
use crate::storage::{InvalidationMode, Selector};
use crate::write_behind::Flushed;

/// How long [`Cache::close`] lets what runs finish.
const CLOSE_GRACE: Duration = Duration::from_secs(10);

/// Registered storages and bound node types; cheap to clone, and clones are one cache.
///
/// ```
/// # use std::sync::Arc;
/// # use cache_core::cache::Cache;
/// # use cache_core::entry::Codec;
/// # use cache_core::error::Error;
/// # use cache_core::node::{DynamicNode, NodeDefinition, TierDefinition};
/// # use cache_core::source::{LoadError, source_fn};
/// # async fn example(storage: Arc<dyn cache_core::storage::Storage>) -> Result<(), Box<dyn std::error::Error>> {
/// let cache = Cache::builder().prefix("shop").storage("sqlite", storage).build()?;
/// let definition = NodeDefinition::new("page", "page:{*path}").tier(TierDefinition::new("sqlite"));
/// let pages = cache.bind_as(definition, source_fn(|node: DynamicNode| async move {
///     Ok::<_, LoadError>(bytes::Bytes::from(format!("content of {}", node.key())))
/// }))?;
/// let page = pages.get(&DynamicNode::new("page:about")).await?;
/// cache.close().await?;
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct Cache {
    pub(super) shared: Arc<Shared>,
    pub(super) registry: Arc<Registry>,
}

impl Cache {
    /// A cache without storages yet, with the prefix `tiers` and the machine's clock.
    pub fn builder() -> CacheBuilder {
        CacheBuilder::new()
    }

    pub(super) fn new(shared: Shared) -> Self {
        let cache = Self { shared: Arc::new(shared), registry: Arc::default() };
        if let Some(announcer) = &cache.shared.announcer {
            backplane::start(&cache.shared, &cache.registry, announcer);
        }
        cache
    }

    /// Binds a node type to its source, by its own definition.
    ///
    /// # Errors
    /// [`ConfigError`] if the definition is not valid or does not fit this cache: an unknown
    /// storage, a TTL of zero, keys that another node type could have, a value without a codec on
    /// a storage, ..
    pub fn bind<N: Node>(&self, source: impl Source<N>) -> Result<Handle<N>, ConfigError> {
        self.bind_as(N::definition(), source)
    }

    /// Binds a node type by a definition made at run time: with the tiers of this environment, or
    /// for a [`DynamicNode`](crate::node::DynamicNode).
    ///
    /// # Errors
    /// As [`bind`](Self::bind).
    pub fn bind_as<N: Node>(
        &self,
        definition: crate::node::NodeDefinition,
        source: impl Source<N>,
    ) -> Result<Handle<N>, ConfigError> {
        let binding = Arc::new(bind::<N>(&self.shared, definition, source)?);
        self.registry.add(Arc::clone(&binding) as _)?;
        Ok(Handle::new(binding))
    }

    /// The handle of a node type, which is bound now if it is not yet: for code that cannot know
    /// whether it comes first. Any number of callers at once get one binding.
    ///
    /// The first binding of the type counts, under whatever name and definition; only where there
    /// is none is `source` called, and the type bound to what it gives by its own definition. A
    /// type that is bound is found without an allocation.
    ///
    /// # Errors
    /// As [`bind`](Self::bind); a type that is bound already is none.
    pub fn handle_or_bind<N: Node, S: Source<N>>(
        &self,
        source: impl FnOnce() -> S,
    ) -> Result<Handle<N>, ConfigError> {
        if let Some(binding) = self.registry.first() {
            return Ok(Handle::new(binding));
        }
        let binding = Arc::new(bind::<N>(&self.shared, N::definition(), source())?);
        self.registry.find_or_add(binding).map(Handle::new)
    }

    /// The handle of a node type that was bound under its own name.
    pub fn handle<N: Node>(&self) -> Option<Handle<N>> {
        self.handle_named(&N::definition().name)
    }

    /// The handle of the node type that was bound under this name, if it is of type `N`.
    pub fn handle_named<N: Node>(&self, name: &str) -> Option<Handle<N>> {
        let binding: Arc<dyn Any + Send + Sync> = self.registry.named(name)?;
        binding.downcast::<Binding<N>>().ok().map(Handle::new)
    }

    /// The prefix of its stored keys.
    pub fn prefix(&self) -> &str {
        &self.shared.prefix
    }

    /// The names of the bound node types, in the order in which they were bound.
    pub fn nodes(&self) -> Vec<String> {
        self.registry.all().iter().map(|binding| binding.name().to_owned()).collect()
    }

    /// What was counted, and what the storages say of themselves. Asks every storage.
    pub async fn stats(&self) -> CacheStats {
        let nodes = self.registry.all().iter().map(|binding| binding.stats()).collect();
        let memories = self.shared.memories.iter().map(|memory| MemoryStorageStats {
            storage: memory.name.to_string(),
            stats: memory.engine.stats(),
            curve: memory.engine.curve(),
        });
        let mut storages = Vec::new();
        for storage in &self.shared.storages {
            storages.push(storage.report().await);
        }
        let backplane = self.shared.announcer.as_ref().map(|announcer| announcer.stats());
        CacheStats { nodes, memories: memories.collect(), storages, backplane }
    }

    /// Waits until the log of the [`Backplane`](crate::backplane::Backplane) is being read: from
    /// then on memory hears of what others change. Nothing has to wait for it; what memory held
    /// before is forgotten. Returns at once where there is no backplane, and never while its log
    /// cannot be reached.
    pub async fn backplane_joined(&self) {
        if let Some(announcer) = &self.shared.announcer {
            announcer.joined().await;
        }
    }

    /// What happens from now on, of all kinds: hits, misses, fills, refusals, evictions from memory,
    /// invalidations, and how storages fare. Bounded: who is slow loses the oldest, and is told how
    /// many. While anybody wants hits, each formats its key and is told under a lock.
    ///
    /// ```
    /// # use cache_core::cache::Cache;
    /// # use cache_core::events::{CacheEvent, EventKind, EventOptions};
    /// # async fn example(cache: Cache) {
    /// let options = EventOptions::new().kinds([EventKind::Breaker, EventKind::Health]);
    /// let mut events = cache.events_of(options);
    /// while let Some(event) = events.recv().await {
    ///     match event {
    ///         CacheEvent::Breaker { tier, state } => println!("{tier}: {}", state.name()),
    ///         CacheEvent::Lost { count } => println!("{count} were lost"),
    ///         _ => {}
    ///     }
    /// }
    /// # }
    /// ```
    pub fn events(&self) -> Events {
        self.events_of(EventOptions::new())
    }

    /// As [`events`](Self::events), of these kinds, or with another bound.
    pub fn events_of(&self, options: EventOptions) -> Events {
        let events = self.shared.events.subscribe(&options);
        if options.kinds.contains(&EventKind::Eviction) {
            for memory in &self.shared.memories {
                let Some(evictions) = memory.engine.evictions() else { continue };
                let (tier, registry) = (Arc::clone(&memory.name), Arc::downgrade(&self.registry));
                let forward = forward_evictions(evictions, tier, registry, events.sender());
                self.shared.spawn_until_closing(forward);
            }
        }
        events
    }

    /// How many loads are in the air.
    pub fn loads_in_flight(&self) -> usize {
        self.registry.all().iter().map(|binding| binding.flying()).sum()
    }

    /// Looks at once, instead of after the next pause, whether loads of other processes that are
    /// waited for have ended: for those who hear of that by messages of their own.
    pub fn wake_waiting(&self) {
        self.registry.all().iter().for_each(|binding| binding.wake_waiting());
    }

    /// Removes every entry that bears this tag, from every tier, and keeps out what was loaded
    /// before.
    ///
    /// # Errors
    /// [`Error::Key`] if the tag is not valid, [`Error::Closed`].
    pub async fn invalidate_tag(&self, label: &str) -> Result<Invalidation, Error> {
        self.invalidate_any_tag([label]).await
    }

    /// Removes every entry that bears at least one of these tags.
    ///
    /// # Errors
    /// As [`invalidate_tag`](Self::invalidate_tag).
    pub async fn invalidate_any_tag<L: AsRef<str>>(
        &self,
        labels: impl IntoIterator<Item = L>,
    ) -> Result<Invalidation, Error> {
        self.invalidate(Selector::AnyTag(self.tags(labels)?)).await
    }

    /// Removes every entry that bears all of these tags; nothing if there are none.
    ///
    /// # Errors
    /// As [`invalidate_tag`](Self::invalidate_tag).
    pub async fn invalidate_all_tags<L: AsRef<str>>(
        &self,
        labels: impl IntoIterator<Item = L>,
    ) -> Result<Invalidation, Error> {
        self.invalidate(Selector::AllTags(self.tags(labels)?)).await
    }

    /// Removes every entry of this cache whose key, without prefix and version, matches a pattern:
    /// `*` any run of characters, `?` one, `\` the next one as it is. Refuses all loads that run.
    ///
    /// # Errors
    /// [`Error::Key`] if the pattern is not valid, [`Error::Closed`].
    pub async fn invalidate_pattern(&self, pattern: &str) -> Result<Invalidation, Error> {
        let glob = Glob::parse(pattern).map_err(|source| self.key_error(source))?;
        let pattern = KeyPattern::new(&*self.shared.prefix, glob, None);
        self.invalidate(Selector::Pattern(pattern)).await
    }

    /// Removes every entry of this cache, and no other's. Refuses all loads that run.
    ///
    /// # Errors
    /// [`Error::Closed`].
    pub async fn clear(&self) -> Result<Invalidation, Error> {
        self.invalidate(Selector::Namespace(self.shared.prefix.clone())).await
    }

    /// Has written at once what [`Handle::write_behind`] has accepted, of all node types at the same
    /// time, waits until it has come to its end, and lets the storages make durable what they have.
    ///
    /// # Errors
    /// [`Error::Closed`], [`Error::Storage`] if a storage could not make durable what it has. What
    /// was refused or given up is none: see [`Flushed`].
    pub async fn flush(&self) -> Result<Flushed, Error> {
        self.shared.check_open()?;
        let flushes = self.registry.all().into_iter().map(|binding| binding.flush());
        let flushed = try_join_all(flushes).await?;
        for storage in &self.shared.storages {
            storage.flush().await.map_err(|error| storage.error(error))?;
        }
        Ok(flushed.into_iter().fold(Flushed::default(), Flushed::and))
    }

    /// Refuses new operations, lets loads and writes finish for ten seconds and cancels what still
    /// runs then, whose waiters get [`Error::LoadCancelled`]; flushes and closes the storages. What
    /// is queued by [`Handle::write_behind`] is written at once, within the same time.
    ///
    /// # Errors
    /// [`CloseError`] if a storage could not be flushed, a queued write could not be written, or an
    /// invalidation was still pending. The cache is closed all the same.
    pub async fn close(&self) -> Result<(), CloseError> {
        self.close_within(CLOSE_GRACE).await
    }

    /// As [`close`](Self::close), with another time for what runs.
    ///
    /// # Errors
    /// As [`close`](Self::close).
    pub async fn close_within(&self, grace: Duration) -> Result<(), CloseError> {
        close(&self.shared, grace).await
    }

    async fn invalidate(&self, selector: Selector) -> Result<Invalidation, Error> {
        let shared = Arc::clone(&self.shared);
        let storages = shared.order.far_first();
        let key_test = self.registry.key_test(&selector);
        let reached = Reached { storages, key_test };
        let operation = async move {
            Ok(invalidate(&shared, reached, selector, InvalidationMode::Remove).await)
        };
        self.shared.run(operation).await
    }

    fn tags<L: AsRef<str>>(&self, labels: impl IntoIterator<Item = L>) -> Result<Vec<Tag>, Error> {
        let labels = labels.into_iter();
        let tags = labels.map(|label| Tag::new(&self.shared.prefix, label.as_ref()));
        tags.collect::<Result<_, _>>().map_err(|source| self.key_error(source))
    }

    fn key_error(&self, source: KeyError) -> Error {
        Error::Key { node: "cache".to_owned(), source }
    }
}

/// Tells one subscriber of what leaves a memory, until it has gone. Entries of another cache in the
/// same memory are not its affair.
async fn forward_evictions(
    mut evictions: BoxStream<'static, Result<Eviction, u64>>,
    tier: Arc<str>,
    registry: Weak<Registry>,
    to: EventSender,
) {
    while let Some(eviction) = evictions.next().await {
        let Some(registry) = registry.upgrade() else { return };
        let is_there = match eviction {
            Ok(Eviction { key, cause }) => match registry.key_in_memory(&key) {
                Some(key) => to.send(CacheEvent::Eviction { tier: Arc::clone(&tier), key, cause }),
                None => true,
            },
            Err(lost) => to.lose(lost),
        };
        if !is_there {
            return;
        }
    }
}
