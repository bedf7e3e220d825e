/// What entries cost to load, on average.
#[derive(Debug, Default)]
pub(super) struct Costs {
    /// Of those of which it was said.
    mean: f64,
}

/// The last so many count.
const WINDOW: f64 = 256.0;

/// However dear, it is passed over no more often.
const REPRIEVES_MAX: u8 = 3;

impl Costs {
    /// How often an entry with this cost is passed over when its turn to go has come: once if it cost
    /// twice the mean, twice if four times as much, three times from eight times on.
    pub(super) fn reprieves(&mut self, cost: u32) -> u8 {
        if cost == 0 {
            return 0;
        }
        let cost = f64::from(cost);
        self.mean = if self.mean > 0.0 { self.mean + (cost - self.mean) / WINDOW } else { cost };
        let doublings = (cost / self.mean).log2();
        // Cheaper ones, below zero, become zero.
        (doublings as u8).min(REPRIEVES_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dear_ones_are_passed_over_by_how_dear_they_are() {
        let mut costs = Costs::default();
        assert_eq!((costs.reprieves(0), costs.reprieves(100)), (0, 0));
        for _ in 0..1000 {
            assert_eq!(costs.reprieves(100), 0);
        }
        let given = [1, 150, 210, 420, 900, u32::MAX].map(|cost| {
            let mut costs = Costs { mean: 100.0 };
            costs.reprieves(cost)
        });
        assert_eq!(given, [0, 0, 1, 2, 3, 3]);
    }
}
