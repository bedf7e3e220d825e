//! Bybit: spot, linear (USDT and USDC) and inverse contracts.
//!
//! Protocol: the exchange's own documentation, <https://bybit-exchange.github.io/docs/v5>, sections
//! "Get Kline" (and those of mark, index and premium), "WebSocket Stream, Public, Kline", "Rate
//! Limit Rules" and "Error Codes".
//!
//! | | spot | linear | inverse |
//! |---|---|---|---|
//! | klines of | trades | trades, mark, index, premium | trades, mark, index |
//! | rows of a call | 1000 | 1000 | 1000 |
//! | shortest timeframe | `1m` | `1m` | `1m` |
//! | symbol | `BTCUSDT` | `BTCUSDT`, `BTCPERP`, `BTC-29MAR24` | `BTCUSD`, `BTCUSDH24` |
//! | volume | base currency | base currency | base currency (its turnover) |
//! | feed | trades | trades | trades |
//!
//! Rows come newest first, the growing one among them. Minutes without a trade have a flat row, so
//! that a hole is a time in which the exchange or the contract stood still. Refusals have status
//! 200 and say why in `retCode`.

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
mod service;
mod symbol;
mod venue;

pub use options::BybitOptions;
pub use venue::Bybit;

/// The name in keys.
const NAME: &str = "bybit";
