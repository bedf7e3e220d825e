use std::sync::Arc;

use super::Handle;
use crate::cache::{Binding, Invalidation, KeyTest, Reached, invalidate};
use crate::error::Error;
use crate::key::{Glob, Key, KeyPattern};
use crate::node::Node;
use crate::storage::{InvalidationMode, Selector};

impl<N: Node> Handle<N> {
    /// Removes a node from every tier, and keeps out what was loaded before this call. Change the
    /// source first.
    ///
    /// # Errors
    /// [`Error::Key`] if the node's fields make no valid key, [`Error::Closed`]. A storage that
    /// could not be reached is no error: see [`Invalidation::pending`].
    pub async fn invalidate(&self, node: &N) -> Result<Invalidation, Error> {
        self.invalidate_many(std::slice::from_ref(node)).await
    }

    /// Removes many nodes, each tier in one batch.
    ///
    /// # Errors
    /// As [`invalidate`](Self::invalidate); nothing is removed if one key is not valid.
    pub async fn invalidate_many(&self, nodes: &[N]) -> Result<Invalidation, Error> {
        self.forget(nodes, InvalidationMode::Remove).await
    }

    /// Ends a node's freshness in every tier: the next read loads it again. What readers may be
    /// served in bad times is kept.
    ///
    /// # Errors
    /// As [`invalidate`](Self::invalidate).
    pub async fn expire(&self, node: &N) -> Result<Invalidation, Error> {
        self.forget(std::slice::from_ref(node), InvalidationMode::Expire).await
    }

    /// Removes the nodes of this type whose key, without prefix and version, matches a pattern:
    /// `*` any run of characters, `?` one, `\` the next one as it is.
    ///
    /// Storages know keys, not node types: what another type of this cache has under a key of the
    /// same version that matches goes there too, and is loaded again when its copies in memory end.
    ///
    /// # Errors
    /// [`Error::Key`] if the pattern is not valid, [`Error::Closed`].
    pub async fn invalidate_pattern(&self, pattern: &str) -> Result<Invalidation, Error> {
        let glob = Glob::parse(pattern).map_err(|source| self.binding.key_error(source))?;
        let keys = self.keys_matching(&glob);
        let binding = Arc::clone(&self.binding);
        let operation = async move {
            let test = {
                let (binding, glob) = (Arc::clone(&binding), glob.clone());
                KeyTest::new(move |key| {
                    key.binding == binding.id
                        && key
                            .downcast::<N>()
                            .and_then(|node| binding.key(node).ok())
                            .is_some_and(|key| glob.matches(key.name()))
                })
            };
            let storages = binding.storages_far_first();
            let reached = Reached { storages, key_test: Some(test) };
            Ok(invalidate(&binding.cache, reached, keys, InvalidationMode::Remove).await)
        };
        self.binding.cache.run(operation).await
    }

    /// Removes every node of this type from every tier.
    ///
    /// # Errors
    /// [`Error::Closed`].
    pub async fn clear(&self) -> Result<Invalidation, Error> {
        let template = self.binding.template.glob();
        self.invalidate_pattern(&template).await
    }

    /// The keys of this version that match a glob, in the storages.
    pub(super) fn keys_matching(&self, glob: &Glob) -> Selector {
        let version = Some(&*self.binding.definition.version);
        Selector::Pattern(KeyPattern::new(&*self.binding.cache.prefix, glob.clone(), version))
    }

    async fn forget(&self, nodes: &[N], mode: InvalidationMode) -> Result<Invalidation, Error> {
        let keys = nodes.iter().map(|node| self.binding.key(node)).collect::<Result<_, _>>()?;
        let binding = Arc::clone(&self.binding);
        self.binding.cache.run(async move { Ok(forget(&binding, keys, mode).await) }).await
    }
}

/// Invalidates keys in every tier of a binding.
pub(super) async fn forget<N: Node>(
    binding: &Binding<N>,
    keys: Vec<Key>,
    mode: InvalidationMode,
) -> Invalidation {
    let reached = Reached { storages: binding.storages_far_first(), key_test: None };
    invalidate(&binding.cache, reached, Selector::Keys(keys), mode).await
}
