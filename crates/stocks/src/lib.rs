//! Taiwan's stocks through tiers: what a stock is, what was traded of it, what it is quoted at now, and
//! what its last days say, of many stocks at once.
//!
//! Histories are kept by month, so that one of 30 days and one of 60 share what they have, and a month
//! that is over is asked for once. How long an answer holds depends on the market's hours: a closed
//! market's quote holds until the next opening, a history until its next row is expected. What cannot
//! be had of one stock is told of that stock, and where a market is away, what was known is served for
//! as long as the options say, and says that it is stale.
//!
//! ```no_run
//! use std::sync::Arc;
//!
//! use cache_twse::client::{Twse, TwseOptions};
//! use tiers::prelude::*;
//! use tiers_stocks::{StockService, StockServiceOptions};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let cache = Cache::builder()
//!     .storage("memory", tiers::open("memory://").await?)
//!     .storage("sqlite", tiers::open("sqlite://stocks.db").await?)
//!     .build()?;
//! let markets = Arc::new(Twse::new(TwseOptions::new())?);
//! let stocks = StockService::new(cache, markets, StockServiceOptions::new(["memory", "sqlite"]))?;
//!
//! let popular = ["tse_2330".parse()?, "otc_6488".parse()?];
//! for (stock, answer) in popular.iter().zip(stocks.histories(&popular, 30).await) {
//!     match answer {
//!         Ok(history) => println!("{stock}: {} days", history.value.len()),
//!         Err(error) => println!("{stock}: {error}, {:?}", error.retry()),
//!     }
//! }
//! stocks.invalidate(&popular[0]).await?;
//! # Ok(()) }
//! ```
//!
//! | module | what is in it |
//! |---|---|
//! | `service` | what programs call |
//! | `market` | the seam to the markets |
//! | `node` | what is kept, under which keys and tags |
//! | `sources` | how it is loaded, and for how long it holds |

mod answer;
mod error;
#[cfg(doctest)]
mod guide;
mod market;
mod node;
mod options;
mod service;
mod sources;
#[cfg(test)]
mod tests;

pub use answer::{Answer, StockInfo};
pub use error::StockServiceError;
pub use market::StockMarket;
pub use options::StockServiceOptions;
pub use service::{StockService, StockStats, WarmProgress, WarmReport};
