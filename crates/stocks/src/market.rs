use std::fmt::Debug;

use async_trait::async_trait;
use cache_twse::client::Twse;
use cache_twse::daily::MonthHistory;
use cache_twse::quote::{Quote, QuoteUnit};
use cache_twse::text::Month;
use cache_twse::{Stock, TwseError};

/// Where stocks' data comes from. [`Twse`] is the markets themselves.
#[async_trait]
pub trait StockMarket: Debug + Send + Sync + 'static {
    /// A stock's days in one month, at least one.
    ///
    /// # Errors
    /// [`TwseError`]; [`NoData`](cache_twse::TwseErrorKind::NoData) where there is none, which is kept.
    async fn month(&self, stock: &Stock, month: Month) -> Result<MonthHistory, TwseError>;

    /// Whether anything may have been traded of a stock in a month, as far as is known without asking.
    ///
    /// # Errors
    /// [`TwseError`] that says why not.
    fn check(&self, stock: &Stock, month: Month) -> Result<(), TwseError> {
        let _ = (stock, month);
        Ok(())
    }

    /// Quotes in the order of `stocks`, one answer for each, by as few calls as can be.
    ///
    /// # Errors
    /// For each stock on its own: [`TwseError`];
    /// [`UnknownSymbol`](cache_twse::TwseErrorKind::UnknownSymbol) where there is no such stock, which
    /// is kept for a while.
    async fn quotes(&self, stocks: &[Stock], unit: QuoteUnit) -> Vec<Result<Quote, TwseError>>;
}

#[async_trait]
impl StockMarket for Twse {
    async fn month(&self, stock: &Stock, month: Month) -> Result<MonthHistory, TwseError> {
        Self::month(self, stock, month).await
    }

    fn check(&self, stock: &Stock, month: Month) -> Result<(), TwseError> {
        self.listings().check(stock, month)
    }

    async fn quotes(&self, stocks: &[Stock], unit: QuoteUnit) -> Vec<Result<Quote, TwseError>> {
        match unit {
            QuoteUnit::Lots => Self::quotes(self, stocks).await,
            QuoteUnit::Shares => self.odd_lot_quotes(stocks).await,
        }
    }
}
