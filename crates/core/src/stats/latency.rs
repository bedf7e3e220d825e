//! Latencies in buckets: eight of one width for each power of two of nanoseconds, so that whatever
//! is read back is off by less than an eighth. One that was never recorded to takes no room.

use std::fmt;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Each power of two is cut into two to the power of this.
const PRECISION_BITS: u32 = 3;
const PER_POWER: usize = 1 << PRECISION_BITS;
/// Longer ones, of 69 seconds and more, are counted in the last bucket.
const POWERS: u32 = 36;
const BUCKETS: usize = (POWERS - PRECISION_BITS + 1) as usize * PER_POWER;

/// Counts how long something took: three relaxed additions each.
#[derive(Default)]
pub(crate) struct LatencyRecorder {
    kept: OnceLock<Box<Kept>>,
}

struct Kept {
    buckets: [AtomicU64; BUCKETS],
    sum_ns: AtomicU64,
    max_ns: AtomicU64,
}

/// How long something took, as often as it was done.
///
/// Kept in buckets of which none is wider than an eighth of where it begins; the sum and the
/// longest are exact. Longer than a minute is as long as a minute to the quantiles.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Latency {
    /// The buckets that hold something, with their places, in order.
    buckets: Vec<(usize, u64)>,
    sum_ns: u64,
    max_ns: u64,
}

/// One bucket of a [`Latency`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LatencyBucket {
    /// The shortest time that it holds.
    pub from: Duration,
    /// The time at which the next one begins.
    pub to: Duration,
    /// How many it holds.
    pub count: u64,
}

/// The bucket of a time.
fn bucket_of(nanoseconds: u64) -> usize {
    let Some(power) = nanoseconds.checked_ilog2().filter(|power| *power >= PRECISION_BITS) else {
        return nanoseconds as usize;
    };
    if power >= POWERS {
        return BUCKETS - 1;
    }
    let shift = power - PRECISION_BITS;
    let within = (nanoseconds >> shift) as usize - PER_POWER;
    (shift as usize + 1) * PER_POWER + within
}

/// Where a bucket begins.
fn begin_of(bucket: usize) -> u64 {
    if bucket < PER_POWER {
        return bucket as u64;
    }
    let shift = bucket / PER_POWER - 1;
    ((bucket % PER_POWER + PER_POWER) as u64) << shift
}

impl LatencyRecorder {
    pub(crate) fn record(&self, latency: Duration) {
        let nanoseconds = u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX);
        let kept = self.kept.get_or_init(Kept::new);
        kept.buckets[bucket_of(nanoseconds)].fetch_add(1, Ordering::Relaxed);
        kept.sum_ns.fetch_add(nanoseconds, Ordering::Relaxed);
        if kept.max_ns.load(Ordering::Relaxed) < nanoseconds {
            kept.max_ns.fetch_max(nanoseconds, Ordering::Relaxed);
        }
    }

    pub(crate) fn snapshot(&self) -> Latency {
        let Some(kept) = self.kept.get() else { return Latency::default() };
        let counts = kept.buckets.iter().map(|bucket| bucket.load(Ordering::Relaxed));
        Latency {
            buckets: counts.enumerate().filter(|(_, count)| *count > 0).collect(),
            sum_ns: kept.sum_ns.load(Ordering::Relaxed),
            max_ns: kept.max_ns.load(Ordering::Relaxed),
        }
    }
}

impl Kept {
    fn new() -> Box<Self> {
        Box::new(Self {
            buckets: [const { AtomicU64::new(0) }; BUCKETS],
            sum_ns: AtomicU64::new(0),
            max_ns: AtomicU64::new(0),
        })
    }
}

impl Latency {
    /// How often it was done.
    pub fn count(&self) -> u64 {
        self.buckets.iter().map(|(_, count)| count).sum()
    }

    /// How long it took, all together.
    pub fn sum(&self) -> Duration {
        Duration::from_nanos(self.sum_ns)
    }

    /// The longest.
    pub fn max(&self) -> Duration {
        Duration::from_nanos(self.max_ns)
    }

    /// The mean; zero if it was never done.
    pub fn mean(&self) -> Duration {
        Duration::from_nanos(self.sum_ns / self.count().max(1))
    }

    /// The time that this part of all, between 0 and 1, took at most: the end of the bucket that
    /// it lies in, never more than [`max`](Self::max). Zero if it was never done.
    ///
    /// ```
    /// # use cache_core::stats::Latency;
    /// assert_eq!(Latency::default().quantile(0.99), std::time::Duration::ZERO);
    /// ```
    pub fn quantile(&self, part: f64) -> Duration {
        let count = self.count();
        // A part that is no number counts as 0.
        let rank = ((count as f64 * part.clamp(0.0, 1.0)).ceil() as u64).clamp(1, count.max(1));
        let mut passed = 0;
        for (bucket, count) in &self.buckets {
            passed += count;
            if passed >= rank {
                let end = if *bucket + 1 < BUCKETS { begin_of(bucket + 1) } else { u64::MAX };
                return Duration::from_nanos(end.min(self.max_ns));
            }
        }
        Duration::ZERO
    }

    /// The buckets that hold something, the shortest times first.
    pub fn buckets(&self) -> impl Iterator<Item = LatencyBucket> + '_ {
        self.buckets.iter().map(|(bucket, count)| LatencyBucket {
            from: Duration::from_nanos(begin_of(*bucket)),
            to: Duration::from_nanos(begin_of(bucket + 1)),
            count: *count,
        })
    }

    /// What was recorded since `earlier`, a snapshot of the same recorder: the middle of each
    /// bucket in seconds, with how many came to it.
    #[cfg(feature = "metrics")]
    pub(crate) fn since<'a>(&'a self, earlier: &'a Self) -> impl Iterator<Item = (f64, u64)> + 'a {
        self.buckets.iter().filter_map(|(bucket, count)| {
            let known = earlier.buckets.binary_search_by_key(bucket, |(place, _)| *place);
            let before = known.map_or(0, |at| earlier.buckets[at].1);
            let middle = (begin_of(*bucket) + begin_of(bucket + 1)) as f64 / 2.0;
            let new = count.saturating_sub(before);
            (new > 0).then_some((middle / 1e9, new))
        })
    }
}

impl fmt::Debug for Latency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Latency")
            .field("count", &self.count())
            .field("mean", &self.mean())
            .field("p50", &self.quantile(0.5))
            .field("p99", &self.quantile(0.99))
            .field("max", &self.max())
            .finish()
    }
}

impl fmt::Debug for LatencyRecorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.snapshot().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn buckets_meet_without_a_gap_and_are_narrow() {
        for bucket in 0..BUCKETS {
            let (begin, end) = (begin_of(bucket), begin_of(bucket + 1));
            assert_eq!(bucket_of(begin), bucket, "{begin} begins a bucket");
            assert_eq!(bucket_of(end - 1), bucket, "{end} ends it");
            assert!(end - begin <= (begin / 8).max(1), "from {begin} to {end}");
        }
        assert_eq!(bucket_of(u64::MAX), BUCKETS - 1);
        assert!(begin_of(BUCKETS) > 60_000_000_000, "a minute has a bucket");
    }

    #[test]
    fn what_was_never_recorded_takes_no_room_and_is_zero() {
        let recorder = LatencyRecorder::default();
        let latency = recorder.snapshot();
        assert!(recorder.kept.get().is_none());
        assert_eq!(
            (latency.count(), latency.mean(), latency.max()),
            (0, Duration::ZERO, Duration::ZERO)
        );
        assert_eq!(latency.quantile(0.5), Duration::ZERO);
        assert_eq!(latency.buckets().count(), 0);
    }

    #[test]
    fn nothing_is_lost_between_threads() {
        let recorder = LatencyRecorder::default();
        std::thread::scope(|scope| {
            for thread in 0..8 {
                let recorder = &recorder;
                scope.spawn(move || {
                    for step in 0..1000 {
                        recorder.record(Duration::from_nanos(thread * 1000 + step));
                    }
                });
            }
        });
        let latency = recorder.snapshot();
        assert_eq!(latency.count(), 8000);
        assert_eq!(latency.sum(), Duration::from_nanos((0..8000).sum()));
        assert_eq!(latency.max(), Duration::from_nanos(7999));
    }

    proptest! {
        #[test]
        fn quantiles_are_those_of_the_sorted_times(
            mut times in prop::collection::vec(0_u64..60_000_000_000, 1..200),
            part in 0.0_f64..=1.0,
        ) {
            let recorder = LatencyRecorder::default();
            times.iter().for_each(|time| recorder.record(Duration::from_nanos(*time)));
            let latency = recorder.snapshot();
            times.sort_unstable();
            let rank = ((times.len() as f64 * part).ceil() as usize).clamp(1, times.len());
            let exact = times[rank - 1];
            let found = latency.quantile(part).as_nanos() as u64;
            prop_assert!(found >= exact && found - exact <= exact / 8 + 1, "{found} for {exact}");
            prop_assert_eq!(latency.count(), times.len() as u64);
            prop_assert_eq!(latency.sum(), Duration::from_nanos(times.iter().sum()));
            let counted: u64 = latency.buckets().map(|bucket| bucket.count).sum();
            prop_assert_eq!(counted, latency.count());
        }
    }
}
