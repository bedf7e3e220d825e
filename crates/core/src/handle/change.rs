//! Changes on their way through the tiers: what is set, updated or queued.

use std::sync::Arc;

use futures_util::future::join;

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
use crate::storage::{
    InvalidationMode, Outcome, Selector, StorageError, StorageErrorKind, Write, WriteAction,
};

/// A value on its way into the tiers.
pub(crate) struct Change<N: Node> {
    pub(crate) node: N,
    pub(crate) key: Key,
    pub(crate) value: Arc<N::Value>,
    pub(crate) tags: Tags,
    pub(crate) created: Timestamp,
    /// Encoded; `None` where the node uses memory only.
    pub(crate) entry: Option<Entry>,
    pub(crate) options: SetOptions,
}

/// What lets a change be stored.
#[derive(Clone, Copy)]
pub(crate) enum Claim {
    /// Whatever was there.
    Set,
    /// Nothing of it was invalidated since.
    Update { process: u64, farthest: Option<Stamp> },
    /// As a load would be stored that began under this stamp of this tier, when the value was
    /// accepted. It is tried again where it fails. `None`: no tier takes the value, and all of them
    /// forget the node.
    Queued { into: Option<(usize, Stamp)>, accepted: Timestamp },
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
pub(crate) enum Stored {
    Yes,
    OnlyInvalidated,
}

/// Carries changes through the tiers: the process, the farthest storage that takes them (where
/// they are stored), the nearer ones (where they are invalidated), memory.
pub(super) async fn store<N: Node>(
    binding: &Arc<Binding<N>>,
    changes: &[&Change<N>],
    claim: Claim,
) -> Vec<Result<Stored, Error>> {
    if binding.tiers.is_empty() {
        let stored = changes.iter().map(|change| {
            binding.outdate_queued(&change.key);
            Ok(into_memory_only(binding, change, claim))
        });
        let results = stored.collect();
        announce(binding, changes).finish().await;
        return results;
    }
    let fence = &binding.cache.fence;
    let begun = fence.raise(changes.iter().map(|change| cell_of_key(&change.key)));
    for change in changes {
        binding.outdate_queued(&change.key);
        binding.remove_from_memory(&change.node);
    }
    let claims = vec![claim; changes.len()];
    let results = through_storages(binding, changes, &claims).await;
    binding.queue_passed(changes.iter().map(|change| cell_of_key(&change.key)));
    finish_in_memory(binding, changes, &results, begun, claim);
    results
}

/// What others are told of changes.
fn announce<'a, N: Node>(binding: &'a Binding<N>, changes: &[&Change<N>]) -> Announcement<'a> {
    let keys = changes.iter().map(|change| change.key.clone()).collect();
    let selector = Selector::Keys(keys);
    binding.cache.announce(&selector, InvalidationMode::Remove, Cause::Changed)
}

/// The part of the storages, farthest first; others are told. Each change has its claim.
pub(crate) async fn through_storages<N: Node>(
    binding: &Arc<Binding<N>>,
    changes: &[&Change<N>],
    claims: &[Claim],
) -> Vec<Result<Stored, Error>> {
    // Where no storage is to take one, as by its size, memory alone has it.
    let mut results: Vec<Result<Stored, Error>> = changes.iter().map(|_| Ok(Stored::Yes)).collect();
    let announcement = announce(binding, changes);
    // Once a change has found its storage, the nearer ones are only invalidated.
    let mut settled = vec![false; changes.len()];
    for (step, at) in binding.far_first.iter().enumerate() {
        let tier = &binding.tiers[*at];
        // Others hear that it has begun while the farthest shared storage is told.
        let mut intent = (step == 0 && tier.storage.is_shared()).then(|| announcement.intent());
        let mut writes = Vec::new();
        let mut written = Vec::new();
        let mut only_invalidated = Vec::new();
        for (place, change) in changes.iter().enumerate() {
            let is_open = !settled[place] && results[place].is_ok();
            match step_of(binding, *at, change, claims[place], is_open) {
                Step::Write(action) => {
                    writes.push(Write { key: change.key.clone(), action });
                    written.push(place);
                }
                Step::Invalidate => only_invalidated.push(place),
                Step::Unclaimed => {
                    only_invalidated.push(place);
                    results[place] = Ok(Stored::OnlyInvalidated);
                }
                Step::Later(error) => results[place] = Err(error),
            }
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
                        if let Claim::Queued { .. } = claims[place] {
                            results[place] = Ok(Stored::OnlyInvalidated);
                            only_invalidated.push(place);
                        }
                    }
                    Err(error) => {
                        tier.failed(1, &error);
                        results[place] = Err(tier.storage.error(error));
                        // Nobody knows what stands there now; one that is tried again will.
                        if !matches!(claims[place], Claim::Queued { .. }) {
                            only_invalidated.push(place);
                        }
                    }
                }
            }
        }
        if !only_invalidated.is_empty() {
            let keys = only_invalidated.iter().map(|place| changes[*place].key.clone()).collect();
            let invalidation = invalidate_in(binding, &tier.storage, keys);
            let unreached = match intent {
                Some(intent) => join(invalidation, intent).await.0,
                None => invalidation.await,
            };
            if let Some(error) = unreached.filter(|_| is_seen_through(binding, step)) {
                for place in only_invalidated {
                    if results[place].is_ok() && !matches!(claims[place], Claim::Queued { .. }) {
                        let error = error.clone().with_key(&changes[place].key);
                        results[place] = Err(tier.storage.error(error));
                    }
                }
            }
        }
    }
    // That others could not be told is counted, and they are told later.
    let _ = announcement.finish().await;
    results
}

/// What becomes of a change in one storage.
enum Step {
    Write(WriteAction),
    Invalidate,
    /// It has nothing by which it could be stored here.
    Unclaimed,
    /// It cannot be stored now.
    Later(Error),
}

fn step_of<N: Node>(
    binding: &Binding<N>,
    at: usize,
    change: &Change<N>,
    claim: Claim,
    is_open: bool,
) -> Step {
    let tier = &binding.tiers[at];
    let entry = change.entry.as_ref().filter(|_| is_open);
    let Some(entry) = entry.filter(|entry| tier.size.takes(u64::from(entry.decoded_bytes))) else {
        return Step::Invalidate;
    };
    let asked_ttl = change.options.ttl;
    let lifetime = Lifetime { asked_ttl, ..tier.lifetime(&binding.definition) };
    let now = match claim {
        // What waited has grown older meanwhile.
        Claim::Queued { accepted, .. } => accepted,
        _ => binding.cache.clock.wall(),
    };
    let entry = with_lifetime(entry.clone(), lifetime, now);
    Step::Write(match claim {
        Claim::Set => WriteAction::Set { entry },
        Claim::Update { .. } if cfg!(mutant = "blind_set") => WriteAction::Set { entry },
        Claim::Update { .. } if cfg!(mutant = "set_near") && at != binding.far_first[0] => {
            WriteAction::Set { entry }
        }
        Claim::Update { farthest: Some(stamp), .. } => WriteAction::Update { entry, stamp },
        Claim::Update { farthest: None, .. } => return Step::Unclaimed,
        Claim::Queued { into: Some((into, stamp)), .. } if into == at => {
            if tier.storage.pending.covers(&change.key, &change.tags) {
                return Step::Later(is_pending(&tier.storage, &change.key));
            }
            WriteAction::Fill { entry, stamp }
        }
        Claim::Queued { .. } => return Step::Invalidate,
    })
}

/// Why nothing is stored while an invalidation of it has not landed.
pub(crate) fn is_pending(storage: &Registered, key: &Key) -> Error {
    let scheme = storage.capabilities().scheme;
    let message = "an invalidation that names it has not reached the storage yet";
    let error = StorageError::new(scheme, "write", StorageErrorKind::Unavailable, message);
    storage.error(error.with_key(key))
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
        WriteAction::Set { entry }
        | WriteAction::Update { entry, .. }
        | WriteAction::Fill { entry, .. } => entry.payload.len() as u64,
        _ => 0,
    }
}

async fn invalidate_in<N: Node>(
    binding: &Arc<Binding<N>>,
    storage: &Arc<Registered>,
    keys: Vec<Key>,
) -> Option<StorageError> {
    let reached = Reached { storages: vec![Arc::clone(storage)], key_test: None };
    // What could not be reached is queued there, and not read until it was.
    let mut done = invalidate_storages(
        &binding.cache,
        &reached,
        &Selector::Keys(keys),
        InvalidationMode::Remove,
        &Announcement::silent(),
    )
    .await;
    done.pending.pop().map(|pending| pending.error)
}

/// Whether what is old in the storage of this step may be read by this process although it passes over
/// that storage: others may carry it to one that is nearer, and that all of them share. Of the farthest
/// it is promised that it was reached, whatever is nearer.
pub(super) fn is_seen_through<N: Node>(binding: &Binding<N>, step: usize) -> bool {
    let nearer = &binding.far_first[step + 1..];
    let shared = || nearer.iter().any(|at| binding.tiers[*at].storage.is_shared());
    !cfg!(mutant = "change_unreached") && (step == 0 || shared())
}

/// Memory is filled only if nothing came in between; otherwise the next read takes it from below.
fn finish_in_memory<N: Node>(
    binding: &Binding<N>,
    changes: &[&Change<N>],
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
        // Such a one was put there when it was accepted.
        Claim::Queued { .. } => return Stored::Yes,
    };
    binding.remove_from_memory(&change.node);
    if unpassed {
        fill(binding, change, stamp);
        Stored::Yes
    } else {
        Stored::OnlyInvalidated
    }
}

/// Puts a change into memory, under a mark of the process' fence.
pub(crate) fn fill<N: Node>(binding: &Binding<N>, change: &Change<N>, stamp: u64) {
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
