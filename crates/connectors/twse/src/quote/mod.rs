//! Realtime quotes, of round lots (`getStockInfo`) and of odd lots (`getOddInfo`).

mod book;
mod reply;
#[cfg(test)]
mod tests;
mod value;

pub use reply::quotes;
pub use value::{Level, Quote, QuoteUnit};
