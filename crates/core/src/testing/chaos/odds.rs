use std::time::Duration;

/// How likely each fault is, from 0 to 1, for each call, or each key of a batch.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ChaosOdds {
    /// A call takes its time.
    pub latencies: f64,
    /// How long at most.
    pub latency_max: Duration,
    /// A call fails, and changes nothing.
    pub errors: f64,
    /// A call is carried out, and fails.
    pub lost_answers: f64,
    /// A call hangs: as often before as after it was carried out.
    pub hangs: f64,
    /// A key of a batch fails, and is not written.
    pub failed_keys: f64,
    /// The answers to a batch are too few.
    pub short_batches: f64,
    /// An entry comes out torn, or with a flipped bit.
    pub damages: f64,
    /// An entry comes out that was stored under another key.
    pub foreigners: f64,
}

impl ChaosOdds {
    /// Nothing goes wrong.
    pub const NONE: Self = Self {
        latencies: 0.0,
        latency_max: Duration::ZERO,
        errors: 0.0,
        lost_answers: 0.0,
        hangs: 0.0,
        failed_keys: 0.0,
        short_batches: 0.0,
        damages: 0.0,
        foreigners: 0.0,
    };

    /// Each fault is as likely as `odds`.
    pub const fn all(odds: f64, latency_max: Duration) -> Self {
        Self {
            latencies: odds,
            latency_max,
            errors: odds,
            lost_answers: odds,
            hangs: odds,
            failed_keys: odds,
            short_batches: odds,
            damages: odds,
            foreigners: odds,
        }
    }
}
