use std::collections::HashMap;
use std::sync::Arc;

use futures_util::future::join;

use super::Handle;
use super::options::SetOptions;
use crate::backplane::{Announcement, Cause};
use crate::cache::{Binding, MemoryFill, Reached, Registered, invalidate_storages};
use crate::clock::Timestamp;
use crate::entry::Entry;
use crate::error::Error;
use crate::events::Refused;
use crate::fence::{Stamp, cell_of_key};
use crate::flight::{encode, with_lifetime};
use crate::key::{Key, Tags};
use crate::node::Node;
use crate::policy::lifetime::Lifetime;
use crate::storage::{InvalidationMode, Outcome, Selector, StorageError, Write, WriteAction};

/// A value on its way into the tiers.
pub(super) struct Change<N: Node> {
    pub(super) node: N,
    pub(super) key: Key,
    pub(super) value: Arc<N::Value>,
    pub(super) tags: Tags,
    pub(super) created: Timestamp,
    /// Encoded; `None` where the node uses memory only.
    pub(super) entry: Option<Entry>,
    pub(super) options: SetOptions,
}

/// What lets a change be stored.
#[derive(Clone, Copy)]
pub(super) enum Claim {
    /// Whatever was there.
    Set,
    /// Nothing of it was invalidated since.
    Update { process: u64, farthest: Option<Stamp> },
}

impl<N: Node> Handle<N> {
    /// Stores a value. It beats every load that began before; of two at the same time
    /// the last to arrive stays. Where the source changes too, [`update`](Self::update) is the way
    /// without a race.
    ///
    /// It is stored in the farthest storage and in memory; the storages between forget what they
    /// have. One of those that cannot be reached is no error: the invalidation is pending there, as
    /// one of [`invalidate`](Self::invalidate) would be, and
    /// [`stats`](crate::cache::Cache::stats) count it.
    ///
    /// # Errors
    /// [`Error::Encode`] and [`Error::Key`] before anything is changed; [`Error::Storage`] if the
    /// farthest storage could not be written: the node is then invalidated in the others.
    pub async fn set(&self, node: &N, value: impl Into<Arc<N::Value>>) -> Result<(), Error> {
        self.set_with(node, value, SetOptions::new()).await
    }

    /// As [`set`](Self::set), with a TTL or tags of its own.
    ///
    /// # Errors
    /// As [`set`](Self::set).
    pub async fn set_with(
        &self,
        node: &N,
        value: impl Into<Arc<N::Value>>,
        options: SetOptions,
    ) -> Result<(), Error> {
        let mut results = self.set_many_with([(node.clone(), value.into())], options).await;
        // One node, one result.
        results.pop().unwrap_or(Err(Error::Closed))
    }

    /// Stores many values, each tier in one batch; results stand in the order of `values`. Where a
    /// node stands twice the last value stays.
    ///
    /// # Errors
    /// For each node on its own, as [`set`](Self::set).
    pub async fn set_many<V: Into<Arc<N::Value>>>(
        &self,
        values: impl IntoIterator<Item = (N, V)>,
    ) -> Vec<Result<(), Error>> {
        let values = values.into_iter().map(|(node, value)| (node, value.into()));
        self.set_many_with(values, SetOptions::new()).await
    }

    /// As [`set_many`](Self::set_many), with a TTL or tags for all of them.
    ///
    /// # Errors
    /// For each node on its own, as [`set`](Self::set).
    pub async fn set_many_with(
        &self,
        values: impl IntoIterator<Item = (N, Arc<N::Value>)>,
        options: SetOptions,
    ) -> Vec<Result<(), Error>> {
        let binding = Arc::clone(&self.binding);
        let values: Vec<(N, Arc<N::Value>)> = values.into_iter().collect();
        let count = values.len();
        let operation = async move {
            let mut changes = Vec::with_capacity(values.len());
            let mut results = Vec::with_capacity(values.len());
            for (node, value) in values {
                match prepare(&binding, node, value, options.clone()).await {
                    Ok(change) => {
                        changes.push(change);
                        results.push(Ok(()));
                    }
                    Err(error) => results.push(Err(error)),
                }
            }
            let (changes, stands) = last_of_each(changes);
            let stored = store(&binding, &changes, Claim::Set).await;
            let prepared = results.iter_mut().filter(|result| result.is_ok());
            for (result, at) in prepared.zip(stands) {
                *result = stored[at].clone().map(|_| ());
            }
            Ok(results)
        };
        match self.binding.cache.run(operation).await {
            Ok(results) => results,
            Err(error) => (0..count).map(|_| Err(error.clone())).collect(),
        }
    }
}

/// Of each node the last change, for a tier that does not take one of two values would remove the
/// other too; and for each of the given changes the place of the one that stands for it.
fn last_of_each<N: Node>(changes: Vec<Change<N>>) -> (Vec<Change<N>>, Vec<usize>) {
    let mut places: HashMap<N, usize> = HashMap::with_capacity(changes.len());
    let mut last: Vec<Change<N>> = Vec::with_capacity(changes.len());
    let mut stands = Vec::with_capacity(changes.len());
    for change in changes {
        let at = *places.entry(change.node.clone()).or_insert(last.len());
        stands.push(at);
        match last.get_mut(at) {
            Some(earlier) => *earlier = change,
            None => last.push(change),
        }
    }
    (last, stands)
}

/// Makes key, tags and entry of a value, before anything is changed.
pub(super) async fn prepare<N: Node>(
    binding: &Binding<N>,
    node: N,
    value: Arc<N::Value>,
    options: SetOptions,
) -> Result<Change<N>, Error> {
    let key = binding.key(&node)?;
    let tags = binding.tags(&node, options.tags.clone())?;
    let created = binding.cache.clock.wall();
    let entry = if binding.tiers.is_empty() {
        None
    } else {
        let entry = encode(binding, &key, Some(&value), tags.clone(), created).await;
        Some(entry.map_err(|source| Error::Encode { key: key.clone(), source })?)
    };
    Ok(Change { node, key, value, tags, created, entry, options })
}

/// Whether a change was stored, or only invalidated because something else came in between.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stored {
    Yes,
    OnlyInvalidated,
}

/// Carries changes through the tiers: the process, the farthest storage that takes them (where
/// they are stored), the nearer ones (where they are invalidated), memory.
pub(super) async fn store<N: Node>(
    binding: &Arc<Binding<N>>,
    changes: &[Change<N>],
    claim: Claim,
) -> Vec<Result<Stored, Error>> {
    let mut results: Vec<Result<Stored, Error>> = changes.iter().map(|_| Ok(Stored::Yes)).collect();
    if binding.tiers.is_empty() {
        for (change, result) in changes.iter().zip(&mut results) {
            *result = Ok(into_memory_only(binding, change, claim));
        }
        let keys = changes.iter().map(|change| change.key.clone()).collect();
        let selector = Selector::Keys(keys);
        let mode = InvalidationMode::Remove;
        let _ = binding.cache.announce(&selector, mode, Cause::Changed).finish().await;
        return results;
    }
    let fence = &binding.cache.fence;
    let begun = fence.raise(changes.iter().map(|change| cell_of_key(&change.key)));
    changes.iter().for_each(|change| binding.remove_from_memory(&change.node));
    let keys = changes.iter().map(|change| change.key.clone()).collect();
    let selector = Selector::Keys(keys);
    let mode = InvalidationMode::Remove;
    let announcement = binding.cache.announce(&selector, mode, Cause::Changed);
    // Once a change has found its storage, the nearer ones are only invalidated.
    let mut settled = vec![false; changes.len()];
    for (step, at) in binding.far_first.iter().enumerate() {
        let tier = &binding.tiers[*at];
        // Others hear that it has begun while the farthest shared storage is told.
        let mut intent = (step == 0 && tier.storage.is_shared()).then(|| announcement.intent());
        let now = binding.cache.clock.wall();
        let mut writes = Vec::new();
        let mut written = Vec::new();
        let mut only_invalidated = Vec::new();
        for (place, change) in changes.iter().enumerate() {
            let entry = change.entry.as_ref().filter(|entry| {
                !settled[place]
                    && results[place].is_ok()
                    && tier.size.takes(u64::from(entry.decoded_bytes))
            });
            let Some(entry) = entry else {
                only_invalidated.push(change.key.clone());
                continue;
            };
            let asked_ttl = change.options.ttl;
            let lifetime = Lifetime { asked_ttl, ..tier.lifetime(&binding.definition) };
            let entry = with_lifetime(entry.clone(), lifetime, now);
            let action = match claim {
                Claim::Set => WriteAction::Set { entry },
                Claim::Update { .. } if cfg!(mutant = "blind_set") => WriteAction::Set { entry },
                Claim::Update { .. }
                    if cfg!(mutant = "set_near") && *at != binding.far_first[0] =>
                {
                    WriteAction::Set { entry }
                }
                Claim::Update { farthest: Some(stamp), .. } => WriteAction::Update { entry, stamp },
                Claim::Update { farthest: None, .. } => {
                    only_invalidated.push(change.key.clone());
                    results[place] = Ok(Stored::OnlyInvalidated);
                    continue;
                }
            };
            writes.push(Write { key: change.key.clone(), action });
            written.push(place);
        }
        if !writes.is_empty() {
            let bytes: Vec<u64> = writes.iter().map(payload_bytes).collect();
            let written_to = match intent.take() {
                Some(intent) => join(tier.write(writes), intent).await.0,
                None => tier.write(writes).await,
            };
            let outcomes = outcomes(written_to, written.len());
            for ((place, outcome), bytes) in written.into_iter().zip(outcomes).zip(bytes) {
                let key = &changes[place].key;
                let tell = |refused| binding.tell_fill(&tier.storage.name, key, refused);
                match outcome {
                    Ok(Outcome::Stored) => {
                        tell(None);
                        tier.recorder.fills(1);
                        tier.recorder.bytes_written(bytes);
                        settled[place] = !cfg!(mutant = "set_near");
                    }
                    Ok(Outcome::Fenced | Outcome::ConditionFailed) => {
                        tell(Some(Refused::Fenced));
                        tier.recorder.fills_refused(1);
                        results[place] = Ok(Stored::OnlyInvalidated);
                        settled[place] = true;
                    }
                    // It is gone from here; a nearer tier may take it.
                    Ok(Outcome::TooLarge) => {
                        tell(Some(Refused::TooLarge));
                        tier.recorder.fills_skipped(1);
                    }
                    Err(error) => {
                        tier.failed(1, &error);
                        results[place] = Err(tier.storage.error(error));
                        // Nobody knows what stands there now.
                        only_invalidated.push(changes[place].key.clone());
                    }
                }
            }
        }
        if !only_invalidated.is_empty() {
            let invalidation = invalidate_in(binding, &tier.storage, only_invalidated);
            match intent {
                Some(intent) => drop(join(invalidation, intent).await),
                None => invalidation.await,
            }
        }
    }
    // That others could not be told is counted, and they are told later.
    let _ = announcement.finish().await;
    finish_in_memory(binding, changes, &results, begun, claim);
    results
}

fn outcomes(
    written: Result<Vec<Result<Outcome, StorageError>>, StorageError>,
    count: usize,
) -> Vec<Result<Outcome, StorageError>> {
    match written {
        Ok(outcomes) => outcomes,
        Err(error) => (0..count).map(|_| Err(error.clone())).collect(),
    }
}

fn payload_bytes(write: &Write) -> u64 {
    match &write.action {
        WriteAction::Set { entry } | WriteAction::Update { entry, .. } => {
            entry.payload.len() as u64
        }
        _ => 0,
    }
}

async fn invalidate_in<N: Node>(
    binding: &Arc<Binding<N>>,
    storage: &Arc<Registered>,
    keys: Vec<Key>,
) {
    let reached = Reached { storages: vec![Arc::clone(storage)], key_test: None };
    // What could not be reached is queued there, and not read until it was.
    let _queued = invalidate_storages(
        &binding.cache,
        &reached,
        &Selector::Keys(keys),
        InvalidationMode::Remove,
        &Announcement::silent(),
    )
    .await;
}

/// Memory is filled only if nothing came in between; otherwise the next read takes it from below.
fn finish_in_memory<N: Node>(
    binding: &Binding<N>,
    changes: &[Change<N>],
    results: &[Result<Stored, Error>],
    begun: u64,
    claim: Claim,
) {
    let entries = changes.iter().map(|change| (change.key.digest(), &change.tags));
    let (stamp, unpassed) = binding.cache.fence.raise_unless_passed(begun, entries);
    for ((change, result), unpassed) in changes.iter().zip(results).zip(unpassed) {
        binding.remove_from_memory(&change.node);
        let is_set = matches!((result, claim), (Ok(Stored::Yes), Claim::Set));
        if is_set && unpassed {
            fill(binding, change, stamp);
        }
    }
}

/// Where memory is the only tier, it is the farthest.
fn into_memory_only<N: Node>(binding: &Binding<N>, change: &Change<N>, claim: Claim) -> Stored {
    let fence = &binding.cache.fence;
    let _change = (!cfg!(mutant = "sets_cross")).then(|| binding.memory_change.lock());
    let (stamp, unpassed) = match claim {
        Claim::Set => (fence.raise([cell_of_key(&change.key)]), true),
        Claim::Update { process, .. } => {
            let entry = std::iter::once((change.key.digest(), &change.tags));
            let (stamp, unpassed) = fence.raise_unless_passed(process, entry);
            (stamp, unpassed == [true])
        }
    };
    binding.remove_from_memory(&change.node);
    if unpassed {
        fill(binding, change, stamp);
        Stored::Yes
    } else {
        Stored::OnlyInvalidated
    }
}

fn fill<N: Node>(binding: &Binding<N>, change: &Change<N>, stamp: u64) {
    binding.fill_memory(MemoryFill {
        node: &change.node,
        key: &change.key,
        value: Some(&change.value),
        tags: change.tags.clone(),
        created: change.created,
        stamp,
        encoded_bytes: change.entry.as_ref().map(|entry| u64::from(entry.decoded_bytes)),
        asked_ttl: change.options.ttl,
        remaining: None,
        remaining_kept: None,
    });
}
