//! The source: called under its timeout and its bound on concurrent loads.

use std::any::Any;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Instant;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Either, select};
use tokio::sync::OwnedSemaphorePermit;

use super::batch::Batch;
use super::cycle::LOADING;
use crate::error::{Error, panic_message};
use crate::key::Key;
use crate::node::Node;
use crate::observe;
use crate::source::{LoadError, Loaded};

/// A closure that stands in for the source, for one call.
pub(crate) type LoadOnce<V> =
    Box<dyn FnOnce() -> BoxFuture<'static, Result<Loaded<V>, LoadError>> + Send>;

/// What the source said of one flight.
pub(super) type Load<V> = Result<Loaded<V>, Error>;

/// Calls the source for all flights in the air; answers stand in the order of `flying`. `None`
/// where there are many, and the source loads one at a time.
pub(super) async fn load<N: Node>(
    batch: &Batch<N>,
    flying: &[usize],
    once: Option<LoadOnce<N::Value>>,
) -> Option<Vec<Load<N::Value>>> {
    let binding = &batch.binding;
    take_place(batch).await;
    let started = Instant::now();
    let answered = match (once, flying) {
        (Some(once), _) => within(batch, async move { vec![once().await] }).await,
        (None, [at]) => {
            let item = &batch.items[*at];
            let load = async {
                vec![match &item.stale {
                    Some(stale) => binding.source.reload(&item.led.node, &stale.previous).await,
                    None => binding.source.load(&item.led.node).await,
                }]
            };
            within(batch, load).await
        }
        (None, _) => {
            let nodes: Vec<N> = flying.iter().map(|at| batch.items[*at].led.node.clone()).collect();
            match binding.source.load_many(&nodes) {
                Some(load) => within(batch, load).await,
                None => {
                    give_up_place();
                    return None;
                }
            }
        }
    };
    give_up_place();
    let took = started.elapsed();
    binding.recorder.load_time(took);
    if binding.behind.is_on {
        binding.behind.load_took(took);
    }
    let mut answers = answered.map(Vec::into_iter);
    let mut loads = Vec::with_capacity(flying.len());
    for at in flying {
        let key = batch.items[*at].key.clone();
        let answer = match &mut answers {
            Ok(answers) => answers.next(),
            Err(NoAnswer::TimedOut) => Some(Err(timeout(batch, key.clone()))),
            Err(NoAnswer::Panicked(message)) => {
                let (key, message) = (key.clone(), message.clone());
                Some(Err(Failed::Engine(Error::LoadPanicked { key, message })))
            }
        };
        let load = to_load(key, answer);
        if let Err(error) = &load {
            observe::load_failed(&batch.items[*at].key, error);
        }
        loads.push(load);
    }
    let failed = loads.iter().filter(|load| load.is_err()).count() as u64;
    binding.recorder.loads_failed(failed);
    binding.recorder.loads_succeeded(loads.len() as u64 - failed);
    Some(loads)
}

/// Why the source gave no answer at all.
enum NoAnswer {
    TimedOut,
    Panicked(String),
}

/// Either the source's error or the engine's own.
type Answered<V> = Result<Loaded<V>, Failed>;

enum Failed {
    Source(LoadError),
    Engine(Error),
}

async fn within<N: Node>(
    batch: &Batch<N>,
    load: impl Future<Output = Vec<Result<Loaded<N::Value>, LoadError>>>,
) -> Result<Vec<Answered<N::Value>>, NoAnswer> {
    let load = AssertUnwindSafe(load).catch_unwind();
    let panicked = |panic: Box<dyn Any + Send>| NoAnswer::Panicked(panic_message(&*panic));
    let to_answers = |loads: Vec<Result<Loaded<N::Value>, LoadError>>| {
        loads.into_iter().map(|load| load.map_err(Failed::Source)).collect()
    };
    let Some(timeout) = batch.binding.definition.load_timeout else {
        return load.await.map(to_answers).map_err(panicked);
    };
    let sleep = batch.binding.cache.clock.sleep(timeout);
    match select(std::pin::pin!(load), sleep).await {
        Either::Left((loads, _)) => loads.map(to_answers).map_err(panicked),
        Either::Right(_) => Err(NoAnswer::TimedOut),
    }
}

fn timeout<N: Node>(batch: &Batch<N>, key: Key) -> Failed {
    let after = batch.binding.definition.load_timeout.unwrap_or_default();
    Failed::Engine(Error::LoadTimeout { key, after })
}

fn to_load<V>(key: Key, answer: Option<Answered<V>>) -> Load<V> {
    match answer {
        Some(Ok(loaded)) => Ok(loaded),
        Some(Err(Failed::Engine(error))) => Err(error),
        Some(Err(Failed::Source(error))) => {
            Err(Error::Load { key, source: error.shared(), permanent: error.is_permanent() })
        }
        None => {
            let error = LoadError::message("the source left out the answer for this node");
            Err(Error::Load { key, source: error.shared(), permanent: false })
        }
    }
}

/// A place among the loads that run at once, given up when it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    #[allow(dead_code, reason = "held until it is dropped")]
    pub(super) load: OwnedSemaphorePermit,
    /// The turn among those who have one place in all.
    #[allow(dead_code, reason = "held until it is dropped")]
    pub(super) turn: Option<OwnedSemaphorePermit>,
}

/// Waits for a place among the loads that run at once, and keeps it with the load's scope.
async fn take_place<N: Node>(batch: &Batch<N>) {
    if LOADING.try_with(|scope| scope.place.lock().is_some()).unwrap_or(false) {
        return;
    }
    // Errors mean that a semaphore was closed, which nobody does.
    let turn = match &batch.turns {
        Some(turns) => Arc::clone(turns).acquire_owned().await.ok(),
        None => None,
    };
    if let Ok(load) = Arc::clone(&batch.binding.loads).acquire_owned().await {
        let _ = LOADING.try_with(|scope| *scope.place.lock() = Some(Place { load, turn }));
    }
}

fn give_up_place() {
    let _ = LOADING.try_with(|scope| drop(scope.place.lock().take()));
}
