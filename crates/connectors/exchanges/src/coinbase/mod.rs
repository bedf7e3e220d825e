//! Coinbase: the spot market, by the public part of the Advanced Trade API.
//!
//! Protocol: the exchange's own documentation, <https://docs.cdp.coinbase.com/coinbase-app/advanced-trade-apis>,
//! sections "Get Public Product Candles", "Get Public Product", "Get Server Time", "WebSocket
//! Channels" (candles, heartbeats) and "Rate Limits".
//!
//! | | spot |
//! |---|---|
//! | candles of | trades |
//! | rows of a call | 300 |
//! | timeframes | `1m` `5m` `15m` `30m` `1h` `2h` `4h` `6h` `1d` |
//! | symbol | `BTC-USD` |
//! | volume | base currency |
//! | feed | trades, `5m` alone |
//!
//! Rows come newest first, the growing one among them, with moments in seconds and all numbers as
//! text. Where nobody traded there is no row: a hole is a quiet time, or one in which the exchange
//! stood still, and nothing tells which.

mod feed;
mod klines;
mod limits;
mod listing;
#[cfg(test)]
mod loopback;
mod message;
mod options;
#[cfg(test)]
mod recorded;
mod refusal;
mod request;
mod search;
mod service;
mod symbol;
mod venue;

pub use options::CoinbaseOptions;
pub use venue::Coinbase;

/// The name in keys.
const NAME: &str = "coinbase";
