use super::Volume;
use crate::row::{Candle, Row};

/// A row that others can be made of.
pub trait FillRow: Row {
    /// A row that says nothing.
    fn null() -> Self;

    /// A row at a price.
    fn constant(price: f64) -> Self;

    /// The row of a slot after this one in which nothing happened.
    fn carried(&self, volume: Volume) -> Self;

    /// The `step`th of `steps` equal steps from this row to the one `after`; 1 is the first slot
    /// after this one, and `steps` would be the slot of `after`.
    fn between(&self, after: &Self, step: u64, steps: u64) -> Self;
}

impl FillRow for Candle {
    fn null() -> Self {
        Self::flat(f64::NAN, f64::NAN)
    }

    fn constant(price: f64) -> Self {
        Self::flat(price, 0.0)
    }

    fn carried(&self, volume: Volume) -> Self {
        let volume = match volume {
            Volume::Zero => 0.0,
            Volume::Absent => f64::NAN,
        };
        Self::flat(self.close, volume)
    }

    /// Opens where the one before it closed; its close lies on the line from this close to the
    /// open of `after`. The volume is zero.
    fn between(&self, after: &Self, step: u64, steps: u64) -> Self {
        let at = |step: u64| {
            let share = step as f64 / steps as f64;
            self.close + (after.open - self.close) * share
        };
        let (open, close) = (at(step.saturating_sub(1)), at(step));
        Self { open, high: open.max(close), low: open.min(close), close, volume: 0.0 }
    }
}
