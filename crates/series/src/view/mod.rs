//! What is in memory of a series, and views of it: a snapshot and two positions, whatever the length.

mod directory;
mod snapshot;
#[cfg(test)]
pub(crate) mod tests;

pub use directory::{Directory, Seed};
pub use snapshot::{Segment, View};
