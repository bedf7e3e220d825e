//! OKX: spot, linear (USDT and USDC) and inverse contracts, perpetual and dated.
//!
//! Protocol: the exchange's own documentation, <https://www.okx.com/docs-v5/en>, sections "Get
//! candlesticks" and "Get candlesticks history" (and those of mark price and index), "WS /
//! Candlesticks channel", "Get instruments", "Get system time", "Rate Limits" and "Error Code".
//!
//! | | spot | linear | inverse |
//! |---|---|---|---|
//! | candles of | trades | trades, mark, index | trades, mark, index |
//! | rows of a call | 300 | 300, of mark and index 100 | the same |
//! | shortest timeframe | `1m` | `1m` | `1m` |
//! | symbol | `BTC-USDT` | `BTC-USDT-SWAP`, `BTC-USDT-240329` | `BTC-USD-SWAP`, `BTC-USD-240329` |
//! | volume | base currency | base currency (its second column) | the same |
//! | feed | trades | trades, mark, index | trades, mark, index |
//!
//! The newest 1,440 candles are asked for by one path and all by another, which allows half as many
//! calls. Rows come newest first, the growing one among them, and say whether they are over. Minutes
//! without a trade have a flat row, so that a hole is a time in which the exchange or the instrument
//! stood still. Refusals may have status 200 and say why in `code`.

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

pub use options::OkxOptions;
pub use venue::Okx;

/// The name in keys.
const NAME: &str = "okx";
