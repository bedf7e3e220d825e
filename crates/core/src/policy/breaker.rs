//! The circuit breaker (Nygard, *Release It!*, 2007): who has failed again and again is left alone
//! for a while, then tried by one call.

use std::time::Duration;

use crate::clock::Tick;

/// When a breaker opens, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BreakerOptions {
    /// It opens after so many failures in a row.
    pub failures_max: u32,
    /// So long it stays open before one call may try.
    pub open_for: Duration,
}

/// Where a breaker stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BreakerState {
    /// All calls pass.
    Closed,
    /// None passes.
    Open,
    /// One call is on its way to see whether the others may follow.
    HalfOpen,
}

/// A breaker: closed, open, half-open.
#[derive(Clone, Debug)]
pub struct Breaker {
    options: BreakerOptions,
    stand: Stand,
    /// How often it has opened out of closed.
    opened: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stand {
    Closed { failures: u32 },
    Open { until: Tick },
    HalfOpen,
}

impl BreakerOptions {
    /// Opens after five failures in a row, for five seconds.
    pub const DEFAULT: Self = Self { failures_max: 5, open_for: Duration::from_secs(5) };

    /// Opens after `failures_max` failures in a row, for `open_for`.
    pub const fn new(failures_max: u32, open_for: Duration) -> Self {
        Self { failures_max, open_for }
    }

    /// What is wrong with the options, if anything is.
    pub fn problem(&self) -> Option<&'static str> {
        if self.failures_max == 0 {
            return Some("a breaker opens after one failure at least");
        }
        (self.open_for.as_millis() == 0)
            .then_some("a breaker stays open for a millisecond at least")
    }
}

impl Breaker {
    /// A closed one. The options must have no [problem](BreakerOptions::problem).
    pub const fn new(options: BreakerOptions) -> Self {
        Self { options, stand: Stand::Closed { failures: 0 }, opened: 0 }
    }

    /// Where it stands.
    pub const fn state(&self) -> BreakerState {
        match self.stand {
            Stand::Closed { .. } => BreakerState::Closed,
            Stand::Open { .. } => BreakerState::Open,
            Stand::HalfOpen => BreakerState::HalfOpen,
        }
    }

    /// How often it has opened.
    pub const fn opened(&self) -> u64 {
        self.opened
    }

    /// Whether there is nothing that a success would change.
    pub const fn is_clean(&self) -> bool {
        matches!(self.stand, Stand::Closed { failures: 0 })
    }

    /// Whether a call may pass now. The first to pass an open one whose time is over is the trial:
    /// it must report [`succeeded`](Self::succeeded), [`failed`](Self::failed) or
    /// [`gave_up`](Self::gave_up), for until then no other passes.
    pub fn passes(&mut self, now: Tick) -> bool {
        match self.stand {
            Stand::Closed { .. } => true,
            Stand::Open { until } if until <= now => {
                self.stand = Stand::HalfOpen;
                true
            }
            Stand::Open { .. } | Stand::HalfOpen => false,
        }
    }

    /// A call that had passed was answered.
    pub fn succeeded(&mut self) {
        // One that had passed before it opened says nothing about now.
        if !matches!(self.stand, Stand::Open { .. }) {
            self.close();
        }
    }

    /// It is known to answer again, however that came to be known.
    pub fn close(&mut self) {
        self.stand = Stand::Closed { failures: 0 };
    }

    /// A call that had passed failed.
    pub fn failed(&mut self, now: Tick) {
        let until = now.after(self.options.open_for);
        match self.stand {
            Stand::Closed { failures } if failures + 1 < self.options.failures_max => {
                self.stand = Stand::Closed { failures: failures + 1 };
            }
            Stand::Closed { .. } => {
                self.opened += 1;
                self.stand = Stand::Open { until };
            }
            Stand::HalfOpen => self.stand = Stand::Open { until },
            // From before it opened.
            Stand::Open { .. } => {}
        }
    }

    /// A call that had passed was given up before it was answered: another may try at once.
    pub fn gave_up(&mut self, now: Tick) {
        if self.stand == Stand::HalfOpen {
            self.stand = Stand::Open { until: now };
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const OPTIONS: BreakerOptions = BreakerOptions::new(3, Duration::from_millis(100));

    const fn at(ms: u64) -> Tick {
        Tick::from_ms(ms)
    }

    fn opened_at(ms: u64) -> Breaker {
        let mut breaker = Breaker::new(OPTIONS);
        (0..3).for_each(|_| breaker.failed(at(ms)));
        breaker
    }

    #[test]
    fn it_opens_after_failures_in_a_row_only() {
        let mut breaker = Breaker::new(OPTIONS);
        for _ in 0..10 {
            breaker.failed(at(0));
            breaker.failed(at(0));
            breaker.succeeded();
        }
        assert_eq!((breaker.state(), breaker.opened()), (BreakerState::Closed, 0));
        (0..3).for_each(|_| breaker.failed(at(0)));
        assert_eq!((breaker.state(), breaker.opened()), (BreakerState::Open, 1));
    }

    #[test]
    fn one_call_tries_and_decides() {
        let mut breaker = opened_at(0);
        assert!(!breaker.passes(at(99)));
        assert!(breaker.passes(at(100)), "the trial");
        assert!(!breaker.passes(at(100)), "nobody else");
        breaker.failed(at(110));
        assert!(!breaker.passes(at(209)) && breaker.passes(at(210)));
        breaker.succeeded();
        assert_eq!(breaker.state(), BreakerState::Closed);
        assert!(breaker.passes(at(210)) && breaker.passes(at(210)));
        assert_eq!(breaker.opened(), 1);
    }

    #[test]
    fn a_trial_that_is_given_up_makes_room_for_another() {
        let mut breaker = opened_at(0);
        assert!(breaker.passes(at(100)));
        breaker.gave_up(at(101));
        assert!(breaker.passes(at(101)) && !breaker.passes(at(101)));
    }

    #[test]
    fn an_answer_from_before_it_opened_does_not_close_it() {
        let mut breaker = opened_at(0);
        breaker.succeeded();
        assert_eq!(breaker.state(), BreakerState::Open);
        breaker.close();
        assert_eq!(breaker.state(), BreakerState::Closed);
    }

    #[derive(Clone, Debug)]
    enum Step {
        Call(bool),
        GiveUp,
        Pass(u64),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            any::<bool>().prop_map(Step::Call),
            Just(Step::GiveUp),
            (0u64..80).prop_map(Step::Pass),
        ]
    }

    proptest! {
        /// Calls one after the other, against a plain count.
        #[test]
        fn between_trials_lies_the_time_and_nobody_is_shut_out_for_ever(
            steps in proptest::collection::vec(step(), 1..200),
        ) {
            let mut breaker = Breaker::new(OPTIONS);
            let (mut now, mut failures, mut open_until) = (0u64, 0, None);
            for step in steps {
                let passes = match &step {
                    Step::Pass(ms) => {
                        now += ms;
                        continue;
                    }
                    Step::Call(_) | Step::GiveUp => breaker.passes(at(now)),
                };
                prop_assert_eq!(passes, open_until.is_none_or(|until| until <= now));
                if !passes {
                    continue;
                }
                match step {
                    Step::Call(true) => {
                        breaker.succeeded();
                        (failures, open_until) = (0, None);
                    }
                    Step::Call(false) => {
                        breaker.failed(at(now));
                        failures += 1;
                        if failures >= 3 {
                            open_until = Some(now + 100);
                        }
                    }
                    Step::GiveUp => {
                        breaker.gave_up(at(now));
                        open_until = open_until.map(|_| now);
                    }
                    Step::Pass(_) => {}
                }
                prop_assert!(breaker.state() != BreakerState::HalfOpen);
            }
        }
    }
}
