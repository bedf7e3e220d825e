//! Whether the machine left the work in peace.

/// How much longer working threads took than they were on a processor. Other programs, and a host
/// that gives its processors to others, show here.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Calmness {
    wall_over_cpu: Option<f64>,
}

/// Above this share the figures are said to be disturbed.
const CALM_MAX: f64 = 1.05;

impl Calmness {
    pub(crate) fn from_wall_over_cpu(wall_over_cpu: Option<f64>) -> Self {
        Self { wall_over_cpu }
    }

    /// Wall time over CPU time, median: 1 on an idle machine. Nothing where the system does not
    /// tell CPU time, or all the work waits by itself.
    pub fn wall_over_cpu(&self) -> Option<f64> {
        self.wall_over_cpu
    }

    /// What a reader of the figures must know, if anything.
    pub fn note(&self) -> Option<String> {
        let busy = self.wall_over_cpu.filter(|share| *share > CALM_MAX)?;
        let percent = (busy - 1.0) * 100.0;
        Some(format!("the machine was busy: the work waited {percent:.0} % for a processor"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_busy_machine_is_noted() {
        for calm in [None, Some(0.99), Some(1.0), Some(1.05)] {
            assert_eq!(Calmness::from_wall_over_cpu(calm).note(), None);
        }
        let note = Calmness::from_wall_over_cpu(Some(1.5)).note().unwrap();
        assert!(note.contains("50 %"), "{note}");
    }
}
