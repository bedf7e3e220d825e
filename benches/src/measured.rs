//! Medians of what was measured in turns.

use crate::calmness::Calmness;
use crate::contestant::Timed;

/// One turn of one contestant, per iteration.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Sample {
    wall_ns: f64,
    cpu_ns: Option<f64>,
}

impl Sample {
    pub(crate) fn new(timed: Timed, iterations: u64) -> Self {
        let per_iteration = |seconds: f64| seconds * 1e9 / iterations.max(1) as f64;
        Self {
            wall_ns: per_iteration(timed.wall.as_secs_f64()),
            cpu_ns: timed.cpu.map(|cpu| per_iteration(cpu.as_secs_f64())),
        }
    }
}

/// What was measured of all contestants of one run.
#[derive(Debug, Clone, PartialEq)]
pub struct Measured {
    columns: Vec<Column>,
}

#[derive(Debug, Clone, PartialEq)]
struct Column {
    name: String,
    waits: bool,
    samples: Vec<Sample>,
}

impl Measured {
    pub(crate) fn new(columns: impl Iterator<Item = ((String, bool), Vec<Sample>)>) -> Self {
        let column = |((name, waits), samples)| Column { name, waits, samples };
        Self { columns: columns.map(column).collect() }
    }

    /// Nanoseconds of wall time per iteration, median over the repetitions. Nothing for a name that
    /// did not take part.
    pub fn median_ns(&self, name: &str) -> Option<f64> {
        median(self.walls(name)?)
    }

    /// How many iterations a second the median makes.
    pub fn per_second(&self, name: &str) -> Option<f64> {
        self.median_ns(name).map(|nanoseconds| 1e9 / nanoseconds)
    }

    /// How much longer `name` takes than `than`, in nanoseconds per iteration: the median of the
    /// differences within each repetition. Negative if it is the faster one.
    pub fn difference_ns(&self, name: &str, than: &str) -> Option<f64> {
        self.paired(name, than, |left, right| left - right)
    }

    /// How many times as long as `than` `name` takes: the median of the ratios within each
    /// repetition.
    pub fn ratio(&self, name: &str, than: &str) -> Option<f64> {
        self.paired(name, than, |left, right| left / right)
    }

    /// Whether the machine left the contestants in peace that never wait.
    pub fn calmness(&self) -> Calmness {
        let working = self.columns.iter().filter(|column| !column.waits);
        let ratios = working.flat_map(|column| &column.samples).filter_map(|sample| {
            sample.cpu_ns.filter(|cpu_ns| *cpu_ns > 0.0).map(|cpu_ns| sample.wall_ns / cpu_ns)
        });
        Calmness::from_wall_over_cpu(median(ratios.collect()))
    }

    fn walls(&self, name: &str) -> Option<Vec<f64>> {
        let column = self.columns.iter().find(|column| column.name == name)?;
        Some(column.samples.iter().map(|sample| sample.wall_ns).collect())
    }

    fn paired(&self, left: &str, right: &str, each: impl Fn(f64, f64) -> f64) -> Option<f64> {
        let pairs = self.walls(left)?.into_iter().zip(self.walls(right)?);
        median(pairs.map(|(left, right)| each(left, right)).collect())
    }
}

/// The middle one, or the mean of the two in the middle.
fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    let upper = values.get(middle).copied()?;
    if values.len() % 2 == 1 {
        return Some(upper);
    }
    let lower = values.get(middle.checked_sub(1)?).copied()?;
    Some(f64::midpoint(lower, upper))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// Name, whether it waits, and wall and CPU nanoseconds of each repetition.
    type Given<'given> = (&'given str, bool, &'given [(u64, u64)]);

    fn measured(columns: &[Given<'_>]) -> Measured {
        let sample = |&(wall, cpu): &(u64, u64)| {
            let timed = Timed {
                wall: Duration::from_nanos(wall * 1000),
                cpu: Some(Duration::from_nanos(cpu * 1000)),
            };
            Sample::new(timed, 1000)
        };
        Measured::new(columns.iter().map(|(name, waits, samples)| {
            (((*name).to_owned(), *waits), samples.iter().map(sample).collect())
        }))
    }

    fn near(value: Option<f64>, expected: f64) -> bool {
        value.is_some_and(|value| (value - expected).abs() < 1e-6)
    }

    #[test]
    fn the_median_is_the_middle() {
        assert_eq!(median(vec![]), None);
        assert_eq!(median(vec![3.0]), Some(3.0));
        assert_eq!(median(vec![9.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(vec![9.0, 1.0, 2.0, 4.0]), Some(3.0));
    }

    #[test]
    fn figures_are_per_iteration_and_one_outlier_moves_none() {
        let measured = measured(&[("a", false, &[(50, 50), (900, 50), (52, 50)])]);
        assert!(near(measured.median_ns("a"), 52.0));
        assert!(near(measured.per_second("a"), 1e9 / 52.0));
    }

    #[test]
    fn differences_are_taken_within_a_repetition() {
        // The machine slowed down in the last two repetitions; the difference did not change.
        let slow: &[_] = &[(60, 60), (110, 110), (210, 210)];
        let fast: &[_] = &[(50, 50), (100, 100), (200, 200)];
        let measured = measured(&[("slow", false, slow), ("fast", false, fast)]);
        assert!(near(measured.difference_ns("slow", "fast"), 10.0));
        assert!(near(measured.difference_ns("fast", "slow"), -10.0));
        assert!(near(measured.ratio("slow", "fast"), 1.1));
        assert_eq!(measured.difference_ns("slow", "other"), None);
        assert_eq!(measured.ratio("other", "slow"), None);
    }

    #[test]
    fn work_that_waits_says_nothing_about_calm() {
        let busy = measured(&[("a", false, &[(150, 100), (150, 100), (150, 100)])]);
        assert!(busy.calmness().note().is_some());
        let waiting = measured(&[
            ("a", false, &[(100, 100), (100, 100), (100, 100)]),
            ("b", true, &[(900, 100), (900, 100), (900, 100), (900, 100)]),
        ]);
        assert_eq!(waiting.calmness().note(), None);
    }
}
