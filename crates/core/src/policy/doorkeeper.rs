//! The doorkeeper of TinyLFU (Einziger, Friedman, Manes: *TinyLFU: A Highly Efficient Cache
//! Admission Policy*, 2017, section 3.4.2): a Bloom filter that keeps first-timers out of a cache.

use std::sync::atomic::{AtomicU64, Ordering};

use fastbloom::AtomicBloomFilter;
use parking_lot::RwLock;

/// How large a doorkeeper is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DoorkeeperOptions {
    /// After this many first-timers it forgets all of them.
    pub size: u64,
    /// The share of first-timers that it takes for known when full, between 0 and 1.
    pub false_positive_rate: f64,
}

/// Lets a key pass from the second time on. Shared by all readers.
#[derive(Debug)]
pub struct Doorkeeper {
    filter: RwLock<AtomicBloomFilter<foldhash::fast::RandomState>>,
    seen: AtomicU64,
    options: DoorkeeperOptions,
}

impl DoorkeeperOptions {
    /// A doorkeeper for `size` keys.
    pub const fn new(size: u64, false_positive_rate: f64) -> Self {
        Self { size, false_positive_rate }
    }

    /// What is wrong with the options, if anything is.
    pub fn problem(&self) -> Option<&'static str> {
        const SIZE_MAX: u64 = 1 << 32;
        if self.size == 0 || self.size > SIZE_MAX {
            return Some("a doorkeeper's size must lie between 1 and 2^32");
        }
        let rate = self.false_positive_rate;
        (!(rate > 0.0 && rate < 1.0))
            .then_some("a doorkeeper's false positive rate must lie between 0 and 1")
    }
}

impl Doorkeeper {
    /// A doorkeeper that has seen nobody. The options must have no [problem](DoorkeeperOptions::problem).
    pub fn new(options: DoorkeeperOptions) -> Self {
        Self { filter: RwLock::new(empty(options)), seen: AtomicU64::new(0), options }
    }

    /// Whether the key has been here since the last reset; remembers it if not.
    pub fn admits(&self, key_digest: u64) -> bool {
        let known = self.filter.read().insert(&key_digest);
        if !known && self.seen.fetch_add(1, Ordering::Relaxed) + 1 >= self.options.size {
            let mut filter = self.filter.write();
            // Whoever comes second to the lock finds the count reset already.
            if self.seen.load(Ordering::Relaxed) >= self.options.size {
                *filter = empty(self.options);
                self.seen.store(0, Ordering::Relaxed);
            }
        }
        known
    }
}

fn empty(options: DoorkeeperOptions) -> AtomicBloomFilter<foldhash::fast::RandomState> {
    AtomicBloomFilter::with_false_pos(options.false_positive_rate)
        .hasher(foldhash::fast::RandomState::default())
        .expected_items(usize::try_from(options.size).unwrap_or(usize::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_passes_from_the_second_time_on() {
        let doorkeeper = Doorkeeper::new(DoorkeeperOptions::new(1000, 0.001));
        assert!(!doorkeeper.admits(7));
        assert!(doorkeeper.admits(7));
        assert!(doorkeeper.admits(7));
    }

    #[test]
    fn it_forgets_after_its_size() {
        let doorkeeper = Doorkeeper::new(DoorkeeperOptions::new(10, 1e-9));
        for key in 0..10 {
            assert!(!doorkeeper.admits(key));
        }
        assert!(!doorkeeper.admits(0), "the tenth first-timer empties it");
    }

    #[test]
    fn few_first_timers_are_taken_for_known() {
        let doorkeeper = Doorkeeper::new(DoorkeeperOptions::new(10_000, 0.01));
        let passed = (0..9_999u64).filter(|key| doorkeeper.admits(*key)).count();
        assert!(passed < 200, "{passed} of 9,999 passed at their first time");
    }

    #[test]
    fn impossible_options_are_named() {
        for (size, rate) in [(0, 0.1), (10, 0.0), (10, 1.0), (10, f64::NAN)] {
            assert!(DoorkeeperOptions::new(size, rate).problem().is_some());
        }
    }
}
