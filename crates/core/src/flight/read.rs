//! The tiers, from the nearest to the farthest: one batch each for what is still missing.

use std::ops::Range;
use std::sync::Arc;

use super::answer::{Answer, Origin};
use super::batch::{Batch, StaleCopy};
use super::behind;
use super::decode::decode;
use super::fill::{Fills, renew};
use crate::cache::{Binding, RETRY, StorageTier};
use crate::entry::Entry;
use crate::error::Error;
use crate::events::EventKind;
use crate::key::Key;
use crate::node::{Node, TierFailure};
use crate::observe;
use crate::policy::write_behind::Destination;
use crate::storage::{Lookup, StorageError};

/// A fresh entry that a tier held.
struct Found<N: Node> {
    at: usize,
    entry: Entry,
    value: Option<Arc<N::Value>>,
    /// It is to be loaded again before its end.
    is_due: bool,
}

/// Looks once more in memory: the flight before this one may have filled it between the caller's
/// look and this flight's begin.
pub(super) fn memory<N: Node>(batch: &mut Batch<N>) {
    let binding = Arc::clone(&batch.binding);
    for at in batch.flying() {
        let item = &batch.items[at];
        let Some(found) = binding.memory_peek(&item.led.node) else { continue };
        let answer = Answer {
            key: item.key.clone(),
            value: found.value,
            tags: found.tags,
            created: found.created,
            origin: Origin::Memory,
            stale: false,
        };
        batch.land_answer(at, answer);
    }
}

/// Lands what is queued to be written: it is newer than what the tiers and the source have.
pub(super) fn queued<N: Node>(batch: &mut Batch<N>) {
    let binding = Arc::clone(&batch.binding);
    let Some(queue) = &binding.queue else { return };
    for at in batch.flying() {
        let item = &batch.items[at];
        // Who asks the source alone has nothing to do with what does not go there.
        if item.led.is_refresh() && queue.options.to == Destination::Storages {
            continue;
        }
        let Some(newest) = queue.newest(&binding, &item.key) else { continue };
        if item.led.is_behind() {
            // Memory is not filled with it: a later reader sees to its copy.
            binding.put_off_in_memory(&item.led.node, RETRY, false);
        }
        let change = newest.change();
        let answer = Answer {
            key: item.key.clone(),
            value: Some(Arc::clone(&change.value)),
            tags: change.tags.clone(),
            created: change.created,
            origin: Origin::Memory,
            stale: false,
        };
        batch.land_answer(at, answer);
    }
}

/// Asks these storage tiers; lands what they have, after the tiers above were filled with it.
pub(super) async fn storages<N: Node>(batch: &mut Batch<N>, depths: Range<usize>) {
    let binding = Arc::clone(&batch.binding);
    for depth in depths {
        let tier = &binding.tiers[depth];
        let flying = batch.flying();
        if flying.is_empty() {
            return;
        }
        let keys: Vec<Key> = flying.iter().map(|at| batch.items[*at].key.clone()).collect();
        let landings = tier.storage.pending.landings();
        let lookups = match ask(tier, &keys).await {
            Ok(lookups) => lookups,
            Err(error) => {
                tier.failed(keys.len() as u64, &error);
                tier.recorder.misses(keys.len() as u64);
                if tier.on_failure == TierFailure::Error {
                    batch.land_rest(|_| tier.storage.error(error.clone()));
                }
                continue;
            }
        };
        let mut found = Vec::new();
        for (at, lookup) in flying.into_iter().zip(lookups) {
            if let Some(hit) = judge(batch, depth, tier, landings, at, lookup).await {
                found.push(hit);
            }
        }
        land_found(batch, depth, tier, found).await;
    }
}

async fn ask(
    tier: &StorageTier,
    keys: &[Key],
) -> Result<Vec<Result<Lookup, StorageError>>, StorageError> {
    match keys {
        [key] => Ok(vec![Ok(tier.get(key).await?)]),
        _ => tier.get_many(keys).await,
    }
}

/// Whether a lookup is a hit; a miss leaves its stamp with the flight.
async fn judge<N: Node>(
    batch: &mut Batch<N>,
    depth: usize,
    tier: &StorageTier,
    landings: usize,
    at: usize,
    lookup: Result<Lookup, StorageError>,
) -> Option<Found<N>> {
    let binding = Arc::clone(&batch.binding);
    let item = &mut batch.items[at];
    let lookup = match lookup {
        Ok(lookup) => lookup,
        Err(error) => {
            tier.failed(1, &error);
            tier.recorder.misses(1);
            if tier.on_failure == TierFailure::Error {
                let error = tier.storage.error(error);
                batch.land(at, Err(error));
            }
            return None;
        }
    };
    item.told = true;
    let Some(entry) = lookup.entry else {
        item.stamps[depth] = Some(lookup.stamp);
        tier.recorder.misses(1);
        return None;
    };
    if tier.storage.pending.hides(landings, &item.key, &entry.tags) {
        // An invalidation of it waits to reach this storage: neither read nor filled meanwhile.
        tier.recorder.misses(1);
        return None;
    }
    item.stamps[depth] = Some(lookup.stamp);
    let is_fresh = entry.is_fresh(binding.cache.clock.wall());
    let value = match decode(&binding, &item.key, &entry).await {
        Ok(value) => value,
        Err(error) => {
            tier.recorder.damaged(1);
            tier.recorder.misses(1);
            observe::entry_damaged(&tier.storage.name, &item.key, &error);
            return None;
        }
    };
    tier.recorder.bytes_read(entry.payload.len() as u64);
    let is_due = is_fresh && is_due(&binding, tier, &entry);
    // A flight that is behind readers for it takes no copy that it would be asked to load again.
    if is_fresh && !(is_due && batch.items[at].led.is_behind()) {
        tier.recorder.hits(1);
        if binding.cache.events.wants(EventKind::Hit) {
            binding.tell_hit(&tier.storage.name, &batch.items[at].key, false);
        }
        return Some(Found { at, entry, value, is_due });
    }
    if !is_fresh {
        tier.recorder.stale(1);
    }
    tier.recorder.misses(1);
    batch.items[at].stale = Some(StaleCopy::of_storage(depth, entry, value));
    None
}

fn is_due<N: Node>(binding: &Binding<N>, tier: &StorageTier, entry: &Entry) -> bool {
    if entry.idle.is_some() || entry.fresh_until.is_never() {
        return false;
    }
    // Of a copy that was found unchanged the creation is older than its time.
    let lives = entry.fresh_until.since(entry.created);
    let ttl = tier.ttl.map_or(lives, |ttl| ttl.min(lives));
    binding.is_due(Some(ttl), entry.fresh_until.remaining(binding.cache.clock.wall()))
}

/// Fills the tiers above with what was found, lands it, and then renews what slides.
async fn land_found<N: Node>(
    batch: &mut Batch<N>,
    depth: usize,
    tier: &StorageTier,
    found: Vec<Found<N>>,
) {
    let binding = Arc::clone(&batch.binding);
    let mut fills = Fills::new(&binding);
    for Found { at, entry, value, .. } in &found {
        let item = &batch.items[*at];
        fills.copy(depth, item, entry, value.as_ref());
    }
    fills.write().await;
    let mut slid = Vec::new();
    let mut due = Vec::new();
    for Found { at, entry, value, is_due } in found {
        if is_due {
            due.push(batch.items[at].led.node.clone());
        }
        let key = batch.items[at].key.clone();
        slid.extend(renew(&binding, tier, &key, &entry));
        let answer = Answer {
            key,
            value,
            tags: entry.tags,
            created: entry.created,
            origin: Origin::Storage,
            stale: false,
        };
        batch.land_answer(at, answer);
    }
    if !due.is_empty() {
        behind::begin(&binding, &due, None, Some(depth));
    }
    if !slid.is_empty() {
        // A renewal that is lost ends an entry early, and nothing else.
        if let Err(error) = tier.write(slid).await {
            tier.failed(1, &error);
        }
    }
}

/// The stamps of loads that begin now, without looking for entries: before a refresh.
pub(super) async fn stamps<N: Node>(
    batch: &mut Batch<N>,
    depths: Range<usize>,
) -> Result<(), Error> {
    let binding = Arc::clone(&batch.binding);
    let keys: Vec<Key> = batch.items.iter().map(|item| item.key.clone()).collect();
    for depth in depths {
        let tier = &binding.tiers[depth];
        match tier.storage.stamps(&keys).await {
            Ok(stamps) => {
                for (item, stamp) in batch.items.iter_mut().zip(stamps) {
                    item.stamps[depth] = Some(stamp);
                }
            }
            Err(error) => {
                tier.failed(1, &error);
                if tier.on_failure == TierFailure::Error {
                    return Err(tier.storage.error(error));
                }
            }
        }
    }
    Ok(())
}

/// The copy in the farthest tier that has one: what a refresh may let the source go by. Memory is
/// asked only where it is the only tier, or it would pass its age on to the others.
pub(super) async fn previous<N: Node>(batch: &mut Batch<N>) {
    let binding = Arc::clone(&batch.binding);
    for at in batch.flying() {
        let key = batch.items[at].key.clone();
        if binding.tiers.is_empty()
            && let Some(found) = binding.memory_peek_kept(&batch.items[at].led.node)
        {
            batch.items[at].stale = Some(StaleCopy::of_memory(found));
        }
        for (depth, tier) in binding.tiers.iter().enumerate().rev() {
            let landings = tier.storage.pending.landings();
            let Ok(Lookup { entry: Some(entry), .. }) = tier.get(&key).await else {
                continue;
            };
            if tier.storage.pending.hides(landings, &key, &entry.tags) {
                continue;
            }
            if let Ok(value) = decode(&binding, &key, &entry).await {
                batch.items[at].stale = Some(StaleCopy::of_storage(depth, entry, value));
                break;
            }
        }
    }
}
