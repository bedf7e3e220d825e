//! Single flight across processes: who loads takes a lease first; who finds it taken waits for
//! what its holder fills the tiers with.
//!
//! A lease spares loads and keeps nothing right: every fill bears the stamp of its own miss, so
//! that a lease which was lost, or not to be had, costs a load and nothing else.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::{Either, join, select};
use futures_util::stream::{self, FuturesUnordered, StreamExt};

use super::batch::Batch;
use super::cycle::{LOADING, LeadId, LoadScope};
use super::lead::{land_panicked, load_flying, prefetch_next};
use super::load::LoadOnce;
use super::read;
use crate::atomics::{AtomicName, Held, Pauses, Taken, take_to_the_end};
use crate::cache::{AcrossLeases, Binding};
use crate::clock::Tick;
use crate::error::Error;
use crate::key::Key;
use crate::node::Node;
use crate::observe;
use crate::sync::Mutex;

/// How many leases of one batch are asked for at once.
const ASKED_MAX: usize = 64;
const PAUSE_MIN: Duration = Duration::from_millis(10);
const PAUSE_MAX: Duration = Duration::from_millis(250);

/// What a lease was asked for and came to.
enum Lease {
    Ours(Held),
    /// Another process loads; for so long, unless it extends its lease.
    Theirs(Duration),
    /// The storage could not be asked.
    None,
}

/// Loads what is in the air, each node under its lease; what others load is waited for, beside it.
pub(super) async fn load_across<N: Node>(
    batch: &mut Batch<N>,
    across: &AcrossLeases,
    once: Option<LoadOnce<N::Value>>,
) {
    let began = across.store.cache.clock.monotonic();
    let keys: Vec<(usize, Key)> =
        batch.flying().into_iter().map(|at| (at, batch.items[at].key.clone())).collect();
    let asked = keys.into_iter().map(|(at, key)| async move { (at, ask(across, &key).await) });
    let asked: Vec<(usize, Lease)> = stream::iter(asked).buffered(ASKED_MAX).collect().await;
    let (mut ours, mut theirs, mut remaining) = (Vec::new(), Vec::new(), Vec::new());
    for (at, lease) in asked {
        match lease {
            Lease::Ours(held) => ours.push(held),
            Lease::None => {}
            Lease::Theirs(left) => {
                theirs.push(at);
                remaining.push(left);
            }
        }
    }
    across.recorder.waited(theirs.len() as u64);
    let parts = batch.part_off(&theirs);
    // A load by a closure is of one node: ours, or waited for.
    let (mut own_once, mut their_once) = if parts.is_empty() { (once, None) } else { (None, once) };
    let waits: FuturesUnordered<_> = parts
        .into_iter()
        .zip(remaining)
        .map(|(mut part, remaining)| {
            // It lands by itself, so that what is loaded here may wait for it.
            let lead = LeadId::next();
            part.items.iter().for_each(|item| item.led.flight.carrier.hand_to(lead));
            let once = their_once.take();
            let scope = Arc::new(LoadScope { lead, place: Mutex::new(None) });
            LOADING.scope(scope, async move {
                let wait = wait(&mut part, across, once, began, remaining);
                if let Err(panic) = AssertUnwindSafe(wait).catch_unwind().await {
                    land_panicked(&mut part, &*panic);
                }
                prefetch_next(&mut part);
            })
        })
        .collect();
    let own = async {
        let load = under_leases(batch, across, own_once.take(), ours);
        if let Err(panic) = AssertUnwindSafe(load).catch_unwind().await {
            land_panicked(batch, &*panic);
        }
    };
    join(own, waits.collect::<()>()).await;
}

async fn ask(across: &AcrossLeases, key: &Key) -> Lease {
    let taken = match AtomicName::of_load(key) {
        // Its token guards nothing, and need not be remembered.
        Ok(name) => take_to_the_end(&across.store, &name, (across.ttl, Duration::ZERO)).await,
        Err(source) => Err(Error::Key { node: "lease".to_owned(), source }),
    };
    match taken {
        Ok(Taken::Held(held)) => {
            across.recorder.leases(1);
            Lease::Ours(held)
        }
        Ok(Taken::ByAnother(remaining)) => Lease::Theirs(remaining),
        Err(error) => {
            across.recorder.failed(1);
            observe::lease_failed(key, &error);
            Lease::None
        }
    }
}

/// Waits until the tiers hold what another process loads, or its lease is to be had, or the wait
/// was long enough. Of one flight.
async fn wait<N: Node>(
    part: &mut Batch<N>,
    across: &AcrossLeases,
    once: Option<LoadOnce<N::Value>>,
    began: Tick,
    mut remaining: Duration,
) {
    let binding = Arc::clone(&part.binding);
    let clock = &binding.cache.clock;
    let ends = began.after(across.wait_max);
    let mut pauses = Pauses::new(PAUSE_MIN, PAUSE_MAX);
    let key = part.items.first().map(|item| item.key.clone());
    while let Some(key) = key.as_ref().filter(|_| !part.flying().is_empty()) {
        let left = ends.since(clock.monotonic());
        if left.is_zero() {
            across.recorder.timed_out(1);
            return load_flying(part, once).await;
        }
        let pause = pauses.next().min(remaining.max(PAUSE_MIN)).min(left);
        let woken = std::pin::pin!(across.woken.notified());
        select(woken, clock.sleep(pause)).await;
        read_again(part, &binding, across).await;
        if part.flying().is_empty() {
            return;
        }
        match ask(across, key).await {
            Lease::Ours(held) => return under_leases(part, across, once, vec![held]).await,
            Lease::Theirs(left) => remaining = left,
            Lease::None => return load_flying(part, once).await,
        }
    }
}

/// Loads what the tiers still do not hold, and extends the leases meanwhile.
async fn under_leases<N: Node>(
    batch: &mut Batch<N>,
    across: &AcrossLeases,
    once: Option<LoadOnce<N::Value>>,
    leases: Vec<Held>,
) {
    let load = async {
        if !leases.is_empty() && !cfg!(mutant = "lease_unread") {
            // Another may have loaded and filled between the miss and the lease.
            let binding = Arc::clone(&batch.binding);
            read_again(batch, &binding, across).await;
        }
        if !batch.flying().is_empty() {
            load_flying(batch, once).await;
        }
    };
    let keep = async {
        let mut lost: FuturesUnordered<_> = leases.iter().map(Held::keep).collect();
        while lost.next().await.is_some() {
            // The load goes on: its fills stand by their stamps.
            across.recorder.lost(1);
        }
        std::future::pending::<()>().await
    };
    match select(std::pin::pin!(load), std::pin::pin!(keep)).await {
        Either::Left(_) | Either::Right(_) => {}
    }
}

async fn read_again<N: Node>(batch: &mut Batch<N>, binding: &Binding<N>, across: &AcrossLeases) {
    let before = batch.flying().len();
    read::storages(batch, 0..binding.tiers.len()).await;
    across.recorder.spared((before - batch.flying().len()) as u64);
}

#[cfg(all(test, feature = "testing", not(shuttle)))]
mod tests;
