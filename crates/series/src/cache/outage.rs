use cache_core::clock::Tick;

use crate::coverage::Backoff;
use crate::venue::VenueError;

/// Calls in a row that a venue did not answer, and for how long it is left alone for that: after each
/// pause one call tries it, and the others go on once that is answered. Pure: time is passed in.
#[derive(Debug)]
pub(super) struct Outage {
    after: u32,
    pauses: Backoff,
    unanswered: u32,
    last: Option<Tick>,
    /// Since the venue is out.
    pause: Option<Pause>,
    trials: u64,
}

#[derive(Debug)]
struct Pause {
    until: Tick,
    /// What the venue said last.
    error: VenueError,
    /// The call that tries it.
    trial: Option<u64>,
}

impl Outage {
    /// A venue is out after so many calls in a row without an answer, and left alone for these
    /// pauses, the next one after each further call.
    pub(super) fn new(after: u32, pauses: Backoff) -> Self {
        Self { after: after.max(1), pauses, unanswered: 0, last: None, pause: None, trials: 0 }
    }

    /// A call was answered, be it with a refusal.
    pub(super) fn answered(&mut self) {
        (self.unanswered, self.last, self.pause) = (0, None, None);
    }

    /// A call that began then was not answered at `now`: the venue is left alone for it, if it is out.
    /// Calls that were under way together count once: they failed for one reason.
    pub(super) fn unanswered(&mut self, error: &VenueError, began: Tick, now: Tick) {
        if self.last.is_some_and(|last| began <= last) {
            return;
        }
        self.last = Some(now);
        self.unanswered = self.unanswered.saturating_add(1);
        let Some(beyond) = self.unanswered.checked_sub(self.after) else { return };
        let pause = self.pauses.delay(u8::try_from(beyond).unwrap_or(u8::MAX).saturating_add(1));
        let (until, error) = (now.after(pause), error.clone());
        let trial = self.pause.as_ref().and_then(|pause| pause.trial);
        self.pause = Some(Pause { until, error, trial });
    }

    /// Whether the venue is left alone at `now` because it does not answer.
    pub(super) fn is_out(&self, now: Tick) -> bool {
        self.pause.as_ref().is_some_and(|pause| now < pause.until)
    }

    /// Whether a call would try a venue that was out.
    ///
    /// # Errors
    /// What the venue said last, if it is to be left alone at `now`, or another call tries it.
    pub(super) fn look(&self, now: Tick) -> Result<bool, VenueError> {
        let Some(Pause { until, error, trial }) = &self.pause else { return Ok(false) };
        let left = until.since(now);
        if left.is_zero() && trial.is_none() {
            return Ok(true);
        }
        // Nobody knows how long the other takes.
        let left = if left.is_zero() { self.pauses.delay(1) } else { left };
        Err(error.clone().with_retry_after(left))
    }

    /// A call tries the venue; by this number it says so when it has ended.
    pub(super) fn begin_trial(&mut self) -> u64 {
        self.trials += 1;
        if let Some(pause) = &mut self.pause {
            pause.trial = Some(self.trials);
        }
        self.trials
    }

    /// The call with this number has ended, whatever became of it: if nothing did, another tries.
    pub(super) fn end_trial(&mut self, number: u64) {
        if let Some(pause) = &mut self.pause
            && pause.trial == Some(number)
        {
            pause.trial = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::venue::VenueErrorKind;

    fn timeout() -> VenueError {
        VenueError::new("v", VenueErrorKind::Timeout, "on purpose")
    }

    fn at(ms: u64) -> Tick {
        Tick::from_ms(ms)
    }

    #[test]
    fn a_venue_is_out_after_so_many_and_left_alone_for_longer_each_time() {
        let mut outage = Outage::new(3, Backoff::FAILED);
        let mut call = |began: u64, ended: u64| {
            outage.unanswered(&timeout(), at(began), at(ended));
            let told = outage.look(at(ended)).err();
            assert_eq!(told.is_some(), outage.is_out(at(ended)));
            told.and_then(|error| error.retry_after()).map(|left| left.as_secs())
        };
        assert_eq!(call(0, 10), None);
        // They were under way with the first.
        assert_eq!([call(1, 10), call(5, 10), call(10, 10)], [None; 3]);
        assert_eq!(call(20, 30), None);
        assert_eq!(call(40, 50), Some(1));
        assert_eq!([call(60, 70), call(80, 90), call(95, 99)], [Some(2), Some(4), Some(8)]);
        for begin in 100..400 {
            assert!(call(begin, begin) <= Some(300));
        }
        assert_eq!(call(1_000, 1_000), Some(300));
        outage.answered();
        assert!(!outage.is_out(at(1_000)));
        outage.unanswered(&timeout(), at(0), at(2_000));
        assert_eq!(outage.look(at(2_000)).ok(), Some(false));
    }

    #[test]
    fn one_call_tries_it_after_each_pause() {
        let mut outage = Outage::new(1, Backoff::FAILED);
        let told = |outage: &Outage, ms| {
            let left = outage.look(at(ms)).err().and_then(|error| error.retry_after());
            left.map(|left| left.as_millis())
        };
        outage.unanswered(&timeout(), at(0), at(0));
        assert_eq!((told(&outage, 1), told(&outage, 999)), (Some(999), Some(1)));
        assert_eq!(outage.look(at(1_000)).ok(), Some(true));
        let first = outage.begin_trial();
        assert_eq!(told(&outage, 1_000), Some(1_000), "the others come back");
        assert!(!outage.is_out(at(1_000)));
        outage.unanswered(&timeout(), at(1_000), at(1_500));
        outage.end_trial(first);
        assert_eq!((told(&outage, 1_500), told(&outage, 3_499)), (Some(2_000), Some(1)));
        assert_eq!(outage.look(at(3_500)).ok(), Some(true));
        // One that ends without an answer and without a failure leaves it to the next.
        let second = outage.begin_trial();
        outage.end_trial(first);
        assert!(outage.look(at(3_500)).is_err());
        outage.end_trial(second);
        assert_eq!(outage.look(at(3_500)).ok(), Some(true));
        let third = outage.begin_trial();
        outage.answered();
        assert_eq!(outage.look(at(3_500)).ok(), Some(false), "all go on");
        outage.end_trial(third);
        outage.unanswered(&timeout(), at(3_600), at(3_600));
        assert_eq!(told(&outage, 3_600), Some(1_000), "from the first pause on");
    }
}
