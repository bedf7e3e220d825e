//! Policies: small state machines with time passed in and no I/O, one a file.

pub mod breaker;
pub mod doorkeeper;
pub mod early;
pub mod jitter;
pub mod lifetime;
pub mod routing;
pub mod stale;
pub mod throttle;
pub mod write_behind;
