//! Jitter: TTLs that end together would send their loads together; each is shortened at random.

use std::time::Duration;

/// Shortens `ttl` by `share` of itself times `random`; both lie between 0 and 1. Never lengthens.
pub fn shorten(ttl: Duration, share: f64, random: f64) -> Duration {
    let kept = 1.0 - share.clamp(0.0, 1.0) * random.clamp(0.0, 1.0);
    ttl.mul_f64(kept).min(ttl)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jitter_only_shortens() {
        let ttl = Duration::from_secs(100);
        assert_eq!(shorten(ttl, 0.0, 1.0), ttl);
        assert_eq!(shorten(ttl, 0.2, 0.0), ttl);
        assert_eq!(shorten(ttl, 0.2, 1.0), Duration::from_secs(80));
        assert_eq!(shorten(ttl, 0.2, 0.5), Duration::from_secs(90));
        for odd in [-1.0, 2.0] {
            assert!(shorten(ttl, odd, odd) <= ttl);
        }
    }
}
