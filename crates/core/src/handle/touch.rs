use std::sync::Arc;
use std::time::Duration;

use super::Handle;
use crate::cache::{Binding, MemoryFill};
use crate::entry::EntryKind;
use crate::error::Error;
use crate::flight::with_lifetime;
use crate::node::Node;
use crate::policy::lifetime::Lifetime;
use crate::storage::{Lookup, Outcome, Write, WriteAction};

impl<N: Node> Handle<N> {
    /// Lets what the tiers hold of a node live for `ttl` from now, or as long as a new entry would
    /// where there is none; a tier's own TTL holds where it is shorter. The value is not loaded.
    /// In memory over a storage it is not kept longer for it, but copied again from there.
    /// Says whether any tier had a fresh entry.
    ///
    /// # Errors
    /// [`Error::Key`] if the node's fields make no valid key, [`Error::Storage`] if a storage
    /// failed, [`Error::Closed`].
    pub async fn touch(&self, node: &N, ttl: Option<Duration>) -> Result<bool, Error> {
        let binding = Arc::clone(&self.binding);
        let node = node.clone();
        self.binding.cache.run(async move { touch(&binding, &node, ttl).await }).await
    }
}

/// Farthest first, so that no copy outlives what it was copied from.
async fn touch<N: Node>(
    binding: &Binding<N>,
    node: &N,
    ttl: Option<Duration>,
) -> Result<bool, Error> {
    let key = binding.key(node)?;
    let stamp = binding.cache.fence.stamp();
    let mut touched = false;
    let mut remaining = None;
    let mut original = None;
    for at in &binding.far_first {
        let tier = &binding.tiers[*at];
        let now = binding.cache.clock.wall();
        let lookup = tier.get(&key).await.map_err(|error| tier.storage.error(error))?;
        let Lookup { entry: Some(entry), .. } = lookup else { continue };
        if !entry.is_fresh(now) || tier.storage.pending.covers(&key, &entry.tags) {
            continue;
        }
        let token = entry.token;
        if *original.get_or_insert(token) != token {
            // Not a copy of what lies farther: it may end earlier, not later.
            let left = entry.kept_until.remaining(now);
            remaining = [remaining, left].into_iter().flatten().min();
        }
        let asked_ttl = binding.asked_ttl(ttl, entry.kind == EntryKind::Absent);
        let lifetime = Lifetime { asked_ttl, remaining, ..tier.lifetime(&binding.definition) };
        let entry = with_lifetime(entry, lifetime, now);
        let action = WriteAction::Touch {
            token,
            fresh_until: entry.fresh_until,
            kept_until: entry.kept_until,
        };
        let writes = vec![Write { key: key.clone(), action }];
        let outcomes = tier.write(writes).await.map_err(|error| tier.storage.error(error))?;
        for outcome in outcomes {
            if outcome.map_err(|error| tier.storage.error(error))? == Outcome::Stored {
                touched = true;
                remaining = entry.fresh_until.remaining(now);
            }
        }
    }
    if let Some(found) = binding.memory_peek(node) {
        touched = true;
        if !binding.tiers.is_empty() {
            // Another process may have changed or invalidated what this is a copy of: it may end
            // earlier, not later, and the next copy is of what a storage holds.
            let left = found.kept_until.remaining(binding.cache.clock.monotonic());
            remaining = [remaining, left].into_iter().flatten().min();
        }
        binding.fill_memory(MemoryFill {
            node,
            key: &key,
            value: found.value.as_ref(),
            tags: found.tags,
            created: found.created,
            stamp,
            encoded_bytes: None,
            asked_ttl: binding.asked_ttl(ttl, found.value.is_none()),
            remaining,
        });
    }
    Ok(touched)
}
