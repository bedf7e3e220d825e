//! Exchanges as venues of the range cache.
//!
//! A connector translates between [`Venue`](cache_series::venue::Venue), which is what the cache
//! knows, and one exchange's HTTP and WebSocket replies. When to ask, what to keep and what to
//! believe is the cache's business, by what the connector says of limits, weights and errors. A
//! connector holds back the few calls alone of which the cache does not know (`pace`).
//!
//! ```no_run
//! use std::sync::Arc;
//!
//! use cache_exchanges::binance::{Binance, BinanceOptions};
//! use cache_series::key::Environment;
//! use cache_series::row::Candle;
//! use cache_series::venue::Venues;
//!
//! let live = Binance::new(BinanceOptions::new())?;
//! let testnet = Binance::new(BinanceOptions::new().with_environment(Environment::Testnet))?;
//! let venues: Venues<Candle> = Venues::new().with(Arc::new(live)).with(Arc::new(testnet));
//! # Ok::<(), cache_exchanges::OptionsError>(())
//! ```
//!
//! | module | what is in it |
//! |---|---|
//! | [`binance`] | spot, USD-M and COIN-M futures: klines of trades, mark, index and premium |
//! | [`bybit`] | spot, linear and inverse contracts: klines of trades, mark, index and premium |
//! | [`coinbase`] | spot: candles of trades |
//! | [`kraken`] | spot: candles of trades, the newest 720 of each timeframe |
//! | [`okx`] | spot, linear and inverse contracts: candles of trades, mark and index |
//! | `line` | addresses, calls and feeds of one exchange |
//! | `http` | one bounded GET, whichever exchange it is for |
//! | `parse`, `refusal` | decimals and moments; failures that say nothing of their own |
//! | `pace` | calls that the cache does not count, held back |
//! | `feed` | the messages of a series, over connections that are replaced |
//! | `socket` | one WebSocket connection, whichever exchange it is to |
//!
//! Every exchange has the same rooms under the same names, so that who knows one knows all; how
//! another is added is told in `docs/guide/exchanges.md`.

pub mod binance;
pub mod bybit;
pub mod coinbase;
mod connection;
mod feed;
mod http;
pub mod kraken;
mod line;
#[cfg(test)]
mod loopback;
#[cfg(test)]
mod mutation;
pub mod okx;
mod options;
mod pace;
mod parse;
mod refusal;
mod socket;

use cache_connectors_http::tls;
pub use options::OptionsError;
