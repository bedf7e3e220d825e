//! Time, and how it is cut into slots: timeframes from a second to a quarter, aligned as venues do.

mod grid;
mod instant;
mod slots;
mod timeframe;

pub use grid::{Alignment, Grid};
pub use instant::{Time, TimeError};
pub use slots::Slots;
pub use timeframe::{Length, Timeframe, TimeframeError};
