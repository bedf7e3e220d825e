use std::fmt;

use cache_core::clock::Timestamp;
use serde::{Deserialize, Serialize};

use crate::stock::Stock;
use crate::text::Day;

/// In what a quote's sizes are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum QuoteUnit {
    /// Round lots: a thousand shares each, but for some foreign funds and second listings.
    Lots,
    /// Single shares: the trade of odd lots.
    Shares,
}

/// What a market says of a stock at a moment. Prices are in New Taiwan dollars; what was not said,
/// as the last price between two trades, is `None`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Quote {
    /// The stock.
    pub stock: Stock,
    /// Its short name.
    pub name: String,
    /// Its full name.
    pub full_name: Option<String>,
    /// Of which day it is: the last one with a session, outside of sessions.
    pub day: Day,
    /// When it was made, in milliseconds since 1970.
    pub at_unix_ms: u64,
    /// In what sizes are counted.
    pub unit: QuoteUnit,
    /// The price of the trade that has just been; between trades there is none.
    pub last: Option<f64>,
    /// The size of that trade.
    pub last_size: Option<u64>,
    /// What has been traded that day.
    pub volume: Option<u64>,
    /// Of the day's first trade.
    pub open: Option<f64>,
    /// The day's highest.
    pub high: Option<f64>,
    /// The day's lowest.
    pub low: Option<f64>,
    /// What the day is compared with: the close before, less what was paid out.
    pub reference: Option<f64>,
    /// No price above is taken that day.
    pub limit_up: Option<f64>,
    /// No price below is taken that day.
    pub limit_down: Option<f64>,
    /// Up to five prices that are bid, the best first.
    pub bids: Vec<Level>,
    /// Up to five prices that are asked, the best first.
    pub asks: Vec<Level>,
}

/// One price of a book.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Level {
    /// The price; `None` for orders at whatever price, which stand before all others.
    pub price: Option<f64>,
    /// How much, in the quote's unit.
    pub size: u64,
}

impl fmt::Display for QuoteUnit {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Lots => "lots",
            Self::Shares => "shares",
        })
    }
}

impl Quote {
    /// When it was made.
    pub fn at(&self) -> Timestamp {
        Timestamp::from_unix_ms(self.at_unix_ms)
    }

    /// What a share is worth by it: the last trade's price, or between two trades the middle of
    /// the best bid and ask, or the one there is, or what the day is compared with.
    pub fn value(&self) -> Option<f64> {
        let best = |levels: &[Level]| levels.iter().find_map(|level| level.price);
        let middle = match (best(&self.bids), best(&self.asks)) {
            (Some(bid), Some(ask)) => Some((bid + ask) / 2.0),
            (bid, ask) => bid.or(ask),
        };
        self.last.or(middle).or(self.reference)
    }
}
