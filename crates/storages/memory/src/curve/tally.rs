use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::LocalKey;

/// Counts in steps of 64 on average, so that counting costs a thread a look at what is its own.
///
/// What each thread has counted since its last step is missing. A thread that uses several caches
/// may give a step to the one for what was of another, in proportion to how often it comes to each.
#[derive(Debug, Default)]
pub(super) struct Tally(AtomicU64);

/// How far a thread is on its way to the next step.
#[derive(Debug)]
pub(super) struct Countdown {
    left: Cell<u32>,
    step: Cell<u32>,
    random: Cell<u32>,
}

thread_local! {
    pub(super) static HITS: Countdown = const { Countdown::new() };
    pub(super) static HITS_LOST: Countdown = const { Countdown::new() };
}

impl Countdown {
    const fn new() -> Self {
        Self { left: Cell::new(1), step: Cell::new(1), random: Cell::new(0x9E37_79B9) }
    }

    /// Steps of other lengths each time: whoever comes in turn, with a pattern, is not always or
    /// never the one who is counted.
    #[cold]
    fn again(&self) {
        let mut random = self.random.get();
        random ^= random << 13;
        random ^= random >> 17;
        random ^= random << 5;
        self.random.set(random);
        self.step.set(1 + random % 127);
        self.left.set(self.step.get());
    }
}

impl Tally {
    #[inline]
    pub(super) fn count(&self, of_thread: &'static LocalKey<Countdown>) {
        // A thread that is ending counts nothing more.
        let _ = of_thread.try_with(|countdown| {
            let left = countdown.left.get() - 1;
            countdown.left.set(left);
            if left == 0 {
                self.0.fetch_add(u64::from(countdown.step.get()), Ordering::Relaxed);
                countdown.again();
            }
        });
    }

    pub(super) fn counted(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    pub(super) fn reset(&self) {
        self.0.store(0, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_but_the_last_steps_is_missing() {
        let tally = Tally::default();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..10_000).for_each(|_| tally.count(&HITS)));
            }
        });
        let counted = tally.counted();
        assert!((40_000 - 4 * 127..=40_000).contains(&counted), "{counted}");
    }

    #[test]
    fn caches_that_take_turns_get_what_is_theirs() {
        let tallies = [Tally::default(), Tally::default()];
        for turn in 0..64_000_usize {
            tallies[usize::from(turn % 4 == 0)].count(&HITS);
        }
        let [often, seldom] = tallies.each_ref().map(Tally::counted);
        assert!(
            often.abs_diff(48_000) < 3_000 && seldom.abs_diff(16_000) < 3_000,
            "{often} {seldom}"
        );
    }
}
