//! The task that leads: memory once more, the storage tiers, the source, and the fill.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::sync::Semaphore;

use super::answer::{Answer, Origin};
use super::batch::{Batch, Item};
use super::behind::Places;
use super::cycle::{LOADING, LeadId, LoadScope};
use super::fill::{Fills, encode};
use super::lease::load_across;
use super::load::{Load, LoadOnce, Place, load};
use super::map::{FlightKind, Joined, Lead};
use super::prefetch::prefetch;
use super::read;
use super::stale;
use super::wait::Waiter;
use crate::cache::{Binding, MemoryFill};
use crate::error::{Error, panic_message};
use crate::key::Tags;
use crate::node::Node;
use crate::observe;
use crate::source::{LoadError, Loaded, LoadedValue};
use crate::sync::Mutex;
use crate::sync::atomic::Ordering;

/// How a flight comes by its value.
pub(crate) enum LoadBy<N: Node> {
    /// From the tiers, then the source.
    Tiers,
    /// From the tiers, then this closure in the source's place. For one node. Whoever leads takes
    /// it; it is still there for a second round where somebody else led the first.
    Once(Arc<Mutex<Option<LoadOnce<N::Value>>>>),
    /// From the source, whatever the tiers hold.
    Refresh,
    /// From this closure, whatever the tiers hold. For one node.
    RefreshOnce(Arc<Mutex<Option<LoadOnce<N::Value>>>>),
}

/// Joins the flights of `nodes`, which differ, and starts one task for those that nobody leads.
/// Gives a waiter for each node, in order.
pub(crate) fn start<N: Node>(
    binding: &Arc<Binding<N>>,
    nodes: &[N],
    by: LoadBy<N>,
) -> Vec<Waiter<N>> {
    let arrival = binding.cache.fence.stamp();
    let refresh = matches!(by, LoadBy::Refresh | LoadBy::RefreshOnce(_));
    let (flights, kind) = if refresh {
        (&binding.refreshes, FlightKind::Refresh)
    } else {
        (&binding.flights, FlightKind::Read)
    };
    let Joined { flights, joined_others, led, lead } = flights.join(nodes, arrival, kind);
    let waiters = flights
        .into_iter()
        .zip(joined_others)
        .map(|(flight, joined)| Waiter::new(Arc::clone(binding), flight, arrival, joined))
        .collect();
    if !led.is_empty() {
        let batch = Batch::new(Arc::clone(binding), led);
        let reads = if refresh { Reads::Refresh } else { Reads::Tiers };
        spawn(batch, &lead, Plan { once: by.take(), reads }, None);
    }
    waiters
}

/// What a task does with its batch.
pub(super) struct Plan<N: Node> {
    /// Stands in for the source.
    pub(super) once: Option<LoadOnce<N::Value>>,
    pub(super) reads: Reads,
}

/// Which tiers are read before the source is asked.
#[derive(Clone, Copy, Debug)]
pub(super) enum Reads {
    /// All of them.
    Tiers,
    /// None: their stamps are taken.
    Refresh,
    /// Those behind the one that has answered; of the others the stamps are taken.
    Behind { answered: Option<usize> },
    /// None: whoever handed the batch on has read them. Only the queue is looked into once more.
    Done,
}

/// Starts the task that leads a batch.
pub(super) fn spawn<N: Node>(
    mut batch: Batch<N>,
    lead: &Lead<N>,
    plan: Plan<N>,
    places: Option<Places>,
) {
    let binding = Arc::clone(&batch.binding);
    let (behind, place) = match places {
        Some(Places { behind, load }) => {
            batch.turns = Some(Arc::new(Semaphore::new(1)));
            (Some(behind), Some(Place { load, turn: None }))
        }
        None => (None, None),
    };
    let scope = Arc::new(LoadScope { lead: lead.id, place: Mutex::new(place) });
    let task = LOADING.scope(scope, async move {
        let _behind = behind;
        carry(batch, plan).await;
    });
    let task = observe::in_load_span(&binding.definition.name, task);
    lead.set_task(binding.cache.spawn(task));
}

/// Carries a batch to its end. A panic anywhere on the way, of the source, a codec or a storage,
/// becomes the error of all that is still in the air.
async fn carry<N: Node>(mut batch: Batch<N>, plan: Plan<N>) {
    let outcome = AssertUnwindSafe(through_tiers(&mut batch, plan)).catch_unwind().await;
    if let Err(panic) = outcome {
        land_panicked(&mut batch, &*panic);
    }
}

pub(super) fn land_panicked<N: Node>(batch: &mut Batch<N>, panic: &(dyn Any + Send)) {
    let message = panic_message(panic);
    let failed = batch.flying().len() as u64;
    batch.binding.recorder.loads_failed(failed);
    batch.land_rest(|key| {
        let error = Error::LoadPanicked { key: key.clone(), message: message.clone() };
        observe::load_failed(&key, &error);
        error
    });
}

async fn through_tiers<N: Node>(batch: &mut Batch<N>, plan: Plan<N>) {
    let Plan { once, reads } = plan;
    mark_asked(batch);
    let tiers = batch.binding.tiers.len();
    let (stamped, read) = match reads {
        Reads::Tiers => {
            read::memory(batch);
            (0..0, 0..tiers)
        }
        Reads::Refresh => (0..tiers, 0..0),
        Reads::Behind { answered } => {
            let first = answered.map_or(0, |depth| depth + 1);
            (0..first, first..tiers)
        }
        Reads::Done => (0..0, 0..0),
    };
    // A batch that was handed on, too: it counts as begun after what was accepted meanwhile.
    read::queued(batch);
    if let Err(error) = read::stamps(batch, stamped).await {
        batch.land_rest(|_| error.clone());
        return;
    }
    read::storages(batch, read).await;
    let compares = once.is_none() && batch.items.len() == 1 && batch.binding.source.compares();
    if compares && batch.items.iter().all(|item| item.led.bypasses() && item.stale.is_none()) {
        read::previous(batch).await;
    }
    from_source(batch, once).await;
    prefetch_next(batch);
}

/// Begins with what the source has named as likely next.
pub(super) fn prefetch_next<N: Node>(batch: &mut Batch<N>) {
    if let Some(next) = batch.next.take().filter(|next| !next.is_empty()) {
        prefetch(&batch.binding, next);
    }
}

fn mark_asked<N: Node>(batch: &Batch<N>) {
    for item in &batch.items {
        item.led.flight.asked.store(true, Ordering::SeqCst);
    }
}

/// Loads what no tier had.
async fn from_source<N: Node>(batch: &mut Batch<N>, mut once: Option<LoadOnce<N::Value>>) {
    stale::settle(batch, &mut once).await;
    let flying = batch.flying();
    if flying.is_empty() {
        return;
    }
    batch.tell_misses(&flying);
    let binding = Arc::clone(&batch.binding);
    // What is asked for by name is to be newer than its call: another's load is no answer to it.
    let is_refresh = batch.items.iter().any(|item| item.led.is_refresh());
    match binding.across.as_ref().filter(|_| !is_refresh) {
        Some(across) => load_across(batch, across, once).await,
        None => load_flying(batch, once).await,
    }
}

/// Calls the source for what is in the air.
pub(super) async fn load_flying<N: Node>(batch: &mut Batch<N>, once: Option<LoadOnce<N::Value>>) {
    let flying = batch.flying();
    match load(batch, &flying, once).await {
        Some(loads) => land_loaded(batch, flying, loads).await,
        None => one_by_one(batch).await,
    }
}

/// Loads each flight by itself, all at the same time. Each lands as soon as it can, so that one
/// may wait for another of them, and panics alone.
async fn one_by_one<N: Node>(batch: &mut Batch<N>) {
    let parts = batch.part().into_iter().map(|part| {
        let lead = LeadId::next();
        // Before any of them loads, who alone could wait for one.
        part.items.iter().for_each(|item| item.led.flight.carrier.hand_to(lead));
        (part, LoadScope { lead, place: Mutex::new(None) })
    });
    let parts: Vec<_> = parts.collect();
    let loads: FuturesUnordered<_> = parts
        .into_iter()
        .map(|(mut part, scope)| {
            LOADING.scope(Arc::new(scope), async move {
                let load = async {
                    let flying = part.flying();
                    // One alone is always loaded.
                    let loads = load(&part, &flying, None).await.unwrap_or_default();
                    land_loaded(&mut part, flying, loads).await;
                    prefetch_next(&mut part);
                };
                if let Err(panic) = AssertUnwindSafe(load).catch_unwind().await {
                    land_panicked(&mut part, &*panic);
                }
            })
        })
        .collect();
    loads.collect::<()>().await;
}

/// Fills the tiers with what was loaded, and lands it.
async fn land_loaded<N: Node>(
    batch: &mut Batch<N>,
    flying: Vec<usize>,
    loads: Vec<Load<N::Value>>,
) {
    stale::note(batch, &flying, &loads);
    let binding = Arc::clone(&batch.binding);
    let mut fills = Fills::new(&binding);
    let mut answers = Vec::with_capacity(flying.len());
    for (at, loaded) in flying.into_iter().zip(loads) {
        let answer = match loaded {
            Ok(loaded) => prepare(batch, at, loaded, &mut fills).await,
            Err(error) => Err(error),
        };
        answers.push((at, answer));
    }
    fills.write().await;
    for (at, answer) in answers {
        match answer {
            Ok(answer) => batch.land_answer(at, answer),
            Err(error) => stale::rescue(batch, at, error).await,
        }
    }
}

/// Turns what the source said into an answer, fills memory and prepares the other fills.
async fn prepare<N: Node>(
    batch: &Batch<N>,
    at: usize,
    loaded: Loaded<N::Value>,
    fills: &mut Fills<'_, N>,
) -> Result<Answer<N::Value>, Error> {
    let binding = &batch.binding;
    let item = &batch.items[at];
    let Loaded { value, ttl, tags } = loaded;
    let begun = item.led.flight.begun;
    let outdates = match &binding.queue {
        Some(queue) if item.led.is_refresh() => {
            queue.outdate_before(&item.key, begun);
            true
        }
        Some(queue) => queue.unlist_before(&item.key, begun),
        None => item.led.is_refresh(),
    };
    let value = match value {
        LoadedValue::Value(value) => Some(Arc::new(value)),
        LoadedValue::Absent => None,
        LoadedValue::NotModified => return extend(batch, at, ttl, outdates, fills),
    };
    let tags = binding.tags(&item.led.node, tags)?;
    let created = binding.cache.clock.wall();
    let answer = Answer {
        key: item.key.clone(),
        value: value.clone(),
        tags: tags.clone(),
        created,
        origin: Origin::Source,
        stale: false,
    };
    let asked_ttl = match (&value, ttl, binding.definition.absent_ttl) {
        (Some(_), ttl, _) => ttl,
        (None, Some(ttl), _) | (None, None, Some(ttl)) => Some(ttl),
        // Negative results are not kept.
        (None, None, None) => {
            fills.not_kept(item);
            return Ok(answer);
        }
    };
    if !binding.admits(&item.key) {
        binding.count_skipped();
        fills.not_kept(item);
        return Ok(answer);
    }
    let mark = memory_stamp(binding, item, &tags);
    let mut encoded_bytes = None;
    if !binding.tiers.is_empty() {
        match encode(binding, &item.key, value.as_ref(), tags.clone(), created).await {
            Ok(entry) => {
                encoded_bytes = Some(u64::from(entry.decoded_bytes));
                fills.load(item, &entry, asked_ttl, mark, outdates);
            }
            Err(error) => {
                binding.recorder.encode_failures(1);
                observe::encode_failed(&item.key, &error);
                fills.not_kept(item);
            }
        }
    }
    binding.fill_memory(MemoryFill {
        node: &item.led.node,
        key: &item.key,
        value: value.as_ref(),
        tags,
        created,
        stamp: mark,
        encoded_bytes,
        asked_ttl,
        remaining: None,
        remaining_kept: None,
    });
    Ok(answer)
}

/// Not modified: the copy that the source went by is filled anew, with new times and under the
/// stamps of this flight, so that nothing that was invalidated meanwhile lives on.
fn extend<N: Node>(
    batch: &Batch<N>,
    at: usize,
    ttl: Option<Duration>,
    outdates: bool,
    fills: &mut Fills<'_, N>,
) -> Result<Answer<N::Value>, Error> {
    let binding = &batch.binding;
    let item = &batch.items[at];
    let key = item.key.clone();
    let Some(stale) = &item.stale else {
        let message = "the source answered `not modified`, but was given nothing to compare with";
        let source = LoadError::message(message).shared();
        return Err(Error::Load { key, source, permanent: false });
    };
    let ttl = binding.asked_ttl(ttl, stale.previous.value.is_none());
    let mark = memory_stamp(binding, item, &stale.tags);
    if let Some((_, entry)) = &stale.stored {
        fills.load(item, entry, ttl, mark, outdates);
    }
    let value = stale.previous.value.clone();
    let created = stale.previous.created;
    let tags = stale.tags.clone();
    binding.fill_memory(MemoryFill {
        node: &item.led.node,
        key: &key,
        value: value.as_ref(),
        tags: tags.clone(),
        created,
        stamp: mark,
        encoded_bytes: stale.stored.as_ref().map(|(_, entry)| u64::from(entry.decoded_bytes)),
        asked_ttl: ttl,
        remaining: None,
        remaining_kept: None,
    });
    Ok(Answer { key, value, tags, created, origin: Origin::Source, stale: false })
}

/// The stamp under which a flight fills memory. A refresh raises its key first, unless something
/// was invalidated since it began, so that no load from before it takes its value's place.
fn memory_stamp<N: Node>(binding: &Binding<N>, item: &Item<N>, tags: &Tags) -> u64 {
    let begun = item.led.flight.begun;
    if !item.led.is_refresh() {
        return begun;
    }
    let entry = std::iter::once((item.key.digest(), tags));
    let (mark, unpassed) = binding.cache.fence.raise_unless_passed(begun, entry);
    if unpassed == [true] { mark } else { begun }
}

impl<N: Node> LoadBy<N> {
    /// The closure that stands in for the source, if there is one and nobody has taken it.
    pub(super) fn take(&self) -> Option<LoadOnce<N::Value>> {
        match self {
            Self::Tiers | Self::Refresh => None,
            Self::Once(once) | Self::RefreshOnce(once) => once.lock().take(),
        }
    }
}

// By hand, for a derive would ask for `N::Value: Clone`.
impl<N: Node> Clone for LoadBy<N> {
    fn clone(&self) -> Self {
        match self {
            Self::Tiers => Self::Tiers,
            Self::Once(once) => Self::Once(Arc::clone(once)),
            Self::Refresh => Self::Refresh,
            Self::RefreshOnce(once) => Self::RefreshOnce(Arc::clone(once)),
        }
    }
}
