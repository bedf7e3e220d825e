//! What is special to MongoDB: faults of the server, the collection's shape, pending parts,
//! calls that overtake each other, bounds.
//!
//! The servers are started here; where the program for them is not installed, every test says so,
//! and fails only where servers are required.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test ends where something is not as it should be"
)]

mod bounds;
mod common;
mod faults;
mod pending;
mod races;
mod shape;
