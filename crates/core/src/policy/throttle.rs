//! Leaving a source alone that has just failed: for each key a time before which it is not asked
//! again.

use std::collections::HashMap;

use crate::clock::Tick;

/// Failed loads of the last while, by key digest. Bounded: what does not fit is not held back, so
/// that the source is asked once more than it should be and nothing else.
#[derive(Debug)]
pub struct Throttle {
    held: HashMap<u64, Held, foldhash::fast::RandomState>,
    keys_max: usize,
}

#[derive(Clone, Copy, Debug)]
struct Held {
    until: Tick,
    stamp: u64,
}

impl Throttle {
    /// A throttle that holds back up to `keys_max` keys at once.
    pub fn new(keys_max: usize) -> Self {
        Self { held: HashMap::default(), keys_max }
    }

    /// A load failed that had begun under `stamp`: hold the key back until `until`.
    pub fn failed(&mut self, key_digest: u64, stamp: u64, now: Tick, until: Tick) {
        if self.held.len() >= self.keys_max && !self.held.contains_key(&key_digest) {
            self.held.retain(|_, held| now < held.until);
            if self.held.len() >= self.keys_max {
                return;
            }
        }
        self.held.insert(key_digest, Held { until, stamp });
    }

    /// A load succeeded.
    pub fn succeeded(&mut self, key_digest: u64) {
        if !self.held.is_empty() {
            self.held.remove(&key_digest);
        }
    }

    /// Until when the key is held back, if it is at `now`. Something that was invalidated since
    /// the failed load began ends it: `mark` is the highest that applies to the key.
    pub fn until(&self, key_digest: u64, mark: u64, now: Tick) -> Option<Tick> {
        let held = self.held.get(&key_digest)?;
        (now < held.until && mark <= held.stamp).then_some(held.until)
    }

    /// How many keys it remembers.
    pub fn len(&self) -> usize {
        self.held.len()
    }

    /// Whether it remembers none.
    pub fn is_empty(&self) -> bool {
        self.held.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const fn at(ms: u64) -> Tick {
        Tick::from_ms(ms)
    }

    #[test]
    fn a_key_is_held_back_for_its_time_and_no_other_is() {
        let mut throttle = Throttle::new(8);
        throttle.failed(1, 5, at(100), at(200));
        assert_eq!(throttle.until(1, 0, at(199)), Some(at(200)));
        assert_eq!(throttle.until(1, 0, at(200)), None);
        assert_eq!(throttle.until(2, 0, at(150)), None);
    }

    #[test]
    fn success_and_invalidation_end_it() {
        let mut throttle = Throttle::new(8);
        throttle.failed(1, 5, at(100), at(200));
        assert!(throttle.until(1, 5, at(150)).is_some());
        assert_eq!(throttle.until(1, 6, at(150)), None, "invalidated since");
        throttle.succeeded(1);
        assert_eq!(throttle.until(1, 0, at(150)), None);
    }

    proptest! {
        /// Against a plain list of all failures.
        #[test]
        fn it_is_bounded_and_holds_back_nothing_that_did_not_fail(
            steps in proptest::collection::vec((0u64..6, any::<bool>(), 0u64..30), 1..80),
        ) {
            let (mut throttle, mut model) = (Throttle::new(3), HashMap::new());
            let mut now = 0;
            for (key, failed, pass) in steps {
                now += pass;
                if failed {
                    throttle.failed(key, 0, at(now), at(now + 20));
                    model.insert(key, now + 20);
                } else {
                    throttle.succeeded(key);
                    model.remove(&key);
                }
                prop_assert!(throttle.len() <= 3);
                for key in 0..6 {
                    let held = throttle.until(key, 0, at(now)).map(Tick::ms);
                    let expected = model.get(&key).copied().filter(|until| now < *until);
                    // One that did not fit is let through.
                    prop_assert!(held.is_none() || held == expected);
                }
            }
        }
    }
}
