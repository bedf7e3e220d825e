use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use cache_core::clock::{Clock, Tick};
use parking_lot::Mutex;
use tokio::sync::{Semaphore, SemaphorePermit};

use super::allowance::Spent;
use crate::row::Row;
use crate::time::Time;
use crate::venue::{Limits, Venue, VenueError};

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
    clock_checked: Mutex<Option<Tick>>,
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
            clock_checked: Mutex::new(None),
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

    /// Looks at the venue's clock if that was not done for `every`. A venue that cannot be asked is
    /// asked again after as long, and what was known of its clock stays.
    pub(super) async fn check_clock<R: Row>(
        &self,
        venue: &Arc<dyn Venue<R>>,
        clock: &Arc<dyn Clock>,
        every: Duration,
    ) {
        {
            let mut checked = self.clock_checked.lock();
            let now = clock.monotonic();
            if checked.is_some_and(|checked| now.since(checked) < every) {
                return;
            }
            *checked = Some(now);
        }
        let (wall, before) = (Time::from(clock.wall()), clock.monotonic());
        let answer = tokio::select! {
            answer = venue.server_time() => answer,
            () = clock.sleep(CLOCK_TIMEOUT) => return,
        };
        if let Ok(Some(theirs)) = answer {
            // It was looked at about in the middle of the call.
            let here = wall.after(clock.monotonic().since(before) / 2);
            self.offset_ms.store(theirs.unix_ms() - here.unix_ms(), Ordering::Relaxed);
        }
    }
}

/// A venue that does not tell the time within this is not waited for.
const CLOCK_TIMEOUT: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::venue::VenueErrorKind;

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
