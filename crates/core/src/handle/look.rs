use std::sync::Arc;
use std::time::Duration;

use super::Handle;
use crate::clock::Timestamp;
use crate::error::Error;
use crate::flight::decode;
use crate::key::Tags;
use crate::node::Node;
use crate::observe;
use crate::storage::Lookup;

/// A value with what is known about it.
#[derive(Debug)]
#[non_exhaustive]
pub struct CachedEntry<V> {
    /// The value; `None` where it is known that there is none.
    pub value: Option<Arc<V>>,
    /// The name of the storage that has it, the nearest one; `write-behind` where it is queued and
    /// no memory has it.
    pub storage: String,
    /// When it was loaded or set.
    pub created: Timestamp,
    /// How long ago that was.
    pub age: Duration,
    /// How long it stays fresh in that storage; `None`: without end.
    pub remaining: Option<Duration>,
    /// The labels of its tags.
    pub tags: Vec<String>,
}

/// Stands for a storage where a value waits to be written.
const QUEUE: &str = "write-behind";

impl<N: Node> Handle<N> {
    /// The value of a node if a tier has it, without loading. Nothing is filled, counted or marked
    /// as used. A negative result is `None`, too; [`entry`](Self::entry) tells them apart.
    ///
    /// # Errors
    /// As [`entry`](Self::entry).
    pub async fn peek(&self, node: &N) -> Result<Option<Arc<N::Value>>, Error> {
        Ok(self.entry(node).await?.and_then(|entry| entry.value))
    }

    /// Whether a tier has a fresh value, or a negative result, of a node.
    ///
    /// # Errors
    /// As [`entry`](Self::entry).
    pub async fn contains(&self, node: &N) -> Result<bool, Error> {
        Ok(self.entry(node).await?.is_some())
    }

    /// What the nearest tier that has a node knows about it, without loading. A storage that fails,
    /// or whose entry is damaged, does not have it.
    ///
    /// # Errors
    /// [`Error::Key`] if the node's fields make no valid key, [`Error::Closed`].
    pub async fn entry(&self, node: &N) -> Result<Option<CachedEntry<N::Value>>, Error> {
        let binding = &self.binding;
        binding.cache.check_open()?;
        let now = binding.cache.clock.wall();
        if let (Some(memory), Some(found)) = (&binding.memory, binding.memory_peek(node)) {
            return Ok(Some(CachedEntry {
                value: found.value,
                storage: memory.name.to_string(),
                created: found.created,
                age: now.since(found.created),
                remaining: found.fresh_until.remaining(binding.cache.clock.monotonic()),
                tags: labels(&found.tags),
            }));
        }
        let key = binding.key(node)?;
        let queue = binding.queue.as_ref();
        if let Some(newest) = queue.and_then(|queue| queue.newest(binding, &key)) {
            let change = newest.change();
            return Ok(Some(CachedEntry {
                value: Some(Arc::clone(&change.value)),
                storage: QUEUE.to_owned(),
                created: change.created,
                age: now.since(change.created),
                remaining: None,
                tags: labels(&change.tags),
            }));
        }
        for tier in &binding.tiers {
            let landings = tier.storage.pending.landings();
            let entry = match tier.storage.get(&key).await {
                Ok(Lookup { entry: Some(entry), .. }) => entry,
                Ok(_) => continue,
                Err(error) => {
                    observe::tier_failed(&tier.storage.name, &error);
                    continue;
                }
            };
            if !entry.is_fresh(now) || tier.storage.pending.hides(landings, &key, &entry.tags) {
                continue;
            }
            match decode(binding, &key, &entry).await {
                Ok(value) => {
                    return Ok(Some(CachedEntry {
                        value,
                        storage: tier.storage.name.to_string(),
                        created: entry.created,
                        age: now.since(entry.created),
                        remaining: entry.fresh_until.remaining(now),
                        tags: labels(&entry.tags),
                    }));
                }
                Err(error) => observe::entry_damaged(&tier.storage.name, &key, &error),
            }
        }
        Ok(None)
    }
}

fn labels(tags: &Tags) -> Vec<String> {
    tags.into_iter().map(|tag| tag.label().to_owned()).collect()
}
