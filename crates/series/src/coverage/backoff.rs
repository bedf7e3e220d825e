use std::time::Duration;

use super::{Coverage, State};
use crate::time::{Slots, Time};

/// When what did not bring rows is asked for again. Pure: time is passed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Backoff {
    /// So long after the first time.
    pub first: Duration,
    /// So many times longer after each further one.
    pub factor: u32,
    /// At most so long.
    pub max: Duration,
    /// An empty answer is settled after so many of them; failures never are.
    pub checks_max: u8,
}

impl Backoff {
    /// For empty answers: after an hour, a day, and then believed.
    pub const EMPTY: Self = Self::new(Duration::from_secs(3_600), 24, Duration::from_secs(604_800));
    /// For failures: after a second, twice as long each time, five minutes at most.
    pub const FAILED: Self = Self::new(Duration::from_secs(1), 2, Duration::from_secs(300));

    /// `first`, then `factor` times as long each time up to `max`; believed at the third time.
    pub const fn new(first: Duration, factor: u32, max: Duration) -> Self {
        Self { first, factor, max, checks_max: 3 }
    }

    /// Empty answers are believed at the so manieth time; 1 believes the first.
    pub const fn with_checks_max(mut self, checks_max: u8) -> Self {
        self.checks_max = checks_max;
        self
    }

    /// How long after the so manieth time, counted from 1.
    pub fn delay(&self, count: u8) -> Duration {
        let times = self.factor.saturating_pow(u32::from(count.saturating_sub(1)));
        self.first.saturating_mul(times).min(self.max)
    }

    /// What a slot becomes that was `before` and for which the venue had nothing at `now`.
    pub fn after_empty(&self, before: Option<State>, now: Time) -> State {
        let checks = match before {
            Some(State::Empty { checks, check_at: None }) => {
                return State::Empty { checks, check_at: None };
            }
            // The same answer again, or one that was not asked for this slot's sake, is no other check.
            Some(empty @ State::Empty { .. }) if !empty.is_due(now) => return empty,
            Some(State::Empty { checks, .. }) => checks.saturating_add(1),
            // The check has brought nothing new, and there is no other.
            Some(settling @ State::Settling { .. }) => {
                return if settling.is_due(now) { State::Fetched } else { settling };
            }
            _ => 1,
        };
        let settled = checks >= self.checks_max;
        State::Empty { checks, check_at: (!settled).then(|| now.after(self.delay(checks))) }
    }

    /// What a slot becomes that was `before` and for which the venue failed at `now`: nothing that
    /// is known is lost by a failure. What was only due to be checked is so again later; `checks`
    /// says how many checks in a row have failed, this one among them, for that stands in no state.
    pub fn after_failure(&self, before: Option<State>, now: Time, checks: u8) -> State {
        let attempts = match before {
            Some(State::Failed { attempts, .. }) => attempts.saturating_add(1),
            None => 1,
            // It is asked again, but not at once.
            Some(State::Settling { .. }) => {
                return State::Settling { check_at: now.after(self.delay(checks)) };
            }
            Some(State::Empty { checks: had, check_at: Some(_) }) => {
                let check_at = Some(now.after(self.delay(checks)));
                return State::Empty { checks: had, check_at };
            }
            Some(known) => return known,
        };
        State::Failed { attempts, retry_at: now.after(self.delay(attempts)) }
    }
}

impl Coverage {
    /// Says that the venue had nothing for `slots` at `now`. Slots that had been answered with rows
    /// around them stay so.
    pub fn mark_empty(&mut self, slots: Slots, now: Time, backoff: &Backoff) {
        for (span, state) in self.spans_in(slots) {
            let keeps = state.is_some_and(|state| {
                !matches!(
                    state,
                    State::Empty { .. } | State::Failed { .. } | State::Settling { .. }
                )
            });
            if !keeps {
                self.mark(span, backoff.after_empty(state, now));
            }
        }
    }

    /// Says that the venue failed to answer for `slots` at `now`, the `checks`th time in a row where
    /// they were only to be checked.
    pub fn mark_failed(&mut self, slots: Slots, now: Time, backoff: &Backoff, checks: u8) {
        for (span, state) in self.spans_in(slots) {
            self.mark(span, backoff.after_failure(state, now, checks));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: Slots = Slots::new(0, 10);

    /// Bug 6 of the model: what is known to be empty could not be said, and was asked for for ever.
    #[test]
    fn bug_6_an_empty_answer_is_asked_for_again_on_a_backoff_and_then_believed() {
        let mut coverage = Coverage::new();
        let mut now = Time::EPOCH;
        let mut asked = Vec::new();
        for _ in 0..1_000 {
            if !coverage.missing(ALL, now).is_empty() {
                asked.push(now.since(Time::EPOCH).as_secs() / 3_600);
                coverage.mark_empty(ALL, now, &Backoff::EMPTY);
            }
            now = now.after(Duration::from_secs(3_600));
        }
        assert_eq!(asked, [0, 1, 25]);
        assert_eq!(coverage.at(5), Some(State::Empty { checks: 3, check_at: None }));
    }

    /// Bug 8 of the model: a failure was an empty list, and what is empty was believed.
    #[test]
    fn bug_8_a_failure_is_told_from_emptiness_and_tried_again() {
        let mut coverage = Coverage::new();
        let mut now = Time::EPOCH;
        for attempts in 1..=12 {
            assert_eq!(coverage.missing(ALL, now), [ALL]);
            coverage.mark_failed(ALL, now, &Backoff::FAILED, 1);
            let Some(State::Failed { attempts: counted, retry_at }) = coverage.at(3) else {
                panic!("{coverage:?}");
            };
            assert_eq!(counted, attempts);
            assert!(coverage.missing(ALL, now).is_empty(), "not at once");
            assert!(retry_at.since(now) <= Duration::from_secs(300));
            now = retry_at;
        }
        coverage.mark(Slots::new(2, 4), State::Fetched);
        coverage.mark_failed(ALL, now, &Backoff::FAILED, 1);
        assert_eq!(coverage.at(3), Some(State::Fetched), "a failure takes nothing away");
    }

    /// A venue that is away is not asked each second for what is only to be checked.
    #[test]
    fn checks_that_fail_are_made_again_less_and_less_often() {
        let due = Time::EPOCH;
        for before in
            [State::Settling { check_at: due }, State::Empty { checks: 2, check_at: Some(due) }]
        {
            let mut coverage = Coverage::from_iter([(ALL, before)]);
            for (checks, seconds) in [(1, 1), (2, 2), (3, 4), (8, 128), (9, 256), (200, 300)] {
                coverage.mark_failed(ALL, due, &Backoff::FAILED, checks);
                let again = due.after(Duration::from_secs(seconds));
                let early = due.after(Duration::from_secs(seconds - 1));
                assert_eq!(coverage.missing(ALL, early), [], "{checks} checks");
                assert_eq!(coverage.missing(ALL, again), [ALL], "{checks} checks");
            }
            assert_eq!(coverage.at(0).map(|state| state.kind(true)), Some(before.kind(true)));
        }
    }

    #[test]
    fn an_answer_with_rows_is_not_made_empty() {
        let mut coverage = Coverage::new();
        coverage.mark(Slots::new(0, 3), State::Fetched);
        coverage.mark(Slots::new(3, 5), State::BeforeListing);
        coverage.mark_empty(ALL, Time::EPOCH, &Backoff::EMPTY.with_checks_max(1));
        let settled = State::Empty { checks: 1, check_at: None };
        assert_eq!(
            coverage.iter().collect::<Vec<_>>(),
            [
                (Slots::new(0, 3), State::Fetched),
                (Slots::new(3, 5), State::BeforeListing),
                (Slots::new(5, 10), settled)
            ]
        );
    }
}
