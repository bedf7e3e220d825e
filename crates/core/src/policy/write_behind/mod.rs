//! Writing later: what is queued, in which order it is written, and when it is given up.

mod options;
mod queue;
#[cfg(test)]
mod tests;

pub use options::{Destination, WhenFull, WriteBehind};
pub use queue::{Failed, Job, Landed, Pushed, WriteQueue};
