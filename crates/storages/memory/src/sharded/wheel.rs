//! When entries end: a wheel of wheels, after Varghese and Lauck (SOSP 1987).

/// Each level has 64 buckets of this many milliseconds, as a power of two; the first of half a second,
/// the last of a hundred days.
const SHIFTS: [u32; 5] = [9, 15, 21, 27, 33];
const BUCKETS: u32 = 64;
/// The list of those whose bucket has come.
const DUE: u32 = SHIFTS.len() as u32 * BUCKETS;
/// Slots come behind the heads of the lists.
const FIRST: u32 = DUE + 1;

/// Slots in the order in which they may have to go, coarsely: whoever comes is looked at again.
///
/// Nothing is done on a hit: an entry whose end has moved is put back when its old end has come.
#[derive(Debug)]
pub(super) struct Wheel {
    /// Before and after, in rings through the head of each list.
    links: Vec<[u32; 2]>,
    now_ms: u64,
    waiting: usize,
}

impl Wheel {
    pub(super) fn new(now_ms: u64) -> Self {
        Self { links: (0..FIRST).map(|head| [head, head]).collect(), now_ms, waiting: 0 }
    }

    fn link(&mut self, list: u32, at: u32) {
        let last = self.links[list as usize][0];
        self.links[at as usize] = [last, list];
        self.links[last as usize][1] = at;
        self.links[list as usize][0] = at;
    }

    fn unlink(&mut self, at: u32) {
        let [before, after] = self.links[at as usize];
        self.links[before as usize][1] = after;
        self.links[after as usize][0] = before;
        self.links[at as usize] = [at, at];
    }

    /// Puts a slot, which is not in here, where its end is looked for.
    pub(super) fn schedule(&mut self, slot: u32, expires_ms: u64) {
        let at = slot + FIRST;
        while self.links.len() <= at as usize {
            let next = self.links.len() as u32;
            self.links.push([next, next]);
        }
        let left_ms = expires_ms.saturating_sub(self.now_ms);
        let level = SHIFTS.iter().position(|shift| left_ms >> shift < u64::from(BUCKETS));
        let list = match level {
            Some(level) => bucket(level, expires_ms >> SHIFTS[level]),
            // Beyond all levels: looked at again half-way round the last one.
            None => bucket(4, (self.now_ms >> SHIFTS[4]) + u64::from(BUCKETS / 2)),
        };
        self.link(list, at);
        self.waiting += 1;
    }

    /// Takes out a slot that is in here.
    pub(super) fn cancel(&mut self, slot: u32) {
        self.unlink(slot + FIRST);
        self.waiting -= 1;
    }

    /// Whether there is anything to look at by this time.
    pub(super) fn is_due(&self, now_ms: u64) -> bool {
        let has_come = self.links[DUE as usize][1] != DUE;
        has_come || (self.waiting > 0 && now_ms >> SHIFTS[0] != self.now_ms >> SHIFTS[0])
    }

    /// Whether nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        self.waiting == 0
    }

    /// Takes out the next slot whose end may have come. Its caller looks, and schedules it again if
    /// it has not. With `all` those of the current half second too, each once.
    pub(super) fn next_due(&mut self) -> Option<u32> {
        let at = self.links[DUE as usize][1];
        if at == DUE {
            return None;
        }
        self.unlink(at);
        self.waiting -= 1;
        Some(at - FIRST)
    }

    /// Goes on to this time: what stands in buckets that were passed, or are entered, is due.
    pub(super) fn advance(&mut self, now_ms: u64) {
        let before_ms = self.now_ms;
        if now_ms <= before_ms {
            return;
        }
        self.now_ms = now_ms;
        for (level, shift) in SHIFTS.iter().enumerate() {
            let (from, to) = (before_ms >> shift, now_ms >> shift);
            if from == to {
                break;
            }
            // The first level's are due when passed; the others' when entered, to be put lower.
            let first = if level == 0 { from } else { from + 1 };
            let last = if level == 0 { to - 1 } else { to };
            for number in first..=last.min(first + u64::from(BUCKETS)) {
                self.take_due(bucket(level, number));
            }
        }
    }

    /// Makes due what stands in the bucket of right now.
    pub(super) fn take_current(&mut self) {
        self.take_due(bucket(0, self.now_ms >> SHIFTS[0]));
    }

    /// Hangs a whole list behind those that are due.
    fn take_due(&mut self, list: u32) {
        let [last, first] = self.links[list as usize];
        if first == list {
            return;
        }
        self.links[list as usize] = [list, list];
        let end = self.links[DUE as usize][0];
        self.links[end as usize][1] = first;
        self.links[first as usize][0] = end;
        self.links[last as usize][1] = DUE;
        self.links[DUE as usize][0] = last;
    }
}

fn bucket(level: usize, number: u64) -> u32 {
    level as u32 * BUCKETS + (number % u64::from(BUCKETS)) as u32
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Advances step by step, and gives when each slot was found to have ended.
    fn run(ends: &[u64], steps: &[u64]) -> Vec<Option<u64>> {
        let mut wheel = Wheel::new(0);
        for (slot, end) in ends.iter().enumerate() {
            wheel.schedule(slot as u32, *end);
        }
        let mut ended = vec![None; ends.len()];
        let mut now = 0;
        for step in steps {
            now += step;
            wheel.advance(now);
            while let Some(slot) = wheel.next_due() {
                let end = ends[slot as usize];
                if end <= now {
                    ended[slot as usize] = Some(now);
                } else {
                    wheel.schedule(slot, end);
                }
            }
        }
        ended
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn each_ends_at_its_time_and_within_a_bucket_of_it(
            ends in proptest::collection::vec(0..40_u32, 1..20),
            steps in proptest::collection::vec(0..34_u32, 1..60),
        ) {
            let ends: Vec<u64> = ends.iter().map(|power| (1_u64 << power) * 7 / 5).collect();
            let steps: Vec<u64> = steps.iter().map(|power| (1_u64 << power) * 9 / 8).collect();
            let last: u64 = steps.iter().sum();
            for (end, ended) in ends.iter().zip(run(&ends, &steps)) {
                match ended {
                    Some(ended) => prop_assert!(ended >= *end),
                    None => prop_assert!(*end + 512 > last, "{end} is still there at {last}"),
                }
            }
        }
    }

    #[test]
    fn who_is_cancelled_does_not_come() {
        let mut wheel = Wheel::new(1000);
        wheel.schedule(3, 2000);
        wheel.schedule(4, 2000);
        wheel.cancel(3);
        assert!(!wheel.is_due(1001) && wheel.is_due(3000));
        wheel.advance(3000);
        assert!(wheel.is_due(3000));
        assert_eq!((wheel.next_due(), wheel.next_due()), (Some(4), None));
        assert!(wheel.is_empty());
        wheel.schedule(5, 3001);
        wheel.take_current();
        assert_eq!(wheel.next_due(), Some(5));
    }
}
