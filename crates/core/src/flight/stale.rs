//! Copies past their freshness in a flight's hand: at once while they are loaded again, or where
//! the source fails, is to be left alone, or takes long.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Either, select};
use futures_util::stream::{FuturesUnordered, StreamExt};

use super::answer::{Answer, Origin};
use super::batch::{Batch, StaleCopy};
use super::behind::{self, Seed, hand_on, join_flying};
use super::load::{Load, LoadOnce};
use super::map::Flight;
use super::wait::Waited;
use crate::cache::{InMemory, MemoryFill, StaleTimes};
use crate::clock::Tick;
use crate::entry::Entry;
use crate::error::Error;
use crate::events::EventKind;
use crate::node::Node;
use crate::policy::stale::StaleUse;
use crate::source::Previous;

/// Answers what no load has to be waited for, and waits for loads that are in the air, or may be
/// left to themselves. What is in the air afterwards is to be loaded.
pub(super) async fn settle<N: Node>(batch: &mut Batch<N>, once: &mut Option<LoadOnce<N::Value>>) {
    if !batch.binding.behind.is_on || batch.items.iter().any(|item| item.led.bypasses()) {
        return;
    }
    if batch.binding.tiers.is_empty() {
        for at in batch.flying() {
            let item = &mut batch.items[at];
            let found = batch.binding.memory_peek_stale(&item.led.node);
            item.stale = found.map(StaleCopy::of_memory);
        }
    }
    serve_at_once(batch, once).await;
    wait_for_others(batch, once).await;
}

/// What has a copy that answers at once is answered; what may be loaded is loaded behind it.
async fn serve_at_once<N: Node>(batch: &mut Batch<N>, once: &mut Option<LoadOnce<N::Value>>) {
    let binding = Arc::clone(&batch.binding);
    let now = binding.cache.clock.monotonic();
    let mut revalidated = Vec::new();
    for at in batch.flying() {
        let item = &batch.items[at];
        let Some(stale) = &item.stale else { continue };
        let mark = binding.cache.fence.mark(item.key.digest(), &stale.tags);
        let node = item.led.node.clone();
        match use_of(batch, at) {
            StaleUse::WhileRevalidate => {
                if serve(batch, at, None).await {
                    revalidated.push(node);
                }
            }
            StaleUse::IfError => {
                if let Some(until) = binding.behind.throttled(item.key.digest(), mark, now) {
                    serve(batch, at, Some(until.since(now))).await;
                }
            }
            StaleUse::Nothing => {}
        }
    }
    if !revalidated.is_empty() {
        let all = binding.tiers.len().checked_sub(1);
        behind::begin(&binding, &revalidated, once.take(), all);
    }
}

/// A load of somebody, which goes on by itself if it takes longer than the soft timeout.
type Waiting<N> = BoxFuture<'static, Waited<<N as Node>::Value>>;

async fn wait_for_others<N: Node>(batch: &mut Batch<N>, once: &mut Option<LoadOnce<N::Value>>) {
    let binding = Arc::clone(&batch.binding);
    let flying = batch.flying();
    let soft = binding.definition.stale.soft_timeout;
    let soft = |batch: &Batch<N>, at| soft.filter(|_| use_of(batch, at) >= StaleUse::IfError);
    let nodes: Vec<&N> = flying.iter().map(|at| &batch.items[*at].led.node).collect();
    let in_the_air = join_flying(&binding, &nodes);
    let hands_on = flying.iter().any(|at| soft(batch, *at).is_some());
    if !hands_on && in_the_air.iter().all(Option::is_none) {
        return;
    }
    batch.tell_misses(&flying);
    let to_load = flying.iter().zip(&in_the_air).filter(|(_, joined)| joined.is_none());
    let seeds: Vec<(N, Seed<N>)> = to_load
        .map(|(at, _)| {
            let item = &batch.items[*at];
            let seed = Seed { stamps: item.stamps.clone(), stale: item.stale.clone() };
            (item.led.node.clone(), seed)
        })
        .collect();
    let handed = if seeds.is_empty() { Vec::new() } else { hand_on(&binding, seeds, once.take()) };
    let mut handed = handed.into_iter();
    let mut waits = FuturesUnordered::new();
    for (at, joined) in flying.iter().zip(in_the_air) {
        let Some(joined) = joined.or_else(|| handed.next()) else { continue };
        let node = batch.items[*at].led.node.clone();
        let wait: Waiting<N> = async move { joined.waiter.wait(&node).await }.boxed();
        let timeout = soft(batch, *at).map(|timeout| binding.cache.clock.sleep(timeout));
        waits.push(wait_on::<N>(*at, joined.flight, wait, timeout));
    }
    while let Some((at, flight, waited)) = waits.next().await {
        // Waited for beside the others: it may itself wait for one of them.
        if let Some(wait) = take(batch, at, &flight, waited).await {
            waits.push(wait_on::<N>(at, flight, wait, None));
        }
    }
}

/// One flight, and how its wait ended.
type Ended<N> =
    (usize, Arc<Flight<N, <N as Node>::Value>>, Result<Waited<<N as Node>::Value>, Waiting<N>>);

async fn wait_on<N: Node>(
    at: usize,
    flight: Arc<Flight<N, N::Value>>,
    wait: Waiting<N>,
    timeout: Option<BoxFuture<'static, ()>>,
) -> Ended<N> {
    (at, flight, patiently::<N>(wait, timeout).await)
}

/// The end of a wait, or the wait itself where the timeout came first.
async fn patiently<N: Node>(
    wait: Waiting<N>,
    timeout: Option<BoxFuture<'static, ()>>,
) -> Result<Waited<N::Value>, Waiting<N>> {
    let Some(timeout) = timeout else { return Ok(wait.await) };
    match select(wait, timeout).await {
        Either::Left((waited, _)) => Ok(waited),
        Either::Right(((), wait)) => Err(wait),
    }
}

/// Lands what a wait has brought; gives a wait that goes on.
async fn take<N: Node>(
    batch: &mut Batch<N>,
    at: usize,
    flight: &Flight<N, N::Value>,
    waited: Result<Waited<N::Value>, Waiting<N>>,
) -> Option<Waiting<N>> {
    let waited = match waited {
        Ok(waited) => waited,
        Err(wait) => {
            // It goes on, also for nobody, before its last waiter may leave it.
            flight.lead().detach();
            return (!serve(batch, at, Some(Duration::ZERO)).await).then_some(wait);
        }
    };
    match waited {
        Waited::Landed(Ok(answer)) => batch.land_answer(at, answer),
        Waited::Landed(Err(error)) => rescue(batch, at, error).await,
        // Older than what the callers were promised: loaded once more.
        Waited::Late => {}
    }
    None
}

/// Notes for whom the source is left alone for a while.
pub(super) fn note<N: Node>(batch: &Batch<N>, flying: &[usize], loads: &[Load<N::Value>]) {
    let binding = &batch.binding;
    if !binding.behind.is_on {
        return;
    }
    let now = binding.cache.clock.monotonic();
    let until = now.after(binding.definition.stale.throttle);
    for (at, load) in flying.iter().zip(loads) {
        let item = &batch.items[*at];
        let digest = item.key.digest();
        match load {
            Ok(_) => binding.behind.load_succeeded(digest),
            Err(error) if is_failure(error) => {
                binding.behind.load_failed(digest, item.led.flight.begun, now, until);
            }
            Err(_) => {}
        }
    }
}

/// Lands a flight whose load failed: with a copy if there is one that may answer.
pub(super) async fn rescue<N: Node>(batch: &mut Batch<N>, at: usize, error: Error) {
    let binding = Arc::clone(&batch.binding);
    let options = &binding.definition.stale;
    let item = &mut batch.items[at];
    let may_answer = options.if_error.is_some() && is_failure(&error) && !item.led.bypasses();
    if may_answer {
        if item.stale.is_none() && !item.told {
            // No storage could say anything: memory's own copy is all that there is.
            let found = binding.memory_peek_stale(&item.led.node);
            item.stale = found.map(StaleCopy::of_memory);
        }
        if use_of(batch, at) >= StaleUse::IfError && serve(batch, at, Some(options.throttle)).await
        {
            return;
        }
    }
    batch.land(at, Err(error));
}

/// Whether the source has failed, rather than answered that it will not.
fn is_failure(error: &Error) -> bool {
    matches!(
        error,
        Error::Load { permanent: false, .. }
            | Error::LoadTimeout { .. }
            | Error::LoadPanicked { .. }
    )
}

/// What the copy in a flight's hand is good for.
fn use_of<N: Node>(batch: &Batch<N>, at: usize) -> StaleUse {
    let binding = &batch.binding;
    let Some(stale) = &batch.items[at].stale else { return StaleUse::Nothing };
    if stale.previous.value.is_none() {
        return StaleUse::Nothing;
    }
    let Some((_, entry)) = &stale.stored else {
        // Memory has served what it serves at once.
        return StaleUse::IfError;
    };
    let now = binding.cache.clock.wall();
    if !entry.is_kept(now) {
        return StaleUse::Nothing;
    }
    binding.definition.stale.use_of(entry.past(now))
}

/// Lands a flight with the copy in its hand, unless something of it was invalidated since. Memory
/// takes it, too: `pause` is for how long the source is left alone; `None` if it is loaded again
/// behind the reader.
async fn serve<N: Node>(batch: &mut Batch<N>, at: usize, pause: Option<Duration>) -> bool {
    let binding = Arc::clone(&batch.binding);
    let item = &batch.items[at];
    let Some(stale) = item.stale.clone() else { return false };
    if pause.is_some() && !is_still_there(batch, at, &stale).await {
        return false;
    }
    let item = &batch.items[at];
    let begun = item.led.flight.begun;
    if !binding.cache.fence.is_unpassed(begun, item.key.digest(), &stale.tags) {
        return false;
    }
    let Previous { value, created } = stale.previous;
    let origin = if stale.stored.is_some() { Origin::Storage } else { Origin::Memory };
    let now = binding.cache.clock.wall();
    let window = binding.definition.stale.while_revalidate;
    let (kept, encoded_bytes, served) = match &stale.stored {
        Some((_, entry)) => {
            let past = entry.past(now).unwrap_or(Duration::MAX);
            let served = pause.unwrap_or_else(|| window.unwrap_or_default().saturating_sub(past));
            (entry.kept_until.remaining(now), Some(u64::from(entry.decoded_bytes)), served)
        }
        None => {
            let kept = stale.kept_until.remaining(binding.cache.clock.monotonic());
            (kept, None, pause.unwrap_or_default())
        }
    };
    let times = StaleTimes { served, kept, refresh_after: pause };
    let fill = MemoryFill {
        node: &item.led.node,
        key: &item.key,
        value: value.as_ref(),
        tags: stale.tags.clone(),
        created,
        stamp: begun,
        encoded_bytes,
        asked_ttl: None,
        remaining: None,
        remaining_kept: None,
    };
    if !served.is_zero() {
        binding.fill_memory_stale(&fill, times);
    }
    let key = item.key.clone();
    if binding.cache.events.wants(EventKind::Hit) {
        let memory = binding.memory.as_ref().map(|memory| &memory.name);
        let storage = stale.stored.as_ref().map(|(depth, _)| &binding.tiers[*depth].storage.name);
        if let Some(tier) = storage.or(memory) {
            binding.tell_hit(tier, &key, true);
        }
    }
    batch.land_answer(at, Answer { key, value, tags: stale.tags, created, origin, stale: true });
    true
}

/// Whether the storage that gave a copy has it still: another process may have invalidated it
/// while the source was asked. One that cannot say does not vouch for it.
async fn is_still_there<N: Node>(batch: &Batch<N>, at: usize, stale: &StaleCopy<N>) -> bool {
    let Some((depth, entry)) = &stale.stored else { return true };
    let tier = &batch.binding.tiers[*depth];
    let key = &batch.items[at].key;
    let landings = tier.storage.pending.landings();
    let Ok(lookup) = tier.get(key).await else { return false };
    lookup.entry.is_some_and(|found| found.token == entry.token)
        && !tier.storage.pending.hides(landings, key, &entry.tags)
}

impl<N: Node> StaleCopy<N> {
    pub(super) fn of_storage(depth: usize, entry: Entry, value: Option<Arc<N::Value>>) -> Self {
        Self {
            tags: entry.tags.clone(),
            previous: Previous { value, created: entry.created },
            stored: Some((depth, entry)),
            kept_until: Tick::NEVER,
        }
    }

    pub(super) fn of_memory(found: InMemory<N::Value>) -> Self {
        Self {
            stored: None,
            tags: found.tags,
            previous: Previous { value: found.value, created: found.created },
            kept_until: found.kept_until,
        }
    }
}
