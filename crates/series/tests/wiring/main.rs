//! The cache over a venue, a clock and storages that do what a test says.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test says what it expects")]

mod bounds;
mod bugs;
mod clock;
mod depth;
mod kill;
mod live;
mod model;
mod reads;
#[cfg(feature = "csv")]
mod transfer;
mod venue;
mod world;
