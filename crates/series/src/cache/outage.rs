use std::time::Duration;

use cache_core::clock::Tick;

use crate::coverage::Backoff;

/// Calls in a row that a venue did not answer. Pure: time is passed in.
#[derive(Debug)]
pub(super) struct Outage {
    after: u32,
    pauses: Backoff,
    unanswered: u32,
    last: Option<Tick>,
}

impl Outage {
    /// A venue is out after so many calls in a row without an answer, and left alone for these
    /// pauses, the next one after each further call.
    pub(super) fn new(after: u32, pauses: Backoff) -> Self {
        Self { after: after.max(1), pauses, unanswered: 0, last: None }
    }

    /// A call was answered, be it with a refusal.
    pub(super) fn answered(&mut self) {
        (self.unanswered, self.last) = (0, None);
    }

    /// A call that began then was not answered at `now`; for how long the venue is to be left alone
    /// for it, if it is out. Calls that were under way together count once: they failed for one
    /// reason.
    pub(super) fn unanswered(&mut self, began: Tick, now: Tick) -> Option<Duration> {
        if self.last.is_some_and(|last| began <= last) {
            return None;
        }
        self.last = Some(now);
        self.unanswered = self.unanswered.saturating_add(1);
        let beyond = self.unanswered.checked_sub(self.after)?;
        Some(self.pauses.delay(u8::try_from(beyond).unwrap_or(u8::MAX).saturating_add(1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_venue_is_out_after_so_many_and_left_alone_for_longer_each_time() {
        let mut outage = Outage::new(3, Backoff::FAILED);
        let mut call = |began: u64, ended: u64| {
            let left = outage.unanswered(Tick::from_ms(began), Tick::from_ms(ended));
            left.map(|left| left.as_secs())
        };
        assert_eq!(call(0, 10), None);
        // They were under way with the first.
        assert_eq!([call(1, 11), call(5, 12), call(10, 13)], [None; 3]);
        assert_eq!(call(20, 30), None);
        assert_eq!(call(40, 50), Some(1));
        assert_eq!([call(60, 70), call(80, 90), call(95, 99)], [Some(2), Some(4), Some(8)]);
        for begin in 100..400 {
            assert!(call(begin, begin) <= Some(300));
        }
        assert_eq!(call(1_000, 1_000), Some(300));
        outage.answered();
        assert_eq!(outage.unanswered(Tick::from_ms(0), Tick::from_ms(2_000)), None);
    }
}
