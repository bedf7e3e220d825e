//! Measuring several contestants in turns.

use std::time::Duration;

use crate::contestant::{Contestant, Timed};
use crate::measured::{Measured, Sample};

/// How much is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Effort {
    /// How often each contestant has its turn; odd, so that the median is one of them.
    pub repetitions: u32,
    /// How long one turn should take at least.
    pub turn: Duration,
}

impl Effort {
    /// For figures to rely on.
    pub const FULL: Self = Self { repetitions: 21, turn: Duration::from_millis(50) };
    /// For a rough look.
    pub const QUICK: Self = Self { repetitions: 5, turn: Duration::from_millis(10) };
    /// To see that everything runs: the figures mean nothing.
    pub const TINY: Self = Self { repetitions: 1, turn: Duration::from_micros(100) };

    /// Half as many turns, eight times as long: for work whose cost comes in lumps, such as
    /// checkpoints of a log.
    #[must_use]
    pub fn lumpy(self) -> Self {
        Self { repetitions: (self.repetitions / 2) | 1, turn: self.turn * 8 }
    }
}

/// The iterations of a turn never grow beyond this, so that work that was optimised away ends.
const ITERATIONS_MAX: u64 = 1 << 40;

/// Measures the contestants in turns: each once in every repetition, beginning with another one
/// each time. Finding out how many iterations fill a turn warms each of them up.
///
/// `after_turn` is called after every turn, for showing progress.
pub fn interleaved(
    effort: Effort,
    contestants: &mut [Contestant<'_>],
    mut after_turn: impl FnMut(),
) -> Measured {
    let iterations: Vec<u64> = contestants
        .iter_mut()
        .map(|contestant| fill(effort.turn, |iterations| contestant.timed(iterations)))
        .collect();
    let mut samples: Vec<Vec<Sample>> = vec![Vec::new(); contestants.len()];
    for repetition in 0..effort.repetitions.max(1) {
        for place in order(contestants.len(), repetition) {
            let timed = contestants[place].timed(iterations[place]);
            samples[place].push(Sample::new(timed, iterations[place]));
            after_turn();
        }
    }
    let names = contestants.iter().map(|contestant| contestant.name().to_owned());
    let waits = contestants.iter().map(Contestant::waits);
    Measured::new(names.zip(waits).zip(samples))
}

/// Whose turn it is: all of them once, the first one moving on by one each time.
fn order(contestants: usize, repetition: u32) -> impl Iterator<Item = usize> {
    let first = usize::try_from(repetition).unwrap_or(0).checked_rem(contestants).unwrap_or(0);
    (first..contestants).chain(0..first)
}

/// How many iterations take at least as long as a turn.
fn fill(turn: Duration, mut timed: impl FnMut(u64) -> Timed) -> u64 {
    let mut iterations = 1_u64;
    loop {
        let wall = timed(iterations).wall;
        if wall >= turn || iterations >= ITERATIONS_MAX {
            return iterations;
        }
        let missing = turn.as_secs_f64() / wall.as_secs_f64().max(1e-9);
        // At most tenfold: the first iterations are slower than those to come, or faster.
        let factor = (missing * 1.1).clamp(1.1, 10.0);
        let grown = (iterations as f64 * factor).ceil() as u64;
        iterations = grown.clamp(iterations + 1, ITERATIONS_MAX);
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn each_begins_once_and_all_have_their_turn() {
        let orders: Vec<Vec<usize>> = (0..4).map(|turn| order(3, turn).collect()).collect();
        assert_eq!(orders, [[0, 1, 2], [1, 2, 0], [2, 0, 1], [0, 1, 2]]);
        assert_eq!(order(0, 5).count(), 0);
    }

    #[test]
    fn turns_are_interleaved_after_the_warm_up() {
        let turns = RefCell::new(Vec::new());
        let effort = Effort { repetitions: 3, turn: Duration::ZERO };
        let mut contestants = [
            Contestant::new("a", |_| turns.borrow_mut().push('a')),
            Contestant::new("b", |_| turns.borrow_mut().push('b')),
        ];
        let mut shown = 0;
        let measured = interleaved(effort, &mut contestants, || shown += 1);
        drop(contestants);
        assert_eq!(turns.into_inner().iter().collect::<String>(), "ababbaab");
        assert_eq!(shown, 6);
        assert!(measured.median_ns("a").is_some());
        assert!(measured.median_ns("c").is_none());
    }

    proptest! {
        #[test]
        fn a_turn_is_filled_without_overshooting(cost_ns in 1_u64..5_000_000) {
            let turn = Duration::from_millis(10);
            let timed = |iterations| {
                Timed { wall: Duration::from_nanos(cost_ns * iterations), cpu: None }
            };
            let wall = timed(fill(turn, timed)).wall;
            prop_assert!(wall >= turn);
            prop_assert!(wall <= turn * 2 + Duration::from_nanos(cost_ns));
        }
    }

    #[test]
    fn work_without_any_cost_ends() {
        let timed = |_| Timed { wall: Duration::ZERO, cpu: None };
        assert_eq!(fill(Duration::from_millis(1), timed), ITERATIONS_MAX);
    }
}
