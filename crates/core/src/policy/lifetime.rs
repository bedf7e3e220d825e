//! How long an entry lives in a tier: of all that has a say, the shortest.

use std::time::Duration;

use super::jitter;

/// What has a say in an entry's life in one tier.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Lifetime {
    /// The tier's own TTL.
    pub tier_ttl: Option<Duration>,
    /// The tier's sliding expiry.
    pub idle: Option<Duration>,
    /// What the source or the caller asked for.
    pub asked_ttl: Option<Duration>,
    /// What remains of the entry that this is a copy of.
    pub remaining: Option<Duration>,
    /// For how long past its freshness it may be served in bad times.
    pub stale: Option<Duration>,
    /// For how long the entry that this is a copy of is kept.
    pub remaining_kept: Option<Duration>,
    /// By which share a TTL may be shortened at random.
    pub jitter: f64,
}

/// For how long an entry is fresh, and for how long it is kept whatever happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spans {
    /// Fresh for this long if it is not used; `None`: no end.
    pub fresh: Option<Duration>,
    /// Kept for this long at most; `None`: no end. Where the entry slides, use renews its freshness
    /// up to this end; otherwise what lies between the two is served in bad times alone.
    pub kept: Option<Duration>,
}

impl Lifetime {
    /// The spans from now. `random` lies between 0 and 1.
    ///
    /// TTLs are shortened by jitter; what remains of an original is a bound and is not, for
    /// otherwise a copy of a copy would be shortened again and again.
    pub fn spans(&self, random: f64) -> Spans {
        let ttl = shortest([self.tier_ttl, self.asked_ttl])
            .map(|ttl| jitter::shorten(ttl, self.jitter, random));
        let ends = shortest([ttl, self.remaining]);
        if self.idle.is_some() {
            // Its stale time is what use would have made fresh.
            let kept = shortest([ends, self.remaining_kept]);
            return Spans { fresh: shortest([kept, self.idle]), kept };
        }
        let kept = ends.map(|ends| ends.saturating_add(self.stale.unwrap_or_default()));
        let kept = shortest([kept, self.remaining_kept]);
        Spans { fresh: shortest([ends, kept]), kept }
    }
}

fn shortest<const N: usize>(spans: [Option<Duration>; N]) -> Option<Duration> {
    spans.into_iter().flatten().min()
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn seconds(seconds: u64) -> Option<Duration> {
        Some(Duration::from_secs(seconds))
    }

    #[test]
    fn the_shortest_say_holds() {
        let life = Lifetime { tier_ttl: seconds(30), ..Lifetime::default() };
        assert_eq!(life.spans(0.0).kept, seconds(30));
        assert_eq!(Lifetime { asked_ttl: seconds(10), ..life }.spans(0.0).kept, seconds(10));
        assert_eq!(Lifetime { asked_ttl: seconds(60), ..life }.spans(0.0).kept, seconds(30));
        assert_eq!(Lifetime { remaining: seconds(5), ..life }.spans(0.0).kept, seconds(5));
        assert_eq!(Lifetime::default().spans(0.0), Spans { fresh: None, kept: None });
    }

    #[test]
    fn a_copy_never_outlives_its_original_whatever_the_jitter() {
        for random in [0.0, 0.3, 1.0] {
            let life = Lifetime {
                tier_ttl: seconds(100),
                remaining: seconds(40),
                jitter: 0.5,
                ..Lifetime::default()
            };
            assert!(life.spans(random).kept <= seconds(40));
        }
    }

    #[test]
    fn stale_time_is_added_to_freshness_and_is_no_longer_than_that_of_the_original() {
        let life = Lifetime { tier_ttl: seconds(30), stale: seconds(60), ..Lifetime::default() };
        assert_eq!(life.spans(0.0), Spans { fresh: seconds(30), kept: seconds(90) });
        let copy = Lifetime { remaining: seconds(5), remaining_kept: seconds(45), ..life };
        assert_eq!(copy.spans(0.0), Spans { fresh: seconds(5), kept: seconds(45) });
        let original = Lifetime { remaining_kept: seconds(3), ..copy };
        assert_eq!(original.spans(0.0), Spans { fresh: seconds(3), kept: seconds(3) });
        let endless = Lifetime { stale: seconds(60), ..Lifetime::default() };
        assert_eq!(endless.spans(0.0), Spans { fresh: None, kept: None });
    }

    #[test]
    fn what_slides_is_not_kept_longer_than_its_ttl() {
        let life = Lifetime {
            tier_ttl: seconds(60),
            idle: seconds(10),
            stale: seconds(100),
            ..Lifetime::default()
        };
        assert_eq!(life.spans(0.0), Spans { fresh: seconds(10), kept: seconds(60) });
    }

    #[test]
    fn idle_time_ends_freshness_and_the_ttl_ends_all() {
        let life = Lifetime { tier_ttl: seconds(60), idle: seconds(10), ..Lifetime::default() };
        assert_eq!(life.spans(0.0), Spans { fresh: seconds(10), kept: seconds(60) });
        let short = Lifetime { tier_ttl: seconds(5), idle: seconds(10), ..Lifetime::default() };
        assert_eq!(short.spans(0.0), Spans { fresh: seconds(5), kept: seconds(5) });
    }
}
