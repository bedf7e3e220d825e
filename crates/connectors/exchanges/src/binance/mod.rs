//! Binance: spot, USD-M futures (market `linear`) and COIN-M futures (market `inverse`).
//!
//! Protocol: the exchange's own documentation, <https://developers.binance.com/docs>, sections
//! "Market Data Endpoints", "WebSocket Market Streams", "LIMITS" and "Error Codes" of each market.
//!
//! | | spot | linear | inverse |
//! |---|---|---|---|
//! | klines of | trades | trades, mark, index, premium | trades, mark, index, premium |
//! | rows of a call | 1000 | 1500 | 1500, and 200 days |
//! | shortest timeframe | `1s` | `1m` | `1m` |
//! | symbol | `BTCUSDT` | `BTCUSDT`, `BTCUSDT_260327` | `BTCUSD_PERP` |
//! | volume | base currency | base currency | base currency (not contracts) |
//! | feed | trades | trades | trades |
//!
//! Mark, index and premium prices have no volume: it is NaN, not known. A symbol may be written
//! `BTCUSDT`, `btcusdt`, `BTC/USDT`, `BTC-USDT` or `BTC/USDT:USDT`; each spelling is a series of its
//! own to the cache, so that programs should keep to one.

mod feed;
mod klines;
mod limits;
mod listing;
mod message;
mod options;
#[cfg(test)]
mod recorded;
mod refusal;
mod request;
mod service;
mod symbol;
mod venue;

pub use options::BinanceOptions;
pub use venue::Binance;

/// The name in keys.
const NAME: &str = "binance";
