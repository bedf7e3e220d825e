use std::collections::VecDeque;
use std::time::Duration;

use cache_core::clock::Tick;

use crate::venue::{Allowance, UsedWeight};

/// What calls have weighed in the last span of an [`Allowance`]. Pure: time is passed in.
#[derive(Debug)]
pub(super) struct Spent {
    allowance: Option<Allowance>,
    calls: VecDeque<(Tick, u32)>,
    weight: u64,
}

impl Spent {
    pub(super) fn new(allowance: Option<Allowance>) -> Self {
        Self { allowance, calls: VecDeque::new(), weight: 0 }
    }

    /// Takes `weight` at `now`, or tells how long it takes until it may be taken. A call that alone
    /// weighs more than is allowed waits until nothing else is in the span.
    pub(super) fn take(&mut self, weight: u32, now: Tick) -> Result<(), Duration> {
        let Some(Allowance { weight_max, per }) = self.allowance else { return Ok(()) };
        self.pass_by(now, per);
        let room = u64::from(weight_max).saturating_sub(u64::from(weight));
        if self.weight <= room || self.calls.is_empty() {
            self.calls.push_back((now, weight));
            self.weight += u64::from(weight);
            return Ok(());
        }
        let mut left = self.weight;
        let mut wait = per;
        for (at, weight) in &self.calls {
            left -= u64::from(*weight);
            wait = per.saturating_sub(now.since(*at));
            if left <= room {
                break;
            }
        }
        // Never zero, so that whoever waits comes back later.
        Err(wait.max(Duration::from_millis(1)))
    }

    /// The venue says how much is used. What goes beyond the calls that were made here was used by
    /// others, at the latest when it said so.
    pub(super) fn hear(&mut self, used: UsedWeight, now: Tick) {
        let Some(Allowance { per, .. }) = self.allowance else { return };
        self.pass_by(now, per);
        let others = u64::from(used.weight).saturating_sub(self.weight);
        let said = now.before(used.age);
        if others == 0 || now.since(said) >= per {
            return;
        }
        let place = self.calls.partition_point(|(at, _)| *at <= said);
        // No more than was said.
        self.calls.insert(place, (said, u32::try_from(others).unwrap_or(u32::MAX)));
        self.weight += others;
    }

    /// Forgets what lies before the span that ends now.
    fn pass_by(&mut self, now: Tick, per: Duration) {
        while self.calls.front().is_some_and(|(at, _)| now.since(*at) >= per) {
            if let Some((_, gone)) = self.calls.pop_front() {
                self.weight -= u64::from(gone);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn spent(weight_max: u32, per_ms: u64) -> Spent {
        Spent::new(Some(Allowance { weight_max, per: Duration::from_millis(per_ms) }))
    }

    #[test]
    fn a_call_too_heavy_for_the_allowance_goes_alone() {
        let mut spent = spent(10, 1_000);
        assert_eq!(spent.take(99, Tick::from_ms(0)), Ok(()));
        assert_eq!(spent.take(1, Tick::from_ms(400)), Err(Duration::from_millis(600)));
        assert_eq!(spent.take(1, Tick::from_ms(1_000)), Ok(()));
        assert_eq!(spent.take(99, Tick::from_ms(1_500)), Err(Duration::from_millis(500)));
        let mut free = Spent::new(None);
        assert!((0..1_000).all(|_| free.take(1_000, Tick::from_ms(0)).is_ok()));
    }

    #[test]
    fn what_others_have_used_is_counted_once_and_for_as_long_as_ones_own() {
        let mut spent = spent(10, 1_000);
        let at = Tick::from_ms;
        let used = |weight, age_ms| UsedWeight::new(weight, Duration::from_millis(age_ms));
        assert_eq!(spent.take(2, at(100)), Ok(()));
        spent.hear(used(2, 0), at(150));
        assert_eq!(spent.take(2, at(200)), Ok(()), "its own");
        spent.hear(used(9, 0), at(300));
        spent.hear(used(9, 20), at(320));
        assert_eq!(
            spent.take(2, at(400)),
            Err(Duration::from_millis(700)),
            "until the first has gone"
        );
        assert_eq!(spent.take(1, at(400)), Ok(()));
        // What was said long ago says nothing any more.
        spent.hear(used(10, 1_000), at(1_350));
        assert_eq!(spent.take(9, at(1_350)), Ok(()));
        spent.hear(used(u32::MAX, 0), at(1_360));
        assert_eq!(spent.take(1, at(2_000)), Err(Duration::from_millis(360)));
        assert_eq!(spent.take(1, at(2_360)), Ok(()));
        let mut free = Spent::new(None);
        free.hear(used(u32::MAX, 0), at(0));
        assert_eq!(free.take(1, at(0)), Ok(()));
    }

    proptest! {
        /// In any span the weights add up to what is allowed at most, and nobody waits longer than
        /// need be.
        #[test]
        fn no_span_weighs_more_than_is_allowed(
            calls in proptest::collection::vec((1u32..=10, 0u64..300), 1..60),
        ) {
            let (mut spent, mut now) = (spent(10, 1_000), 0);
            let mut taken: Vec<(u64, u32)> = Vec::new();
            for (weight, pause) in calls {
                now += pause;
                let fits = |at: u64| {
                    let within = taken.iter().filter(|(then, _)| at - then < 1_000);
                    within.map(|(_, weight)| weight).sum::<u32>() + weight <= 10
                };
                match spent.take(weight, Tick::from_ms(now)) {
                    Ok(()) => prop_assert!(fits(now)),
                    Err(wait) => {
                        prop_assert!(!fits(now));
                        let wait = wait.as_millis() as u64;
                        prop_assert!(fits(now + wait) && !fits(now + wait - 1));
                        now += wait;
                        prop_assert_eq!(spent.take(weight, Tick::from_ms(now)), Ok(()));
                    }
                }
                taken.push((now, weight));
            }
        }
    }
}
