//! A stock's months, and a market's days.

mod history;
mod market_day;
mod stock_day;
mod table;
#[cfg(test)]
mod tests;
mod tpex;

pub use history::{DayPrices, DayTrade, MonthHistory};
pub use market_day::{MarketDay, StockOfDay, tpex_market_day, twse_market_day};
pub use stock_day::stock_day;
pub use tpex::{tpex_month, tpex_month_legacy};
