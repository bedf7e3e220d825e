//! What a series is, and the text and digest under which it is stored.

mod series;
mod words;

pub use series::{SYMBOL_BYTES_MAX, SeriesKey, SeriesKeyError, VENUE_BYTES_MAX};
pub use words::{Adjustment, Environment, Market, PriceType};
