//! Latencies of single calls.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use hdrhistogram::Histogram;

/// Latencies, exact to a thousandth.
#[derive(Debug, Clone)]
pub(crate) struct Latencies {
    nanoseconds: Histogram<u64>,
}

/// A minute. What takes longer is taken for that.
const LONGEST_NS: u64 = 60_000_000_000;

impl Latencies {
    pub(crate) fn new() -> anyhow::Result<Self> {
        let nanoseconds = Histogram::new_with_max(LONGEST_NS, 3).context("a histogram")?;
        Ok(Self { nanoseconds })
    }

    pub(crate) fn add(&mut self, latency: Duration) {
        self.nanoseconds.saturating_record(u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX));
    }

    /// Adds what a call took, which began at `begun` and ends now.
    pub(crate) fn add_since(&mut self, begun: Instant) {
        self.add(begun.elapsed());
    }

    /// The latency that this share of calls does not pass, in nanoseconds.
    pub(crate) fn quantile_ns(&self, share: f64) -> f64 {
        self.nanoseconds.value_at_quantile(share) as f64
    }

    pub(crate) fn longest_ns(&self) -> f64 {
        self.nanoseconds.max() as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantile_is_passed_by_the_rest() {
        let mut latencies = Latencies::new().unwrap();
        for milliseconds in 1..=100 {
            latencies.add(Duration::from_millis(milliseconds));
        }
        let near = |figure: f64, ms: f64| (figure / 1e6 - ms).abs() < ms / 500.0;
        assert!(near(latencies.quantile_ns(0.99), 99.0), "{}", latencies.quantile_ns(0.99));
        assert!(near(latencies.longest_ns(), 100.0), "{}", latencies.longest_ns());
    }
}
