//! Measuring, for the benches of Tiers.
//!
//! What is compared is measured in turns within one run ([`interleaved`]), so that a machine that
//! slows down slows all of it, and medians stand for it. A bound on an absolute figure is put on the
//! difference of two things that were measured side by side ([`Measured::difference_ns`]).
//!
//! | module | what is in it |
//! |---|---|
//! | [`contestant`] | a piece of work to be measured |
//! | [`interleave`] | measuring several of them in turns |
//! | [`measured`] | medians, differences and ratios |
//! | [`allocations`] | how many bytes are held |
//! | [`calmness`] | whether the machine left the work in peace |
//! | [`row`] | one speed target and what was measured |
//! | [`failures`] | errors of what was measured |
//! | [`group`] | named groups of measurements, chosen on the command line |
//! | [`table`] | tables for people |
//! | [`program`] | the command line of a program that measures |

pub mod allocations;
pub mod calmness;
pub mod contestant;
pub mod failures;
pub mod group;
pub mod interleave;
pub mod measured;
pub mod program;
pub mod row;
pub mod table;

mod cpu;

pub use contestant::Contestant;
pub use group::{Group, Run};
pub use interleave::{Effort, interleaved};
pub use measured::Measured;
pub use row::{Better, Row};
