//! What programs call.

pub(crate) mod history;
mod stocks;
mod warm;

pub use stocks::{StockService, StockStats};
pub use warm::{WarmProgress, WarmReport};
