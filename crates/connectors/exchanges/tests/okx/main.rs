//! The connector beneath the cache that it is made for, against a venue on loopback that speaks as
//! OKX does.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test ends where something is not as it should be"
)]

mod cache;
mod live;
mod refusals;
mod setup;
