use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use cache_core::clock::{Clock, Tick};
use parking_lot::Mutex;
use tokio::sync::{Semaphore, SemaphorePermit};

use super::allowance::Spent;
use super::flights::Flights;
use super::outage::Outage;
use crate::row::Row;
use crate::time::Time;
use crate::venue::{Limits, UsedWeight, Venue, VenueError, VenueErrorKind};

/// The way to a venue: so many at once, so much in a span of time, and nobody while the venue wants
/// to be left alone. One for all series of a venue and environment.
#[derive(Debug)]
pub(super) struct Gate {
    calls: Semaphore,
    calls_max: usize,
    spent: Mutex<Spent>,
    held: Mutex<Option<(Tick, VenueError)>>,
    outage: Mutex<Outage>,
    /// How far the venue's clock is ahead of this machine's.
    offset_ms: AtomicI64,
    looked: Mutex<Looked>,
    /// Who waits for the venue's clock goes on in the order of coming.
    looking: Semaphore,
    /// The look at it that is under way.
    looks: Flights<(), Result<(), VenueError>>,
}

/// A call that tries a venue that was out; without it the call has ended.
#[derive(Debug)]
pub(super) struct Trial<'gate> {
    outage: &'gate Mutex<Outage>,
    number: u64,
}

impl<'gate> Trial<'gate> {
    /// Begins one, if it may be at `now` and the venue was out.
    fn begin(outage: &'gate Mutex<Outage>, now: Tick) -> Result<Option<Self>, VenueError> {
        let mut known = outage.lock();
        let is_trial = known.look(now)?;
        Ok(is_trial.then(|| Self { outage, number: known.begin_trial() }))
    }
}

impl Drop for Trial<'_> {
    fn drop(&mut self) {
        self.outage.lock().end_trial(self.number);
    }
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

/// What is known of the venue's clock.
#[derive(Debug)]
enum Known {
    /// The time, or why not.
    Told(Result<(), VenueError>),
    /// It is to be looked at.
    Due {
        /// Whether the time is known as it was then.
        is_known: bool,
    },
}

/// What stands in a call's way.
#[derive(Debug)]
pub(super) enum Obstacle {
    /// It may go after so long.
    Wait(Duration),
    /// The venue wants to be left alone for longer than anybody waits here, or does not answer; it
    /// said so by this.
    Held(VenueError),
}

impl Gate {
    pub(super) fn new(limits: Limits, outage: Outage) -> Self {
        let calls_max = (limits.calls_max.max(1) as usize).min(Semaphore::MAX_PERMITS);
        Self {
            calls: Semaphore::new(calls_max),
            calls_max,
            spent: Mutex::new(Spent::new(limits.allowance)),
            held: Mutex::new(None),
            outage: Mutex::new(outage),
            offset_ms: AtomicI64::new(0),
            looked: Mutex::default(),
            looking: Semaphore::new(1),
            looks: Flights::default(),
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

    /// Takes `weight` of the allowance, if the call may go now. For a venue that wants to be left
    /// alone a call waits up to `wait_max`; for one that is out it does not. What it answers is kept
    /// until the call has ended.
    pub(super) fn pass(
        &self,
        weight: u32,
        now: Tick,
        wait_max: Duration,
    ) -> Result<Option<Trial<'_>>, Obstacle> {
        if let Some((left, error)) = self.held(now) {
            return Err(if left > wait_max { Obstacle::Held(error) } else { Obstacle::Wait(left) });
        }
        let mut outage = self.outage.lock();
        let is_trial = outage.look(now).map_err(Obstacle::Held)?;
        self.spent.lock().take(weight, now).map_err(Obstacle::Wait)?;
        let number = is_trial.then(|| outage.begin_trial());
        Ok(number.map(|number| Trial { outage: &self.outage, number }))
    }

    /// What the venue says of its allowance, after a call.
    pub(super) fn hear(&self, used: Option<UsedWeight>, now: Tick) {
        if let Some(used) = used {
            self.spent.lock().hear(used, now);
        }
    }

    /// A call was answered: the venue is not out.
    pub(super) fn answered(&self) {
        self.outage.lock().answered();
    }

    /// A call that began then failed at `now`, with this error. If that concerns all other calls, the
    /// venue is left alone: for `pause` if it has asked for that, or for as long as it seems to be
    /// out.
    pub(super) fn failed(&self, error: &VenueError, pause: Duration, began: Tick, now: Tick) {
        match error.kind() {
            kind if kind.concerns_venue() => {
                self.answered();
                self.hold(now.after(pause), error.clone());
            }
            VenueErrorKind::Unavailable | VenueErrorKind::Timeout => {
                self.outage.lock().unanswered(error, began, now);
            }
            // It may be a proxy's word or its own.
            VenueErrorKind::Malformed => {}
            _ => self.answered(),
        }
    }

    /// Whether the venue is left alone at `now` because it does not answer.
    pub(super) fn is_out(&self, now: Tick) -> bool {
        self.outage.lock().is_out(now)
    }

    /// The venue is to be left alone until then.
    fn hold(&self, until: Tick, error: VenueError) {
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
    /// wait for one look, which is a task of its own and goes on without them. A venue that fails is
    /// asked again soon, and what was known of its clock stays.
    ///
    /// # Errors
    /// What the venue said, if nothing is known of its clock: nobody can tell which slots are over.
    pub(super) async fn check_clock<R: Row>(
        self: &Arc<Self>,
        venue: &Arc<dyn Venue<R>>,
        clock: &Arc<dyn Clock>,
        every: Duration,
    ) -> Result<(), VenueError> {
        let is_known = match self.known_time(clock.monotonic(), every) {
            Known::Told(result) => return result,
            Known::Due { is_known } => is_known,
        };
        let _turn = if is_known {
            if self.looks.is_under_way(&()) {
                // What is known is good enough while another looks.
                return Ok(());
            }
            None
        } else {
            // Closed by nobody.
            self.looking.acquire().await.ok()
        };
        if let Known::Told(result) = self.known_time(clock.monotonic(), every) {
            return result;
        }
        let (gate, clock, asked) = (Arc::clone(self), Arc::clone(clock), Arc::clone(venue));
        let look = |_| async move { gate.look_at_clock(&asked, &clock, every).await };
        let landed = self.looks.join((), look).landed().await;
        landed.unwrap_or_else(|| {
            let message = "the look at its clock was stopped";
            let error = VenueError::new(venue.name(), VenueErrorKind::Unavailable, message);
            if is_known { Ok(()) } else { Err(error) }
        })
    }

    /// What is known of the venue's clock without a look, or that it is to be looked at.
    fn known_time(&self, now: Tick, every: Duration) -> Known {
        let looked = self.looked.lock();
        match looked.is_due(now, every) {
            true => Known::Due { is_known: looked.told.is_some() },
            false => Known::Told(looked.result()),
        }
    }

    async fn look_at_clock<R: Row>(
        &self,
        venue: &Arc<dyn Venue<R>>,
        clock: &Arc<dyn Clock>,
        every: Duration,
    ) -> Result<(), VenueError> {
        let now = clock.monotonic();
        let is_known = match self.known_time(now, every) {
            // Another look has ended meanwhile.
            Known::Told(result) => return result,
            Known::Due { is_known } => is_known,
        };
        let held = self.held(now).map_or(Ok(()), |(_, error)| Err(error));
        let _trial = match held.and_then(|()| Trial::begin(&self.outage, now)) {
            Ok(trial) => trial,
            Err(error) => return if is_known { Ok(()) } else { Err(error) },
        };
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
        self.hear(venue.used_weight(), after);
        let told = match answer {
            Ok(told) => told,
            // It never will.
            Err(error) if !error.is_transient() => None,
            Err(error) => {
                self.failed(&error, error.retry_after().unwrap_or(CLOCK_PAUSE), now, after);
                let mut looked = self.looked.lock();
                looked.failed = Some((after, error));
                return looked.result();
            }
        };
        // One that has no clock may not have been called for it.
        if let Some(theirs) = told {
            self.answered();
            // It was looked at about in the middle of the call.
            let here = wall.after(after.since(now) / 2);
            self.offset_ms.store(theirs.unix_ms() - here.unix_ms(), Ordering::Relaxed);
        }
        *self.looked.lock() = Looked { told: Some(after), failed: None };
        Ok(())
    }

    /// For how long after `now` the venue wants to be left alone, if it does, and by what it said so.
    fn held(&self, now: Tick) -> Option<(Duration, VenueError)> {
        let mut held = self.held.lock();
        let (until, error) = held.as_ref()?;
        let left = until.since(now);
        if left.is_zero() {
            *held = None;
            return None;
        }
        Some((left, error.clone().with_retry_after(left)))
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
    use crate::coverage::Backoff;

    fn gate() -> Gate {
        Gate::new(Limits::default(), Outage::new(2, Backoff::FAILED))
    }

    #[test]
    fn a_venue_that_wants_to_be_left_alone_is() {
        let gate = gate();
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

    fn error(kind: VenueErrorKind) -> VenueError {
        VenueError::new("v", kind, "on purpose")
    }

    #[test]
    fn nobody_waits_for_a_venue_that_does_not_answer() {
        let gate = gate();
        let at = Tick::from_ms;
        let call = |kind, began: u64| {
            gate.failed(&error(kind), Duration::from_secs(5), at(began), at(began + 10));
            gate.is_out(at(began + 10))
        };
        assert!(!call(VenueErrorKind::Timeout, 0));
        assert!(!call(VenueErrorKind::UnknownSymbol, 100), "that is an answer");
        assert!(!call(VenueErrorKind::Unavailable, 200));
        assert!(!call(VenueErrorKind::Malformed, 300));
        assert!(call(VenueErrorKind::Timeout, 400));
        let pass = |now| gate.pass(1, at(now), Duration::from_secs(60));
        let is_held =
            |now| matches!(pass(now), Err(Obstacle::Held(error)) if error.retry_after().is_some());
        assert!(is_held(1_000));
        // One tries it, and the next does if nothing came of that.
        for _ in 0..2 {
            let trial = pass(1_410).unwrap();
            assert!(trial.is_some() && is_held(1_410) && is_held(60_000));
        }
        assert!(!gate.is_out(at(1_410)));
        let trial = pass(1_410).unwrap();
        gate.answered();
        assert!(matches!(pass(1_410), Ok(None)));
        drop(trial);
        assert!(!call(VenueErrorKind::Timeout, 2_000));
        assert!(!call(VenueErrorKind::RateLimited, 2_100), "it speaks");
        assert!(matches!(pass(2_110), Err(Obstacle::Wait(_))));
    }

    /// An answer to one call says nothing of what the venue wants of others.
    #[test]
    fn a_venue_that_answers_is_left_alone_as_long_as_it_wants() {
        let gate = gate();
        let at = Tick::from_ms;
        gate.failed(&error(VenueErrorKind::Banned), Duration::from_secs(60), at(0), at(10));
        gate.answered();
        let passed = gate.pass(1, at(20), Duration::from_secs(10));
        assert!(
            matches!(passed, Err(Obstacle::Held(error)) if error.kind() == VenueErrorKind::Banned)
        );
        assert!(!gate.is_out(at(20)));
    }

    /// A call that has to wait for the allowance tries nothing yet, and keeps nobody from it.
    #[test]
    fn one_that_waits_for_the_allowance_is_no_trial() {
        let limits = Limits::default().with_allowance(1, Duration::from_secs(10));
        let gate = Gate::new(limits, Outage::new(1, Backoff::FAILED));
        let at = Tick::from_ms;
        let pass = |now| gate.pass(1, at(now), Duration::from_secs(60));
        assert!(matches!(pass(0), Ok(None)));
        gate.failed(&error(VenueErrorKind::Timeout), Duration::ZERO, at(0), at(10));
        for _ in 0..2 {
            assert!(matches!(pass(1_010), Err(Obstacle::Wait(_))));
        }
        assert!(matches!(pass(10_000), Ok(Some(_))));
    }
}
