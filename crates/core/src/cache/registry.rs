use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use futures_util::future::BoxFuture;
use parking_lot::RwLock;

use super::binding::Binding;
use super::invalidate::KeyTest;
use super::registered::RegisteredMemory;
use crate::error::{ConfigError, Error};
use crate::flight::prefetch;
use crate::key::{Key, KeyTemplate};
use crate::memory::{BindingId, MemoryKey};
use crate::node::{Node, PeerChange};
use crate::stats::NodeStats;
use crate::storage::Selector;
use crate::write_behind::Flushed;

/// A binding whose node type has been forgotten.
pub(super) trait ErasedBinding: Any + Send + Sync {
    fn id(&self) -> BindingId;
    fn name(&self) -> &str;
    fn template(&self) -> &KeyTemplate;
    fn version(&self) -> &str;
    fn stats(&self) -> NodeStats;
    /// The key of one of its nodes in memory.
    fn key_in_memory(&self, key: &MemoryKey) -> Option<Key>;
    /// How many of its loads are in the air.
    fn flying(&self) -> usize;
    /// Whether it reads again what another process has changed.
    fn rereads(&self) -> bool;
    /// What reads one of its nodes again.
    fn reread(self: Arc<Self>, key: &MemoryKey) -> Option<ReRead>;
    /// Looks again at once wherever a load of another process is waited for.
    fn wake_waiting(&self);
    /// Has written what is queued.
    fn flush(self: Arc<Self>) -> BoxFuture<'static, Result<Flushed, Error>>;
}

/// Reads again, below all other work, what memory has held.
pub(crate) type ReRead = Box<dyn FnOnce() + Send>;

impl<N: Node> ErasedBinding for Binding<N> {
    fn id(&self) -> BindingId {
        self.id
    }

    fn name(&self) -> &str {
        &self.definition.name
    }

    fn template(&self) -> &KeyTemplate {
        &self.template
    }

    fn version(&self) -> &str {
        &self.definition.version
    }

    fn stats(&self) -> NodeStats {
        self.stats()
    }

    fn key_in_memory(&self, key: &MemoryKey) -> Option<Key> {
        self.key(key.downcast::<N>()?).ok()
    }

    fn flying(&self) -> usize {
        self.flights.len() + self.refreshes.len()
    }

    fn rereads(&self) -> bool {
        self.memory.is_some() && self.definition.on_peer_change == PeerChange::ReRead
    }

    fn reread(self: Arc<Self>, key: &MemoryKey) -> Option<ReRead> {
        let node = key.downcast::<N>()?.clone();
        Some(Box::new(move || _ = prefetch(&self, [node])))
    }

    fn wake_waiting(&self) {
        if let Some(across) = &self.across {
            across.woken.notify_waiters();
        }
    }

    fn flush(self: Arc<Self>) -> BoxFuture<'static, Result<Flushed, Error>> {
        Box::pin(async move {
            match &self.queue {
                Some(queue) => queue.flush(&self, None).await,
                None => Ok(Flushed::default()),
            }
        })
    }
}

/// All bindings of a cache.
#[derive(Default)]
pub(crate) struct Registry {
    bindings: RwLock<Vec<Arc<dyn ErasedBinding>>>,
}

impl BindingId {
    /// An id that no other binding of this process has.
    pub(super) fn next() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

impl Registry {
    /// Adds a binding whose name and keys are its own.
    pub(super) fn add(&self, binding: Arc<dyn ErasedBinding>) -> Result<(), ConfigError> {
        Self::add_to(&mut self.bindings.write(), binding)
    }

    /// The first binding of this type that there is; otherwise adds the one given. Of all who come
    /// at once, one adds its own.
    pub(super) fn find_or_add<N: Node>(
        &self,
        binding: Arc<Binding<N>>,
    ) -> Result<Arc<Binding<N>>, ConfigError> {
        let mut bindings = self.bindings.write();
        if let Some(found) = first_of(&bindings) {
            return Ok(found);
        }
        Self::add_to(&mut bindings, Arc::clone(&binding) as _)?;
        Ok(binding)
    }

    fn add_to(
        bindings: &mut Vec<Arc<dyn ErasedBinding>>,
        binding: Arc<dyn ErasedBinding>,
    ) -> Result<(), ConfigError> {
        for other in &*bindings {
            if other.name() == binding.name() {
                return Err(ConfigError::AlreadyBound { node: binding.name().to_owned() });
            }
            let same_version = other.version() == binding.version();
            if same_version && other.template().overlaps(binding.template()) {
                return Err(ConfigError::KeysOverlap {
                    node: binding.name().to_owned(),
                    template: binding.template().as_str().to_owned(),
                    other: other.name().to_owned(),
                    other_template: other.template().as_str().to_owned(),
                });
            }
        }
        bindings.push(binding);
        Ok(())
    }

    pub(super) fn all(&self) -> Vec<Arc<dyn ErasedBinding>> {
        self.bindings.read().clone()
    }

    pub(super) fn named(&self, name: &str) -> Option<Arc<dyn ErasedBinding>> {
        self.bindings.read().iter().find(|binding| binding.name() == name).cloned()
    }

    /// The binding of this type that was made first.
    pub(super) fn first<N: Node>(&self) -> Option<Arc<Binding<N>>> {
        first_of(&self.bindings.read())
    }

    /// How the entries that a pattern or a namespace names are found in memory, which may be shared
    /// with another cache, whose entries are not ours to remove.
    pub(crate) fn key_test(self: &Arc<Self>, selector: &Selector) -> Option<KeyTest> {
        let registry = Arc::clone(self);
        match selector.clone() {
            Selector::Pattern(pattern) => Some(KeyTest::new(move |key| {
                registry.key_in_memory(key).is_some_and(|key| pattern.matches(&key))
            })),
            Selector::Namespace(_) => {
                let ids: Vec<_> = registry.all().iter().map(|binding| binding.id()).collect();
                Some(KeyTest::new(move |key| ids.contains(&key.binding)))
            }
            _ => None,
        }
    }

    /// What memory holds of these keys and is to be read again once it has been dropped.
    pub(crate) fn rereads(&self, memories: &[RegisteredMemory], keys: &[Key]) -> Vec<ReRead> {
        let bindings = self.all();
        let mut rereads = Vec::new();
        if bindings.iter().any(|binding| binding.rereads()) {
            for (memory, key) in memories.iter().flat_map(|one| keys.iter().map(move |k| (one, k)))
            {
                memory.engine.with_digest(key.digest(), &mut |held| {
                    let binding = bindings.iter().find(|binding| binding.id() == held.binding);
                    let binding = binding.filter(|binding| binding.rereads());
                    rereads.extend(binding.and_then(|binding| Arc::clone(binding).reread(held)));
                });
            }
        }
        rereads
    }

    /// The key of an entry in memory, whichever binding it belongs to.
    pub(super) fn key_in_memory(&self, key: &MemoryKey) -> Option<Key> {
        let bindings = self.bindings.read();
        let binding = bindings.iter().find(|binding| binding.id() == key.binding)?;
        binding.key_in_memory(key)
    }
}

fn first_of<N: Node>(bindings: &[Arc<dyn ErasedBinding>]) -> Option<Arc<Binding<N>>> {
    let is_of_type = |binding: &&Arc<dyn ErasedBinding>| {
        let binding: &dyn Any = &***binding;
        binding.is::<Binding<N>>()
    };
    let found: Arc<dyn Any + Send + Sync> = bindings.iter().find(is_of_type)?.clone();
    found.downcast().ok()
}

impl std::fmt::Debug for Registry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let bindings = self.bindings.read();
        f.debug_list().entries(bindings.iter().map(|binding| binding.name())).finish()
    }
}
