//! Taiwan's stock markets on loopback: daily histories, market days and realtime quotes of TWSE and
//! TPEx, over days that were generated, with faults on demand.

mod book;
mod fault;
mod quotes;
mod routes;
mod text;
mod venue;

pub use fault::StockFault;
pub use venue::{StockCalls, StockVenue};
