//! How the markets write days and numbers.

mod day;
mod number;

pub(crate) use day::republic_day;
pub use day::{Day, DayError, Month};
pub(crate) use number::{amount, change, price, price_or_none, whole};
