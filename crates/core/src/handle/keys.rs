use std::collections::HashSet;
use std::sync::Arc;

use futures_util::stream::{self, BoxStream, StreamExt};
use tokio::sync::mpsc;

use super::Handle;
use crate::cache::Binding;
use crate::clock::Timestamp;
use crate::error::Error;
use crate::key::{Glob, Key};
use crate::node::Node;
use crate::storage::Selector;

/// How far a listing runs ahead of its reader.
const KEYS_AHEAD: usize = 128;

impl<N: Node> Handle<N> {
    /// Lists the keys of this node type that a tier holds a fresh entry of, each once, in no order.
    /// What comes or goes meanwhile may be listed or not.
    ///
    /// Reads in bounded pages; to list each key once it remembers the digests of all that it gave,
    /// 8 bytes each, where there is more than one tier.
    pub fn keys(&self) -> BoxStream<'static, Result<Key, Error>> {
        // A template's own glob always parses.
        let glob = Glob::parse(&self.binding.template.glob()).unwrap_or_else(|_| Glob::any());
        self.list(glob)
    }

    /// As [`keys`](Self::keys), for those whose key, without prefix and version, matches a pattern.
    ///
    /// # Errors
    /// [`Error::Key`] if the pattern is not valid.
    pub fn keys_like(
        &self,
        pattern: &str,
    ) -> Result<BoxStream<'static, Result<Key, Error>>, Error> {
        let glob = Glob::parse(pattern).map_err(|source| self.binding.key_error(source))?;
        Ok(self.list(glob))
    }

    fn list(&self, glob: Glob) -> BoxStream<'static, Result<Key, Error>> {
        if let Err(error) = self.binding.cache.check_open() {
            return stream::iter([Err(error)]).boxed();
        }
        let (listed, mut keys) = mpsc::channel(KEYS_AHEAD);
        let selector = self.keys_matching(&glob);
        let binding = Arc::clone(&self.binding);
        self.binding.cache.spawn_until_closing(list(binding, glob, selector, listed));
        stream::poll_fn(move |context| keys.poll_recv(context)).boxed()
    }
}

/// Sends every key; ends when the reader is gone.
async fn list<N: Node>(
    binding: Arc<Binding<N>>,
    glob: Glob,
    selector: Selector,
    listed: mpsc::Sender<Result<Key, Error>>,
) {
    let tiers = binding.tiers.len() + usize::from(binding.memory.is_some());
    let mut given: Option<HashSet<u64>> = (tiers > 1).then(HashSet::new);
    let mut is_new = |key: &Key| given.as_mut().is_none_or(|given| given.insert(key.digest()));
    for key in in_memory(&binding) {
        if glob.matches(key.name()) && is_new(&key) && listed.send(Ok(key)).await.is_err() {
            return;
        }
    }
    let now: Timestamp = binding.cache.clock.wall();
    for tier in &binding.tiers {
        let mut found = tier.storage.scan(&selector);
        while let Some(details) = found.next().await {
            let key = match details {
                Ok(details) if now >= details.fresh_until => continue,
                Ok(details) if tier.storage.pending.covers(&details.key, &details.tags) => continue,
                // A template of the same version may be wider in its glob than in its fields.
                Ok(details) if !binding.template.fits(details.key.name()) => continue,
                Ok(details) => Ok(details.key),
                Err(error) => Err(tier.storage.error(error)),
            };
            if key.as_ref().map_or(true, &mut is_new) && listed.send(key).await.is_err() {
                return;
            }
        }
    }
}

/// The keys in memory, taken at once.
fn in_memory<N: Node>(binding: &Binding<N>) -> Vec<Key> {
    let Some(memory) = &binding.memory else { return Vec::new() };
    let now = binding.cache.clock.monotonic();
    let mut keys = Vec::new();
    memory.engine.for_each(&mut |key, entry| {
        if key.binding == binding.id && entry.is_fresh(now) {
            let node = key.downcast::<N>();
            keys.extend(node.and_then(|node| binding.key(node).ok()));
        }
    });
    keys
}
