//! How long to wait before a call is made again.

use std::time::Duration;

use tokio::time::Sleep;

/// Pauses that double, are capped, and are never the same for two callers.
#[derive(Debug)]
pub(super) struct Backoff {
    tried: u32,
}

const FIRST: Duration = Duration::from_millis(20);
const LONGEST: Duration = Duration::from_millis(500);
/// Further attempts after the first. A server that is down is to be told soon: the source waits.
const ATTEMPTS: u32 = 4;

impl Backoff {
    pub(super) fn new() -> Self {
        Self { tried: 0 }
    }

    /// The pause before the next attempt, a future; `None` once there were enough.
    pub(super) fn next(&mut self) -> Option<Sleep> {
        let longest = longest(self.tried)?;
        self.tried += 1;
        Some(tokio::time::sleep(longest.mul_f64(0.5 + fastrand::f64() / 2.0)))
    }
}

/// The longest pause after so many attempts.
fn longest(tried: u32) -> Option<Duration> {
    (tried < ATTEMPTS).then(|| FIRST.saturating_mul(1 << tried.min(16)).min(LONGEST))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_and_come_to_an_end() {
        let pauses: Vec<_> = (0..).map_while(longest).map(|pause| pause.as_millis()).collect();
        assert_eq!(pauses, [20, 40, 80, 160]);
        assert_eq!(longest(u32::MAX), None);
    }
}
