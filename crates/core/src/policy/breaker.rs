//! The circuit breaker (Nygard, *Release It!*, 2007): who has failed again and again is left alone
//! for a while, then tried by a few calls.

use std::time::Duration;

use crate::clock::Tick;

/// When a breaker opens, for how long, and how it closes again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BreakerOptions {
    /// It opens after so many failures in a row.
    pub failures_max: u32,
    /// So long it stays open before calls may try.
    pub open_for: Duration,
    /// So many calls may try at once, and so many have to succeed before it closes; one that fails
    /// opens it again.
    pub probes_max: u32,
}

/// Where a breaker stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BreakerState {
    /// All calls pass.
    Closed,
    /// None passes.
    Open,
    /// A few calls may try whether the others can follow.
    HalfOpen,
}

/// Leave to make one call; given back with what became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a breaker has to be told what became of the call"]
pub struct Pass {
    generation: u64,
}

/// A breaker: closed, open, half-open.
#[derive(Clone, Debug)]
pub struct Breaker {
    options: BreakerOptions,
    stand: Stand,
    /// Told apart from all stands before it, about which a late answer says nothing.
    generation: u64,
    /// How often it has opened out of closed.
    opened: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stand {
    Closed { failures: u32 },
    Open { until: Tick },
    HalfOpen { trying: u32, succeeded: u32, until: Tick },
}

impl BreakerState {
    /// Its name: `closed`, `open`, `half_open`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half_open",
        }
    }
}

impl BreakerOptions {
    /// Opens after five failures in a row, for five seconds; one call tries.
    pub const DEFAULT: Self = Self::new(5, Duration::from_secs(5));

    /// Opens after `failures_max` failures in a row, for `open_for`; one call tries.
    pub const fn new(failures_max: u32, open_for: Duration) -> Self {
        Self { failures_max, open_for, probes_max: 1 }
    }

    /// Lets so many calls try at once, all of which have to succeed.
    pub const fn probes_max(mut self, probes_max: u32) -> Self {
        self.probes_max = probes_max;
        self
    }

    /// What is wrong with the options, if anything is.
    pub fn problem(&self) -> Option<&'static str> {
        if self.failures_max == 0 {
            return Some("a breaker opens after one failure at least");
        }
        if self.probes_max == 0 {
            return Some("a breaker is tried by one call at least");
        }
        (self.open_for.as_millis() == 0)
            .then_some("a breaker stays open for a millisecond at least")
    }
}

impl Default for BreakerOptions {
    fn default() -> Self {
        Self::DEFAULT
    }
}

impl Breaker {
    /// A closed one. The options must have no [problem](BreakerOptions::problem).
    pub const fn new(options: BreakerOptions) -> Self {
        Self { options, stand: Stand::Closed { failures: 0 }, generation: 0, opened: 0 }
    }

    /// Where it stands.
    pub const fn state(&self) -> BreakerState {
        match self.stand {
            Stand::Closed { .. } => BreakerState::Closed,
            Stand::Open { .. } => BreakerState::Open,
            Stand::HalfOpen { .. } => BreakerState::HalfOpen,
        }
    }

    /// How often it has opened out of closed.
    pub const fn opened(&self) -> u64 {
        self.opened
    }

    /// Whether there is nothing that a success would change.
    pub const fn is_clean(&self) -> bool {
        matches!(self.stand, Stand::Closed { failures: 0 })
    }

    /// The pass of a call that is made while it is closed: for who knows that without asking.
    pub const fn closed_pass(&self) -> Pass {
        Pass { generation: self.generation }
    }

    /// Whether a call may be made now. Who is let through an open one whose time is over tries: it
    /// must report [`succeeded`](Self::succeeded), [`failed`](Self::failed) or
    /// [`gave_up`](Self::gave_up), or its place is only free again when it would be open no more.
    pub fn pass(&mut self, now: Tick) -> Option<Pass> {
        match &mut self.stand {
            Stand::Closed { .. } => {}
            Stand::HalfOpen { trying, succeeded, .. }
                if *trying + *succeeded < self.options.probes_max
                    || cfg!(mutant = "probes_unbounded") =>
            {
                *trying += 1;
            }
            // Of those that try none has been heard of for as long: they hang, or are lost.
            Stand::Open { until } | Stand::HalfOpen { until, .. } if *until <= now => {
                let until = now.after(self.options.open_for);
                self.stand(Stand::HalfOpen { trying: 1, succeeded: 0, until });
            }
            Stand::Open { .. } | Stand::HalfOpen { .. } => return None,
        }
        Some(Pass { generation: self.generation })
    }

    /// Whether a call would be let [pass](Self::pass) now.
    pub fn would_pass(&self, now: Tick) -> bool {
        self.clone().pass(now).is_some()
    }

    /// A call that had passed was answered.
    pub fn succeeded(&mut self, pass: Pass) {
        if cfg!(mutant = "late_success_closes") {
            self.close();
        }
        if pass.generation != self.generation {
            return;
        }
        match &mut self.stand {
            Stand::Closed { failures } => *failures = 0,
            Stand::HalfOpen { trying, succeeded, .. } => {
                *trying = trying.saturating_sub(1);
                *succeeded += 1;
                if *succeeded >= self.options.probes_max {
                    self.close();
                }
            }
            Stand::Open { .. } => {}
        }
    }

    /// It is known to answer again, however that came to be known.
    pub fn close(&mut self) {
        if !self.is_clean() {
            self.stand(Stand::Closed { failures: 0 });
        }
    }

    /// A call that had passed failed.
    pub fn failed(&mut self, pass: Pass, now: Tick) {
        if pass.generation != self.generation {
            return;
        }
        let until = now.after(self.options.open_for);
        match &mut self.stand {
            Stand::Closed { failures } if *failures + 1 < self.options.failures_max => {
                *failures += 1;
            }
            Stand::Closed { .. } => {
                self.opened += 1;
                self.stand(Stand::Open { until });
            }
            Stand::HalfOpen { .. } => self.stand(Stand::Open { until }),
            Stand::Open { .. } => {}
        }
    }

    /// A call that had passed was given up before it was answered: another may try in its place.
    pub fn gave_up(&mut self, pass: Pass) {
        if cfg!(mutant = "probe_place_kept") {
            return;
        }
        if let Stand::HalfOpen { trying, .. } = &mut self.stand
            && pass.generation == self.generation
        {
            *trying = trying.saturating_sub(1);
        }
    }

    fn stand(&mut self, stand: Stand) {
        self.stand = stand;
        self.generation += 1;
    }
}

impl Pass {
    /// Of a call that is made whether the breaker lets it through or not: only its success counts,
    /// by [`Breaker::close`].
    pub(crate) const OUTSIDE: Self = Self { generation: u64::MAX };

    /// As a number, to be kept where there is no lock.
    pub(crate) const fn generation(self) -> u64 {
        self.generation
    }

    /// From its number.
    pub(crate) const fn of_generation(generation: u64) -> Self {
        Self { generation }
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

    fn opened_at(options: BreakerOptions, ms: u64) -> Breaker {
        let mut breaker = Breaker::new(options);
        for _ in 0..options.failures_max {
            let pass = breaker.pass(at(ms)).expect("it is closed");
            breaker.failed(pass, at(ms));
        }
        breaker
    }

    #[test]
    fn it_opens_after_failures_in_a_row_only() {
        let mut breaker = Breaker::new(OPTIONS);
        let pass = breaker.pass(at(0)).expect("it is closed");
        for _ in 0..10 {
            breaker.failed(pass, at(0));
            breaker.failed(pass, at(0));
            breaker.succeeded(pass);
        }
        assert_eq!((breaker.state(), breaker.opened()), (BreakerState::Closed, 0));
        (0..3).for_each(|_| breaker.failed(pass, at(0)));
        assert_eq!((breaker.state(), breaker.opened()), (BreakerState::Open, 1));
    }

    #[test]
    fn one_call_tries_and_decides() {
        let mut breaker = opened_at(OPTIONS, 0);
        assert!(breaker.pass(at(99)).is_none());
        let probe = breaker.pass(at(100)).expect("the probe");
        assert!(breaker.pass(at(100)).is_none(), "nobody else");
        breaker.failed(probe, at(110));
        assert!(breaker.pass(at(209)).is_none());
        let probe = breaker.pass(at(210)).expect("the next probe");
        breaker.succeeded(probe);
        assert_eq!(breaker.state(), BreakerState::Closed);
        assert!(breaker.pass(at(210)).is_some() && breaker.pass(at(210)).is_some());
        assert_eq!(breaker.opened(), 1);
    }

    #[test]
    fn as_many_try_as_may_and_all_have_to_succeed() {
        let mut breaker = opened_at(OPTIONS.probes_max(2), 0);
        let first = breaker.pass(at(100)).expect("a probe");
        let second = breaker.pass(at(100)).expect("another");
        assert!(breaker.pass(at(100)).is_none());
        breaker.succeeded(first);
        assert_eq!(breaker.state(), BreakerState::HalfOpen);
        assert!(breaker.pass(at(101)).is_none(), "one has succeeded, one is on its way");
        breaker.succeeded(second);
        assert_eq!(breaker.state(), BreakerState::Closed);

        let mut breaker = opened_at(OPTIONS.probes_max(2), 0);
        let first = breaker.pass(at(100)).expect("a probe");
        let second = breaker.pass(at(100)).expect("another");
        breaker.succeeded(first);
        breaker.failed(second, at(100));
        assert_eq!(breaker.state(), BreakerState::Open);
    }

    #[test]
    fn a_probe_that_is_given_up_makes_room_for_another() {
        let mut breaker = opened_at(OPTIONS, 0);
        let probe = breaker.pass(at(100)).expect("the probe");
        breaker.gave_up(probe);
        assert!(breaker.pass(at(101)).is_some() && breaker.pass(at(101)).is_none());
    }

    #[test]
    fn a_probe_that_is_never_heard_of_shuts_nobody_out_for_ever() {
        let mut breaker = opened_at(OPTIONS, 0);
        let lost = breaker.pass(at(100)).expect("the probe");
        assert!(breaker.pass(at(199)).is_none());
        let next = breaker.pass(at(200)).expect("another");
        breaker.failed(lost, at(201));
        breaker.gave_up(lost);
        assert_eq!(breaker.state(), BreakerState::HalfOpen);
        assert!(breaker.pass(at(201)).is_none(), "what is late gives no place back");
        breaker.succeeded(next);
        assert_eq!(breaker.state(), BreakerState::Closed);
    }

    #[test]
    fn an_answer_from_before_it_opened_says_nothing() {
        let mut breaker = Breaker::new(OPTIONS);
        let early = breaker.pass(at(0)).expect("it is closed");
        (0..3).for_each(|_| breaker.failed(early, at(0)));
        breaker.succeeded(early);
        assert_eq!(breaker.state(), BreakerState::Open);
        let probe = breaker.pass(at(100)).expect("the probe");
        breaker.succeeded(early);
        breaker.failed(early, at(100));
        assert_eq!(breaker.state(), BreakerState::HalfOpen);
        breaker.succeeded(probe);
        breaker.failed(early, at(100));
        assert!(breaker.is_clean());
        let mut breaker = opened_at(OPTIONS, 0);
        breaker.close();
        assert_eq!(breaker.state(), BreakerState::Closed);
    }

    #[derive(Clone, Debug)]
    enum Step {
        /// A call begins.
        Begin,
        /// The call that began at this place among those on their way ends.
        End(usize, Ending),
        Time(u64),
    }

    #[derive(Clone, Copy, Debug)]
    enum Ending {
        Success,
        Failure,
        GivenUp,
    }

    fn step() -> impl Strategy<Value = Step> {
        let ending =
            prop_oneof![Just(Ending::Success), Just(Ending::Failure), Just(Ending::GivenUp)];
        prop_oneof![
            3 => Just(Step::Begin),
            3 => (any::<usize>(), ending).prop_map(|(at, ending)| Step::End(at, ending)),
            1 => (0u64..80).prop_map(Step::Time),
        ]
    }

    proptest! {
        /// Calls in any number at once, against what is promised.
        #[test]
        fn few_try_at_once_and_nobody_is_shut_out_for_ever(
            steps in proptest::collection::vec(step(), 1..300),
            probes_max in 1u32..4,
        ) {
            let mut breaker = Breaker::new(OPTIONS.probes_max(probes_max));
            let mut now = 0u64;
            let mut flying: Vec<(Pass, BreakerState)> = Vec::new();
            let mut opened_at = None;
            for step in steps {
                match step {
                    Step::Time(ms) => now += ms,
                    Step::Begin => {
                        let before = breaker.state();
                        let would_pass = breaker.would_pass(at(now));
                        let pass = breaker.pass(at(now));
                        prop_assert_eq!(would_pass, pass.is_some());
                        match before {
                            BreakerState::Closed => prop_assert!(pass.is_some()),
                            BreakerState::Open => {
                                let is_over = opened_at.is_some_and(|opened| opened + 100 <= now);
                                prop_assert_eq!(pass.is_some(), is_over);
                            }
                            BreakerState::HalfOpen => {}
                        }
                        flying.extend(pass.map(|pass| (pass, breaker.state())));
                        let generation = breaker.closed_pass();
                        let probes = flying.iter().filter(|(pass, state)| {
                            *state == BreakerState::HalfOpen && *pass == generation
                        });
                        prop_assert!(probes.count() <= probes_max as usize);
                    }
                    Step::End(at_place, ending) => {
                        if flying.is_empty() {
                            continue;
                        }
                        let (pass, _) = flying.swap_remove(at_place % flying.len());
                        let before = breaker.state();
                        match ending {
                            Ending::Success => breaker.succeeded(pass),
                            Ending::Failure => breaker.failed(pass, at(now)),
                            Ending::GivenUp => breaker.gave_up(pass),
                        }
                        let after = breaker.state();
                        if before != BreakerState::Open && after == BreakerState::Open {
                            opened_at = Some(now);
                        }
                        prop_assert!(before != BreakerState::Open || after == before);
                    }
                }
            }
            // Whatever hangs, somebody tries when the time is over.
            prop_assert!(breaker.pass(at(now + 100)).is_some());
        }
    }
}
