use serde::{Deserialize, Serialize};

use crate::error::TwseError;
use crate::stock::Stock;
use crate::text::{Day, Month};

/// What was traded of a stock on one day.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct DayTrade {
    /// The day.
    pub day: Day,
    /// How many shares. TPEx tells thousands of them, so that a day's last three digits are zeros.
    pub shares: u64,
    /// For how many New Taiwan dollars together; TPEx tells thousands.
    pub value: u64,
    /// In how many trades.
    pub trades: u64,
    /// The prices; `None` on a day without a trade at the market's own prices.
    pub prices: Option<DayPrices>,
    /// How the close compares with the one before; `None` where the market does not compare them:
    /// after dividends, rights, a suspension, a listing.
    pub change: Option<f64>,
}

/// The prices of a day, in New Taiwan dollars a share.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct DayPrices {
    /// Of the first trade.
    pub open: f64,
    /// The highest.
    pub high: f64,
    /// The lowest.
    pub low: f64,
    /// Of the last trade.
    pub close: f64,
}

/// A stock's days in one month, ascending; never without one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MonthHistory {
    /// The stock.
    pub stock: Stock,
    /// The month.
    pub month: Month,
    /// The stock's name as the reply tells it.
    pub name: Option<String>,
    /// Its days, ascending.
    pub days: Vec<DayTrade>,
}

impl DayPrices {
    /// Prices that agree with each other: above zero, the low not above open and close, the high
    /// not below. `None` for others.
    pub fn checked(open: f64, high: f64, low: f64, close: f64) -> Option<Self> {
        let positive =
            [open, high, low, close].iter().all(|price| *price > 0.0 && price.is_finite());
        let ordered = low <= open.min(close) && high >= open.max(close);
        (positive && ordered).then_some(Self { open, high, low, close })
    }
}

/// Checks that days follow each other within their month.
pub(super) fn check_days(days: &[DayTrade], month: Month) -> Result<(), TwseError> {
    if let Some(row) = days.iter().find(|row| row.day.month() != month) {
        return Err(TwseError::malformed(format!(
            "{} is not in {month}, which was asked for",
            row.day
        )));
    }
    match days.windows(2).find(|pair| pair[0].day >= pair[1].day) {
        Some(pair) => {
            let (first, next) = (pair[0].day, pair[1].day);
            Err(TwseError::malformed(format!("{next} stands after {first}")))
        }
        None => Ok(()),
    }
}
