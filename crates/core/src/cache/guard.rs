//! What stands between the engine and a storage: a time that a call may take, and a breaker.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64 as Count, Ordering};
use std::task::Poll;
use std::time::Duration;

use super::storage_options::StorageOptions;
use crate::clock::Clock;
use crate::events::{CacheEvent, EventKind, Hub};
use crate::observe;
use crate::policy::breaker::{Breaker, BreakerState, Pass};
use crate::stats::{LastFailure, StorageHealth};
use crate::storage::{StorageError, StorageErrorKind};
use crate::sync::Mutex;
use crate::sync::atomic::AtomicU64;

/// Guards the calls of one storage.
#[derive(Debug)]
pub(super) struct Guard {
    name: Arc<str>,
    scheme: &'static str,
    options: StorageOptions,
    clock: Arc<dyn Clock>,
    events: Arc<Hub>,
    /// Its last call failed.
    is_failing: AtomicBool,
    breaker: Option<Mutex<Breaker>>,
    /// While the breaker is closed and no failure counts: its generation and a set bit, so that a
    /// call to a storage that works takes no lock. Otherwise zero.
    clean: AtomicU64,
    skipped: Count,
    timeouts: Count,
    failures: Count,
    last_failure: Mutex<Option<LastFailure>>,
}

/// How long a call may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Span {
    /// A call for keys.
    Operation,
    /// A call that may go through all entries.
    Sweep,
}

/// Which calls are made while the breaker is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Passing {
    /// Those that try, and no others.
    Asking,
    /// All: it is made seldom, and would have to be made again.
    Anyway,
}

impl Guard {
    pub(super) fn new(
        name: Arc<str>,
        scheme: &'static str,
        options: StorageOptions,
        clock: Arc<dyn Clock>,
        events: Arc<Hub>,
    ) -> Self {
        let breaker = options.breaker.map(Breaker::new);
        let clean = AtomicU64::new(breaker.as_ref().map_or(0, clean_word));
        Self {
            name,
            scheme,
            options,
            clock,
            events,
            is_failing: AtomicBool::new(false),
            breaker: breaker.map(Mutex::new),
            clean,
            skipped: Count::new(0),
            timeouts: Count::new(0),
            failures: Count::new(0),
            last_failure: Mutex::new(None),
        }
    }

    /// Makes a call, unless the storage is left alone, and for no longer than it may take.
    /// `failure` tells what an answer says against the storage as a whole.
    pub(super) async fn call<T>(
        &self,
        operation: &'static str,
        span: Span,
        passing: Passing,
        call: impl Future<Output = Result<T, StorageError>>,
        failure: impl FnOnce(&T) -> Option<&StorageError>,
    ) -> Result<T, StorageError> {
        let Some(pass) = self.pass(passing) else {
            self.skipped.fetch_add(1, Ordering::Relaxed);
            let message = "it has failed again and again and is left alone for a while";
            let kind = StorageErrorKind::BreakerOpen;
            return Err(StorageError::new(self.scheme, operation, kind, message));
        };
        let trial = Trial { guard: self, pass };
        let done = self.in_time(operation, span, call).await;
        std::mem::forget(trial);
        match &done {
            Ok(answer) => self.told(pass, passing, failure(answer)),
            Err(error) => self.told(pass, passing, Some(error)),
        }
        done
    }

    /// Makes a call for no longer than it may take, and draws nothing from it.
    pub(super) async fn in_time<T>(
        &self,
        operation: &'static str,
        span: Span,
        call: impl Future<Output = Result<T, StorageError>>,
    ) -> Result<T, StorageError> {
        let timeout = match span {
            Span::Operation => self.options.operation_timeout,
            Span::Sweep => self.options.sweep_timeout,
        };
        let Some(timeout) = timeout else { return call.await };
        if let Some(done) = within(&*self.clock, timeout, call).await {
            return done;
        }
        self.timeouts.fetch_add(1, Ordering::Relaxed);
        let message = format!("it took longer than {timeout:?}");
        Err(StorageError::new(self.scheme, operation, StorageErrorKind::Unavailable, message))
    }

    fn pass(&self, passing: Passing) -> Option<Pass> {
        let Some(breaker) = &self.breaker else { return Some(Pass::of_generation(0)) };
        let clean = self.clean.load(Ordering::SeqCst);
        if clean != 0 {
            return Some(Pass::of_generation(clean >> 1));
        }
        let now = self.clock.monotonic();
        let (pass, before, after) = {
            let mut breaker = breaker.lock();
            let before = breaker.state();
            (breaker.pass(now), before, breaker.state())
        };
        self.changed(before, after);
        pass.or_else(|| (passing == Passing::Anyway).then_some(Pass::OUTSIDE))
    }

    /// Whether a call would not be made now, since the breaker is open.
    pub(super) fn is_open(&self) -> bool {
        let Some(breaker) = &self.breaker else { return false };
        if self.clean.load(Ordering::SeqCst) != 0 {
            return false;
        }
        let now = self.clock.monotonic();
        !breaker.lock().would_pass(now)
    }

    fn told(&self, pass: Pass, passing: Passing, error: Option<&StorageError>) {
        if let Some(error) = error {
            self.failures.fetch_add(1, Ordering::Relaxed);
            *self.last_failure.lock() = Some(LastFailure {
                at: self.clock.wall(),
                kind: error.kind(),
                operation: error.operation(),
            });
        }
        let is_failing = error.is_some_and(is_failing);
        self.fares(!is_failing);
        let Some(breaker) = &self.breaker else { return };
        if !is_failing && self.clean.load(Ordering::SeqCst) != 0 {
            return;
        }
        let now = self.clock.monotonic();
        let (before, after) = {
            let mut breaker = breaker.lock();
            let before = breaker.state();
            match (is_failing, passing) {
                (true, _) => breaker.failed(pass, now),
                (false, Passing::Asking) => breaker.succeeded(pass),
                (false, Passing::Anyway) => breaker.close(),
            }
            self.clean.store(clean_word(&breaker), Ordering::SeqCst);
            (before, breaker.state())
        };
        self.changed(before, after);
    }

    /// Tells where it begins to fail, or works again.
    fn fares(&self, is_well: bool) {
        let was_well = !self.is_failing.load(Ordering::Relaxed);
        if was_well != is_well && self.is_failing.swap(!is_well, Ordering::Relaxed) == is_well {
            let tier = || Arc::clone(&self.name);
            self.events.tell(EventKind::Health, || CacheEvent::Health { tier: tier(), is_well });
        }
    }

    fn changed(&self, before: BreakerState, after: BreakerState) {
        if before != after {
            observe::breaker_changed(&self.name, after);
            self.events.tell(EventKind::Breaker, || CacheEvent::Breaker {
                tier: Arc::clone(&self.name),
                state: after,
            });
        }
    }

    pub(super) fn health(&self) -> StorageHealth {
        let (breaker, breaker_opened) = match &self.breaker {
            Some(breaker) => {
                let breaker = breaker.lock();
                (breaker.state(), breaker.opened())
            }
            None => (BreakerState::Closed, 0),
        };
        StorageHealth {
            breaker,
            breaker_opened,
            skipped: self.skipped.load(Ordering::Relaxed),
            timeouts: self.timeouts.load(Ordering::Relaxed),
            failures: self.failures.load(Ordering::Relaxed),
            last_failure: *self.last_failure.lock(),
        }
    }
}

fn clean_word(breaker: &Breaker) -> u64 {
    if breaker.is_clean() { breaker.closed_pass().generation() << 1 | 1 } else { 0 }
}

/// Whether an error says that the storage as a whole does not work now. Any other is an answer:
/// it was reached, and has its reasons.
fn is_failing(error: &StorageError) -> bool {
    matches!(error.kind(), StorageErrorKind::Unavailable | StorageErrorKind::Failed)
}

/// What a batch says against the storage as a whole: something only if all of it failed that way.
pub(super) fn failure_of_batch<T>(answers: &[Result<T, StorageError>]) -> Option<&StorageError> {
    let all_failed = answers.iter().all(|answer| answer.as_ref().err().is_some_and(is_failing));
    answers.first()?.as_ref().err().filter(|_| all_failed)
}

/// The outcome of a future; `None` if it takes longer. What is ready at once needs no timer.
pub(crate) async fn within<T>(
    clock: &dyn Clock,
    timeout: Duration,
    call: impl Future<Output = T>,
) -> Option<T> {
    let mut call = pin!(call);
    let mut sleep = None;
    poll_fn(|context| {
        if let Poll::Ready(done) = call.as_mut().poll(context) {
            return Poll::Ready(Some(done));
        }
        let sleep = sleep.get_or_insert_with(|| clock.sleep(timeout));
        sleep.as_mut().poll(context).map(|()| None)
    })
    .await
}

/// A call on its way: where it is given up, or panics, another may try in its place.
struct Trial<'a> {
    guard: &'a Guard,
    pass: Pass,
}

impl Drop for Trial<'_> {
    fn drop(&mut self) {
        if let Some(breaker) = &self.guard.breaker
            && self.guard.clean.load(Ordering::SeqCst) == 0
        {
            breaker.lock().gave_up(self.pass);
        }
    }
}
