//! Small traces of accesses, the same on every machine.

mod shipped;

pub use shipped::{Trace, shipped};
