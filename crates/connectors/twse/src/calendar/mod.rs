//! When the markets are open, and for how long an answer holds. Pure: time is passed in.

mod lifetime;
mod market;
#[cfg(test)]
mod tests;

pub use lifetime::Lifetimes;
pub use market::{CalendarError, MarketCalendar};
