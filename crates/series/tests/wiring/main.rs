//! The cache over a venue, a clock and storages that do what a test says.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test says what it expects")]

mod bounds;
mod bugs;
mod clock;
#[cfg(feature = "arrow")]
mod columns;
mod depth;
#[cfg(any(feature = "csv", feature = "arrow"))]
mod histories;
mod kill;
mod known;
mod listing;
mod live;
mod model;
mod outages;
#[cfg(feature = "parquet")]
mod parquet;
mod patience;
mod reads;
#[cfg(feature = "csv")]
mod transfer;
mod venue;
mod world;
