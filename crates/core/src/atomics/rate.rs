use std::time::Duration;

/// How often something may happen, and how many times at once.
///
/// ```
/// use std::time::Duration;
/// use cache_core::atomics::Rate;
///
/// let rate = Rate::new(100, Duration::from_secs(60)).burst(20);
/// let (first, _) = rate.decide(None, 1_000_000, 1);
/// assert!(first.is_some());
/// ```
///
/// The decision is the *generic cell rate algorithm* in its form of virtual scheduling (ITU-T
/// I.371, annex A; ATM Forum, Traffic Management 4.0, section 4.4.2). With an emission interval
/// `T` (the period by the limit) and a burst of `b`, the theoretical arrival time `TAT` is kept.
/// What costs `n` and comes at `t` conforms if `max(TAT, t) + n * T - b * T <= t`; then
/// `TAT = max(TAT, t) + n * T`. Over any span `s` at most `b + s / T` is let through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Rate {
    limit: u32,
    period: Duration,
    burst: u32,
}

/// What a rate limiter decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct RateDecision {
    /// Whether it may happen.
    pub allowed: bool,
    /// How many more could happen at once now.
    pub remaining: u32,
    /// After how long it is worth another try; zero if it was allowed, `None` if it costs more than
    /// the burst and never will be.
    pub retry_after: Option<Duration>,
    /// After how long the whole burst is there again.
    pub reset_after: Duration,
}

/// The longest time that a whole burst may take to come back: a hundred years. Scripts that count
/// in floating point hold it exactly.
const SPAN_US_MAX: u128 = 100 * 365 * 86_400 * 1_000_000;

impl Rate {
    /// At most `limit` in each `period`, evenly: one at a time, each `period / limit` after the one
    /// before, until [`burst`](Self::burst) says more. The interval is rounded up to a microsecond,
    /// so that the rate is never exceeded.
    pub const fn new(limit: u32, period: Duration) -> Self {
        Self { limit, period, burst: 1 }
    }

    /// At most so many each second, evenly.
    pub const fn per_second(limit: u32) -> Self {
        Self::new(limit, Duration::from_secs(1))
    }

    /// At most so many each minute, evenly.
    pub const fn per_minute(limit: u32) -> Self {
        Self::new(limit, Duration::from_secs(60))
    }

    /// Sets how many may come at once after a pause.
    pub const fn burst(mut self, burst: u32) -> Self {
        self.burst = burst;
        self
    }

    /// What is wrong with it: the option and the problem.
    pub(crate) fn problem(&self) -> Option<(&'static str, &'static str)> {
        if self.limit == 0 {
            return Some(("limit", "must be larger than zero"));
        }
        if self.burst == 0 {
            return Some(("burst", "must be larger than zero"));
        }
        if self.period.as_micros() < u128::from(self.limit) {
            return Some(("limit", "must be at most one in a microsecond"));
        }
        let interval = self.period.as_micros().div_ceil(u128::from(self.limit));
        (interval.saturating_mul(u128::from(self.burst)) > SPAN_US_MAX)
            .then_some(("burst", "must come back within a hundred years"))
    }

    /// Microseconds between two at the steady rate; at least one.
    pub fn interval_us(&self) -> u64 {
        let interval = self.period.as_micros().div_ceil(u128::from(self.limit.max(1)));
        u64::try_from(interval).unwrap_or(u64::MAX).max(1)
    }

    /// How many may come at once.
    pub fn burst_max(&self) -> u32 {
        self.burst
    }

    /// Decides on what costs `cost` and comes at `now_us`, where the last theoretical arrival time
    /// is `arrival_us`. Gives the next one where it changes. A cost of zero only looks.
    pub fn decide(
        &self,
        arrival_us: Option<u64>,
        now_us: u64,
        cost: u32,
    ) -> (Option<u64>, RateDecision) {
        let interval = self.interval_us();
        let tolerance = interval.saturating_mul(u64::from(self.burst));
        let arrival = arrival_us.map_or(now_us, |arrival| arrival.max(now_us));
        let next = arrival.saturating_add(interval.saturating_mul(u64::from(cost)));
        let allowed = next.saturating_sub(now_us) <= tolerance;
        let kept = if allowed { next } else { arrival };
        let used = kept - now_us;
        let remaining = tolerance.saturating_sub(used) / interval;
        let retry_after = if allowed {
            Some(Duration::ZERO)
        } else if cost > self.burst {
            None
        } else {
            Some(Duration::from_micros(next.saturating_sub(now_us) - tolerance))
        };
        let decision = RateDecision {
            allowed,
            remaining: u32::try_from(remaining).unwrap_or(u32::MAX),
            retry_after,
            reset_after: Duration::from_micros(used),
        };
        ((allowed && cost > 0).then_some(next), decision)
    }
}

impl RateDecision {
    /// A decision as a storage's own script made it.
    pub fn new(
        allowed: bool,
        remaining: u32,
        retry_after: Option<Duration>,
        reset_after: Duration,
    ) -> Self {
        Self { allowed, remaining, retry_after, reset_after }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_burst_comes_at_once_and_then_one_each_interval() {
        let rate = Rate::per_second(10).burst(3);
        let (mut arrival, now) = (None, 5_000_000);
        for left in [2, 1, 0] {
            let (next, decision) = rate.decide(arrival, now, 1);
            assert!(decision.allowed);
            assert_eq!((decision.remaining, decision.retry_after), (left, Some(Duration::ZERO)));
            arrival = next;
        }
        let (next, decision) = rate.decide(arrival, now, 1);
        assert_eq!((next, decision.allowed, decision.remaining), (None, false, 0));
        assert_eq!(decision.retry_after, Some(Duration::from_millis(100)));
        assert_eq!(decision.reset_after, Duration::from_millis(300));
        assert!(!rate.decide(arrival, now + 99_999, 1).1.allowed);
        assert!(rate.decide(arrival, now + 100_000, 1).1.allowed);
    }

    #[test]
    fn what_costs_more_than_the_burst_never_comes_and_nothing_only_looks() {
        let rate = Rate::per_second(10).burst(3);
        let (next, decision) = rate.decide(None, 0, 4);
        assert_eq!((next, decision.allowed, decision.retry_after), (None, false, None));
        let (next, decision) = rate.decide(None, 0, 0);
        assert_eq!((next, decision.allowed, decision.remaining), (None, true, 3));
    }

    #[test]
    fn what_is_wrong_is_named() {
        assert_eq!(Rate::per_second(0).problem().unwrap().0, "limit");
        assert_eq!(Rate::per_second(1).burst(0).problem().unwrap().0, "burst");
        assert_eq!(Rate::per_second(1_000_001).problem().unwrap().0, "limit");
        let day = Rate::new(1, Duration::from_secs(86_400));
        assert_eq!(day.burst(u32::MAX).problem().unwrap().0, "burst");
        assert_eq!(day.burst(365).problem(), None);
    }

    /// A bucket of `burst` tokens in units of a microsecond's share, filled all the time: the leaky
    /// bucket that the algorithm is equal to.
    struct Bucket {
        filled: u64,
        at: u64,
    }

    proptest! {
        #[test]
        fn decides_as_a_bucket_of_tokens_does(
            limit in 1_u32..2000,
            burst in 1_u32..20,
            steps in prop::collection::vec((0_u64..2_000_000, 0_u32..5), 1..200),
        ) {
            let rate = Rate::per_second(limit).burst(burst);
            let interval = rate.interval_us();
            let full = interval * u64::from(burst);
            let mut now = 1_000_000_000;
            let (mut arrival, mut bucket) = (None, Bucket { filled: full, at: now });
            let mut let_through: Vec<(u64, u64)> = Vec::new();
            for (pause, cost) in steps {
                now += pause;
                bucket.filled = (bucket.filled + (now - bucket.at)).min(full);
                bucket.at = now;
                let needed = interval * u64::from(cost);
                let expected = needed <= bucket.filled;
                let (next, decision) = rate.decide(arrival, now, cost);
                prop_assert_eq!(decision.allowed, expected);
                if expected {
                    bucket.filled -= needed;
                    let_through.push((now, u64::from(cost)));
                } else if let Some(after) = decision.retry_after {
                    let after = u64::try_from(after.as_micros()).unwrap();
                    prop_assert!(rate.decide(arrival, now + after, cost).1.allowed);
                    prop_assert!(!rate.decide(arrival, now + after - 1, cost).1.allowed);
                }
                arrival = next.or(arrival);
                prop_assert_eq!(u64::from(decision.remaining), bucket.filled / interval);
                let reset = u64::try_from(decision.reset_after.as_micros()).unwrap();
                prop_assert_eq!(reset, full - bucket.filled);
            }
            for (at, (from, _)) in let_through.iter().enumerate() {
                let mut sum = 0;
                for (to, cost) in &let_through[at..] {
                    sum += cost;
                    prop_assert!(sum <= u64::from(burst) + (to - from) / interval + 1);
                }
            }
        }
    }
}
