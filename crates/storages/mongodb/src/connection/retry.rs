//! How often and after how long something is tried again.

use std::time::Duration;

const ATTEMPTS_MAX: u32 = 6;
const FIRST: Duration = Duration::from_millis(10);
const LONGEST: Duration = Duration::from_millis(500);

/// How long to wait after `attempts` repetitions, or `None` where there were enough: twice as long
/// each time, up to half a second, of which `random` (0 to 1) takes a part, so that those who
/// failed together do not come back together.
pub(super) fn pause(attempts: u32, random: f64) -> Option<Duration> {
    if attempts >= ATTEMPTS_MAX {
        return None;
    }
    let longest = FIRST.saturating_mul(1 << attempts).min(LONGEST);
    Some(longest.mul_f64(0.5 + random.clamp(0.0, 1.0) / 2.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_up_to_a_bound_and_come_to_an_end() {
        let pauses: Vec<_> = (0..ATTEMPTS_MAX).map(|attempt| pause(attempt, 1.0)).collect();
        assert!(pauses.is_sorted() && pauses.iter().flatten().all(|pause| *pause <= LONGEST));
        assert_eq!(pause(0, 0.0), Some(FIRST / 2));
        assert_eq!(pause(ATTEMPTS_MAX, 0.5), None);
    }
}
