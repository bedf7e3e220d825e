//! Whether and when a call is tried again.

use std::time::Duration;

/// How often a call that failed for a while is tried again, and how long to wait in between.
///
/// The n-th wait is drawn evenly from the upper half of `first · 2ⁿ`, capped at `longest`: half of
/// it is certain, so that a server has time to recover, and half is chance, so that processes that
/// failed together do not come back together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// How often a call is made at most, the first time included; at least once.
    pub attempts_max: u32,
    /// The longest first wait.
    pub first: Duration,
    /// The longest of all waits.
    pub longest: Duration,
}

/// The retries of one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retry {
    policy: RetryPolicy,
    made: u32,
}

impl RetryPolicy {
    /// Six calls, 10 ms to 500 ms apart: about a second in all.
    pub const DEFAULT: Self = Self {
        attempts_max: 6,
        first: Duration::from_millis(10),
        longest: Duration::from_millis(500),
    };

    /// No call is made again.
    pub const NEVER: Self =
        Self { attempts_max: 1, first: Duration::ZERO, longest: Duration::ZERO };

    /// The retries of one call.
    pub fn begin(self) -> Retry {
        Retry { policy: self, made: 0 }
    }
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self::DEFAULT
    }
}

impl Retry {
    /// A call has failed for a while. How long to wait before the next one; `None` if it is not to
    /// be made, because there were enough of them or it would begin after the caller's time.
    ///
    /// `chance` is a random number in `0.0..1.0`, `left` what is left of the caller's time.
    pub fn wait(&mut self, chance: f64, left: Duration) -> Option<Duration> {
        self.made += 1;
        if self.made >= self.policy.attempts_max {
            return None;
        }
        let doubled = 1u32.checked_shl(self.made - 1).unwrap_or(u32::MAX);
        let longest = self.policy.first.saturating_mul(doubled).min(self.policy.longest);
        let wait = longest.mul_f64(0.5 + chance.clamp(0.0, 1.0) / 2.0);
        (wait < left).then_some(wait)
    }

    /// How many calls have failed.
    pub fn failed(&self) -> u32 {
        self.made
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LONG: Duration = Duration::from_secs(3600);

    #[test]
    fn waits_double_up_to_a_cap_and_end() {
        let policy = RetryPolicy {
            attempts_max: 5,
            first: Duration::from_millis(10),
            longest: Duration::from_millis(30),
        };
        let mut retry = policy.begin();
        let waits: Vec<_> = std::iter::from_fn(|| retry.wait(1.0, LONG)).collect();
        assert_eq!(waits, [10, 20, 30, 30].map(Duration::from_millis));
        assert_eq!(retry.failed(), 5);
        let mut retry = policy.begin();
        assert_eq!(retry.wait(0.0, LONG), Some(Duration::from_millis(5)), "half is certain");
        assert_eq!(RetryPolicy::NEVER.begin().wait(0.5, LONG), None);
    }

    #[test]
    fn no_call_begins_after_the_callers_time() {
        let mut retry = RetryPolicy::DEFAULT.begin();
        assert_eq!(retry.wait(1.0, Duration::from_millis(10)), None);
        let mut retry = RetryPolicy::DEFAULT.begin();
        assert!(retry.wait(1.0, Duration::from_millis(11)).is_some());
    }

    proptest! {
        #[test]
        fn every_wait_keeps_to_its_bounds(attempts_max in 0..80u32, first_ms in 0..1_000u64, longest_ms in 0..5_000u64, chance in any::<f64>()) {
            let first = Duration::from_millis(first_ms);
            let longest = Duration::from_millis(longest_ms);
            let mut retry = RetryPolicy { attempts_max, first, longest }.begin();
            let chance = if chance.is_nan() { 0.5 } else { chance };
            let mut waits = 0;
            while let Some(wait) = retry.wait(chance, LONG) {
                prop_assert!(wait <= longest);
                waits += 1;
            }
            prop_assert_eq!(waits, attempts_max.saturating_sub(1));
        }
    }
}
