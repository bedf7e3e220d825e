//! The connectors against a venue on loopback that speaks as each exchange does.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test ends where something is not as it should be"
)]

mod binance;
mod bybit;
mod coinbase;
mod kraken;
mod okx;
mod suite;
