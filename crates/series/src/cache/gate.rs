use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use cache_core::clock::{Clock, Tick};
use parking_lot::Mutex;
use tokio::sync::{Semaphore, SemaphorePermit};

use super::allowance::Spent;
use crate::row::Row;
use crate::time::Time;
use crate::venue::{Limits, Venue, VenueError, VenueErrorKind};

/// The way to a venue: so many at once, so much in a span of time, and nobody while the venue wants
/// to be left alone. One for all series of a venue and environment.
#[derive(Debug)]
pub(super) struct Gate {
    calls: Semaphore,
    calls_max: usize,
    spent: Mutex<Spent>,
    held: Mutex<Option<(Tick, VenueError)>>,
    /// How far the venue's clock is ahead of this machine's.
    offset_ms: AtomicI64,
    looked: Mutex<Looked>,
    /// The venue's clock is looked at by one at a time.
    looking: Semaphore,
}

/// When the venue's clock was looked at.
#[derive(Debug, Default)]
struct Looked {
    /// When it told the time last, or that it tells none.
    told: Option<Tick>,
    /// When and how it failed, if it has since.
    failed: Option<(Tick, VenueError)>,
}

impl Looked {
    fn is_due(&self, now: Tick, every: Duration) -> bool {
        let failed_of_late = |(at, _): &(Tick, VenueError)| now.since(*at) < CLOCK_PAUSE;
        !self.failed.as_ref().is_some_and(failed_of_late)
            && self.told.is_none_or(|told| now.since(told) >= every)
    }

    /// Why the time is not known, if it is not.
    fn result(&self) -> Result<(), VenueError> {
        match &self.failed {
            Some((_, error)) if self.told.is_none() => Err(error.clone()),
            _ => Ok(()),
        }
    }
}

/// What stands in a call's way.
#[derive(Debug)]
pub(super) enum Obstacle {
    /// It may go after so long.
    Wait(Duration),
    /// The venue wants to be left alone for longer than anybody waits here; it said so by this.
    Held(VenueError),
}

impl Gate {
    pub(super) fn new(limits: Limits) -> Self {
        let calls_max = (limits.calls_max.max(1) as usize).min(Semaphore::MAX_PERMITS);
        Self {
            calls: Semaphore::new(calls_max),
            calls_max,
            spent: Mutex::new(Spent::new(limits.allowance)),
            held: Mutex::new(None),
            offset_ms: AtomicI64::new(0),
            looked: Mutex::default(),
            looking: Semaphore::new(1),
        }
    }

    /// How many calls may be under way at once.
    pub(super) fn calls_max(&self) -> usize {
        self.calls_max
    }

    /// A place among the calls that are under way; in the order of asking.
    pub(super) async fn place(&self) -> Option<SemaphorePermit<'_>> {
        self.calls.acquire().await.ok()
    }

    /// Takes `weight` of the allowance, if the call may go now.
    pub(super) fn pass(&self, weight: u32, now: Tick, wait_max: Duration) -> Result<(), Obstacle> {
        let mut held = self.held.lock();
        if let Some((until, error)) = held.as_ref() {
            let left = until.since(now);
            if !left.is_zero() {
                let told = error.clone().with_retry_after(left);
                return Err(if left > wait_max {
                    Obstacle::Held(told)
                } else {
                    Obstacle::Wait(left)
                });
            }
            *held = None;
        }
        drop(held);
        self.spent.lock().take(weight, now).map_err(Obstacle::Wait)
    }

    /// The venue wants to be left alone until then.
    pub(super) fn hold(&self, until: Tick, error: VenueError) {
        let mut held = self.held.lock();
        if held.as_ref().is_none_or(|(known, _)| *known < until) {
            *held = Some((until, error));
        }
    }

    /// The time by the venue's clock, as far as it is known.
    pub(super) fn time(&self, clock: &Arc<dyn Clock>) -> Time {
        let here = Time::from(clock.wall());
        Time::from_unix_ms(here.unix_ms().saturating_add(self.offset_ms.load(Ordering::Relaxed)))
    }

    /// Looks at the venue's clock if that was not done for `every`. All who come before it is known
    /// wait for the one that looks; if that one goes away, the next of them looks. A venue that fails
    /// is asked again soon, and what was known of its clock stays.
    ///
    /// # Errors
    /// What the venue said, if nothing is known of its clock: nobody can tell which slots are over.
    pub(super) async fn check_clock<R: Row>(
        &self,
        venue: &Arc<dyn Venue<R>>,
        clock: &Arc<dyn Clock>,
        every: Duration,
    ) -> Result<(), VenueError> {
        let is_known = {
            let looked = self.looked.lock();
            if !looked.is_due(clock.monotonic(), every) {
                return looked.result();
            }
            looked.told.is_some()
        };
        let _turn = if is_known {
            // What is known is good enough while another looks.
            let Ok(turn) = self.looking.try_acquire() else { return Ok(()) };
            Some(turn)
        } else {
            // Closed by nobody.
            self.looking.acquire().await.ok()
        };
        let now = clock.monotonic();
        {
            let looked = self.looked.lock();
            if !looked.is_due(now, every) {
                return looked.result();
            }
        }
        if let Some(error) = self.left_alone(now) {
            return if is_known { Ok(()) } else { Err(error) };
        }
        // It goes in any case, and what comes after it waits for the longer.
        let _ = self.spent.lock().take(CLOCK_WEIGHT, now);
        let wall = Time::from(clock.wall());
        let answer = tokio::select! {
            answer = venue.server_time() => answer,
            () = clock.sleep(CLOCK_TIMEOUT) => {
                let message = format!("did not tell the time within {CLOCK_TIMEOUT:?}");
                Err(VenueError::new(venue.name(), VenueErrorKind::Timeout, message))
            }
        };
        let after = clock.monotonic();
        let told = match answer {
            Ok(told) => told,
            // It never will.
            Err(error) if !error.is_transient() => None,
            Err(error) => {
                if error.kind().concerns_venue() {
                    let pause = error.retry_after().unwrap_or(CLOCK_PAUSE);
                    self.hold(after.after(pause), error.clone());
                }
                let mut looked = self.looked.lock();
                looked.failed = Some((after, error));
                return looked.result();
            }
        };
        if let Some(theirs) = told {
            // It was looked at about in the middle of the call.
            let here = wall.after(after.since(now) / 2);
            self.offset_ms.store(theirs.unix_ms() - here.unix_ms(), Ordering::Relaxed);
        }
        *self.looked.lock() = Looked { told: Some(after), failed: None };
        Ok(())
    }

    /// Why the venue is to be left alone at `now`, if it is.
    fn left_alone(&self, now: Tick) -> Option<VenueError> {
        let held = self.held.lock();
        let (until, error) = held.as_ref()?;
        let left = until.since(now);
        (!left.is_zero()).then(|| error.clone().with_retry_after(left))
    }
}

/// A venue that does not tell the time within this is not waited for.
const CLOCK_TIMEOUT: Duration = Duration::from_secs(5);
/// A venue that did not tell the time is asked for it again after so long.
const CLOCK_PAUSE: Duration = Duration::from_secs(1);
/// What a look at the clock weighs of a venue's allowance.
const CLOCK_WEIGHT: u32 = 1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_venue_that_wants_to_be_left_alone_is() {
        let gate = Gate::new(Limits::default());
        let error = VenueError::new("v", VenueErrorKind::RateLimited, "slowly");
        let (at, wait_max) = (Tick::from_ms, Duration::from_secs(10));
        gate.hold(at(5_000), error.clone());
        gate.hold(at(4_000), error.clone());
        let pass = |now| gate.pass(1, at(now), wait_max);
        assert!(matches!(pass(0), Err(Obstacle::Wait(wait)) if wait.as_secs() == 5));
        assert!(pass(5_000).is_ok());
        gate.hold(at(60_000), error);
        let Err(Obstacle::Held(told)) = pass(6_000) else { panic!("it waits") };
        assert_eq!(told.retry_after(), Some(Duration::from_secs(54)));
    }
}
