//! The connector against a venue on loopback that speaks as Binance does.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test ends where something is not as it should be"
)]

mod cache;
mod feeds;
mod pages;
mod refusals;
mod setup;
