//! Kraken: spot, with prices of trades.
//!
//! Protocol: the exchange's own documentation, <https://docs.kraken.com/api>, sections "Get OHLC
//! Data", "Get Server Time", "Get System Status", "Get Tradable Asset Pairs", "REST Rate Limits",
//! "Errors", and of WebSocket v2 "Candles (OHLC)", "Status", "Heartbeat" and "Ping".
//!
//! | | spot |
//! |---|---|
//! | candles of | trades |
//! | rows of a call | the newest 720, whatever is asked for, and the growing one |
//! | timeframes | `1m`, `5m`, `15m`, `30m`, `1h`, `4h`, `1d`, `1w` (from Thursday) |
//! | symbol | `BTC/USD`, `XBTUSD`, `XXBTZUSD` |
//! | volume | base currency |
//! | feed | trades |
//!
//! What lies before the newest 720 candles cannot be had from this call: to ask for it is an error
//! that says so and that is not to be retried, and nothing is said of what is there. Slots without a
//! trade have a flat row. Refusals have status 200 and say why in `error`.
//!
//! The exchange's futures are another system with other symbols, and are not spoken with.

mod feed;
mod klines;
mod limits;
mod listing;
#[cfg(test)]
mod loopback;
mod message;
mod names;
mod options;
#[cfg(test)]
mod recorded;
mod refusal;
mod request;
mod service;
mod status;
mod symbol;
mod venue;

pub use options::KrakenOptions;
pub use status::SystemStatus;
pub use venue::Kraken;

/// The name in keys.
const NAME: &str = "kraken";
