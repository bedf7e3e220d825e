//! How often the markets may be asked: three calls in five seconds, or they do not answer at all any
//! more for a while.
//!
//! [`SlidingWindow`] decides, with time passed in; [`Limiter`] is one window for all callers of a
//! process, in the order in which they came; [`Allowance`] is what processes of a host share.

mod allowance;
mod shared;
#[cfg(test)]
mod tests;
mod window;

pub use allowance::{Allowance, HOST_RATE};
pub use shared::Limiter;
pub use window::{SlidingWindow, Turn};
