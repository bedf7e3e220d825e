//! Early refresh: loading an entry again before it ends, so that nobody waits for it.

use std::time::Duration;

/// When an entry that is still fresh is loaded again behind its readers.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum EarlyRefresh {
    /// Once this share of its time has passed, above 0 and below 1; 0.8 is a good one.
    AtShare(f64),
    /// At random, the likelier the nearer the end is and the longer loads take: XFetch, from
    /// Vattani, Chierichetti, Lowenstein: *Optimal Probabilistic Cache Stampede Prevention*,
    /// PVLDB 8(8), 2015. A read at `now` refreshes if `now - delta * beta * ln(random) >= end`,
    /// where `delta` is how long loads take in the mean. Processes that share an entry then
    /// refresh it at different times, most often one alone.
    XFetch {
        /// Above 1 refreshes earlier, below 1 later; 1 is the paper's.
        beta: f64,
    },
}

/// A load is not begun early with a chance of less than one in this, so that no read before has
/// to throw the dice.
const CHANCE_MIN: f64 = 1.0 / 1_048_576.0;

impl EarlyRefresh {
    /// What is wrong with it, if anything is.
    pub fn problem(&self) -> Option<&'static str> {
        match *self {
            Self::AtShare(share) => (!(share > 0.0 && share < 1.0))
                .then_some("a share of the TTL must lie between 0 and 1, both left out"),
            Self::XFetch { beta } => (!(beta > 0.0 && beta <= 1000.0))
                .then_some("beta must be above 0, and 1000 at most"),
        }
    }

    /// How long before its end an entry that lives for `ttl` may first be due.
    pub fn lead(&self, ttl: Duration, load_time: Duration) -> Duration {
        match *self {
            Self::AtShare(share) => ttl.saturating_sub(ttl.mul_f64(share.clamp(0.0, 1.0))),
            Self::XFetch { beta } => gap(beta, load_time, CHANCE_MIN).min(ttl),
        }
    }

    /// Whether a read refreshes an entry that lives for `ttl` and ends after `remaining`. `random`
    /// lies above 0 and is 1 at most.
    pub fn is_due(
        &self,
        ttl: Duration,
        remaining: Duration,
        load_time: Duration,
        random: f64,
    ) -> bool {
        match *self {
            Self::AtShare(_) => remaining <= self.lead(ttl, load_time),
            Self::XFetch { beta } => remaining <= gap(beta, load_time, random),
        }
    }
}

/// `delta * beta * -ln(random)`.
fn gap(beta: f64, load_time: Duration, random: f64) -> Duration {
    let factor = beta * -random.clamp(CHANCE_MIN, 1.0).ln();
    Duration::try_from_secs_f64(load_time.as_secs_f64() * factor).unwrap_or(Duration::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_share_is_due_from_its_moment_on() {
        let early = EarlyRefresh::AtShare(0.8);
        let is_due = |remaining| early.is_due(100 * SECOND, remaining, SECOND, 1.0);
        assert!(!is_due(Duration::from_millis(20_001)) && is_due(20 * SECOND));
        assert_eq!(early.lead(100 * SECOND, SECOND), 20 * SECOND);
    }

    #[test]
    fn xfetch_follows_the_formula() {
        let early = EarlyRefresh::XFetch { beta: 1.0 };
        // -ln(0.5) is 0.693.
        let is_due =
            |ms, random| early.is_due(60 * SECOND, Duration::from_millis(ms), SECOND, random);
        assert!(is_due(693, 0.5) && !is_due(694, 0.5));
        assert!(!is_due(1, 1.0) && is_due(0, 1.0), "the end is due whatever the dice say");
        let share = (0..10_000).filter(|at| is_due(1000, f64::from(*at + 1) / 10_000.0)).count();
        assert!((3_600..3_760).contains(&share), "exp(-1) of all reads, not {share}");
    }

    #[test]
    fn impossible_ones_are_named() {
        for share in [0.0, 1.0, f64::NAN] {
            assert!(EarlyRefresh::AtShare(share).problem().is_some());
        }
        for beta in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert!(EarlyRefresh::XFetch { beta }.problem().is_some());
        }
        assert_eq!(EarlyRefresh::XFetch { beta: 1.0 }.problem(), None);
    }

    proptest! {
        #[test]
        fn no_read_before_the_lead_is_due_and_age_makes_none_less_due(
            is_share in any::<bool>(),
            number in 0.01f64..0.99,
            ttl_ms in 1u64..100_000,
            remaining_ms in 0u64..100_000,
            load_ms in 0u64..5_000,
            random in 0.000_001f64..=1.0,
        ) {
            let early = if is_share {
                EarlyRefresh::AtShare(number)
            } else {
                EarlyRefresh::XFetch { beta: number * 4.0 }
            };
            let ms = Duration::from_millis;
            let (ttl, load) = (ms(ttl_ms), ms(load_ms));
            let remaining = ms(remaining_ms.min(ttl_ms));
            if early.is_due(ttl, remaining, load, random) {
                prop_assert!(remaining <= early.lead(ttl, load));
                prop_assert!(early.is_due(ttl, remaining / 2, load, random));
            }
        }
    }
}
