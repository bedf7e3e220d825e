//! The best four points: four signs to buy and four to sell, by the last days' closes, opens and
//! volumes, and averages of closes over three and six days.
//!
//! | | to buy | to sell |
//! |---|---|---|
//! | 1 | volume above the day before, close above the open | volume above, close below the open |
//! | 2 | volume below the day before, close above that day's open | volume below, close below that day's open |
//! | 3 | the average of three days has just turned up | it has just turned down |
//! | 4 | the average of three days is above that of six | it is below |
//!
//! *Compat* is what programs give that test the gate by whether it has an answer at all, and so let
//! everything pass: any sign to buy, or else any sign to sell. *Gated* asks the bias first, the
//! difference of the two averages over the last five days: to buy, all five are below zero and the
//! lowest lies two or one days back; to sell, the highest is above zero and lies so.
//!
//! Averages are rounded to cents, half to even, from floats added in the order of days: so that
//! scores are those of other programs, to the bit.

mod bias;
mod points;
#[cfg(test)]
mod tests;

pub use bias::Pivot;
pub use points::{Advice, BestFourPoints, DAYS_MIN, Side, TooFewDays};
