use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Which of the two markets a stock is traded in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Market {
    /// The Taiwan Stock Exchange.
    Listed,
    /// The Taipei Exchange: traded over the counter.
    OverTheCounter,
}

/// A stock: its market and its code, in upper case. As text `tse_2330` or `otc_6488`, as realtime
/// quotes name it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Stock {
    market: Market,
    code: String,
}

/// A text that names no stock.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a stock such as tse_2330 or otc_6488")]
pub struct StockError {
    /// The text as given.
    pub text: String,
}

impl Market {
    /// The word for it in realtime quotes: `tse` or `otc`.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Listed => "tse",
            Self::OverTheCounter => "otc",
        }
    }
}

impl Stock {
    /// A stock by its code: four to six letters and digits of ASCII, the first a digit.
    ///
    /// # Errors
    /// [`StockError`] for any other text. It is not asked whether there is such a stock.
    pub fn new(market: Market, code: &str) -> Result<Self, StockError> {
        let valid = (4..=6).contains(&code.len())
            && code.bytes().all(|byte| byte.is_ascii_alphanumeric())
            && code.as_bytes()[0].is_ascii_digit();
        if !valid {
            return Err(StockError { text: code.to_owned() });
        }
        Ok(Self { market, code: code.to_ascii_uppercase() })
    }

    /// Its market.
    pub fn market(&self) -> Market {
        self.market
    }

    /// Its code in that market.
    pub fn code(&self) -> &str {
        &self.code
    }
}

impl fmt::Display for Stock {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}_{}", self.market.word(), self.code)
    }
}

impl fmt::Debug for Stock {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

impl FromStr for Stock {
    type Err = StockError;

    fn from_str(text: &str) -> Result<Self, StockError> {
        let refused = || StockError { text: text.to_owned() };
        let (market, code) = text.split_once('_').ok_or_else(refused)?;
        let market = match market {
            "tse" => Market::Listed,
            "otc" => Market::OverTheCounter,
            _ => return Err(refused()),
        };
        Self::new(market, code).map_err(|_| refused())
    }
}

impl From<Stock> for String {
    fn from(stock: Stock) -> Self {
        stock.to_string()
    }
}

impl TryFrom<String> for Stock {
    type Error = StockError;

    fn try_from(text: String) -> Result<Self, StockError> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stock_reads_what_it_writes_and_nothing_else() {
        for text in ["tse_2330", "otc_6488", "tse_00878", "tse_00679B"] {
            assert_eq!(text.parse::<Stock>().unwrap().to_string(), text);
        }
        assert_eq!(Stock::new(Market::Listed, "00679b").unwrap().code(), "00679B");
        for text in [
            "",
            "2330",
            "tse_",
            "tse_233",
            "tse_2330000",
            "nyse_2330",
            "tse_23 0",
            "tse_台積電電",
            "tse_ABCD",
        ] {
            assert!(text.parse::<Stock>().is_err(), "{text}");
        }
    }
}
