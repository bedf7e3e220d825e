//! What is special to files: streams, bounds on disk, the check, damage, faults, processes.

#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

mod bounds;
mod check;
mod common;
mod damage;
mod kills;
mod model;
mod paths;
mod processes;
mod refusals;
mod space;
mod streams;
