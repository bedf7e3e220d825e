//! Taiwan's two stock markets, the stock exchange (TWSE) and the Taipei Exchange (TPEx): daily
//! histories, realtime quotes, when the markets are open, and what is made of a history.
//!
//! All rooms but `client` are pure: replies are bytes, time is passed in. A reply that is not what
//! was asked for is an error that says whether to ask again and when; it is never an empty list.
//!
//! ```
//! use cache_twse::daily::stock_day;
//! use cache_twse::text::Month;
//! use cache_twse::{Market, Retry, Stock, TwseErrorKind};
//!
//! let stock = Stock::new(Market::Listed, "2330")?;
//! let month: Month = "2015-05".parse()?;
//! let reply = r#"{"stat":"OK","title":"104年05月 2330 台積電 各日成交資訊",
//!     "fields":["日期","成交股數","成交金額","開盤價","最高價","最低價","收盤價","漲跌價差","成交筆數"],
//!     "data":[["104/05/04","30,868,640","4,548,281,580","148.50","148.50","146.00","147.50","+0.50","8,598"]]}"#;
//! let history = stock_day(reply.as_bytes(), &stock, month)?;
//! assert_eq!(history.days[0].prices.unwrap().close, 147.5);
//!
//! let refused = stock_day("{\"stat\":\"很抱歉，沒有符合條件的資料!\"}".as_bytes(), &stock, month).unwrap_err();
//! assert_eq!((refused.kind(), refused.retry()), (TwseErrorKind::NoData, Retry::Never));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! | module | what is in it |
//! |---|---|
//! | [`text`] | days and months of the Gregorian and of the Republic's calendar; numbers as the markets write them |
//! | [`reply`] | what a reply is before its rows are read: refusals, bans, sentences, half replies |
//! | [`daily`] | a stock's months, and a market's days |
//! | [`quote`] | realtime quotes of round lots and odd lots |
//! | [`calendar`] | sessions, holidays, and for how long an answer holds |
//! | [`best_four_points`] | four signs to buy and four to sell, by the last days' prices and volumes |
//! | [`limiter`] | how often the markets may be asked |
//! | [`client`] | the markets by HTTP |

pub mod best_four_points;
pub mod calendar;
pub mod client;
pub mod daily;
mod error;
pub mod limiter;
mod listing;
pub mod quote;
pub mod reply;
mod stock;
pub mod text;

pub use error::{Retry, TwseError, TwseErrorKind};
pub use listing::{Listing, ListingError, Listings};
pub use stock::{Market, Stock, StockError};
