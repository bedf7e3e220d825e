//! A venue on loopback: exchanges' candles by HTTP and WebSocket, over candles that were generated
//! or recorded, with every fault on demand and every call counted. For tests and demos.
//!
//! It speaks as Binance, Bybit, Coinbase, Kraken and OKX do, all at once and on one port: their paths
//! differ.
//!
//! It shares no code with the cache that is tried against it, not even arithmetic of time, so that
//! neither can be wrong in the other's way. Its clock stands still until it is told to move, so
//! that nothing depends on how fast a machine is.
//!
//! ```
//! use tiers_local_venue::{History, Interval, LocalVenue};
//!
//! # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
//! let history = History::generated(Interval::MINUTE, 0, 1_000, 7).quiet(0.1);
//! let venue = LocalVenue::start(60_000_000).await?;
//! venue.list("BTCUSDT", history);
//! println!("{}/api/v3/klines?symbol=BTCUSDT&interval=1m", venue.url());
//! assert_eq!(venue.calls().klines, 0);
//! # Ok::<(), std::io::Error>(()) })?;
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! | module | what is in it |
//! |---|---|
//! | `venue` | the server: started, moved through time, asked what was asked of it |
//! | `history`, `interval` | candles and when they begin |
//! | `book` | what of which symbol is seen at a moment |
//! | `fault` | what goes wrong, how often |
//! | `dialects` | how each exchange is asked, answers, refuses and tells |
//! | `wire` | connections that can be cut |
//! | `stocks` | the same for Taiwan's stock markets: months, days and quotes |

mod book;
mod calls;
mod dialects;
mod fault;
mod history;
mod interval;
mod stocks;
mod venue;
mod wire;

pub use calls::{Asked, Calls};
pub use fault::Fault;
pub use history::{Candle, History};
pub use interval::Interval;
pub use stocks::{StockCalls, StockFault, StockVenue};
pub use venue::LocalVenue;
