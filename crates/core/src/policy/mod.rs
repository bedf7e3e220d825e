//! Policies: small state machines with time passed in and no I/O, one a file.

pub mod doorkeeper;
pub mod jitter;
pub mod lifetime;
pub mod routing;
