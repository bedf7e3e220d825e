use cache_twse::Stock;

use super::StockService;
use crate::error::StockServiceError;

/// So many stocks are warmed at once; progress is told after each.
const TOGETHER: usize = 5;

/// How far warming has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WarmProgress {
    /// Stocks of which everything is there now.
    pub warmed: usize,
    /// Stocks of which something could not be had.
    pub failed: usize,
    /// All stocks.
    pub total: usize,
}

/// What warming did.
#[derive(Clone, Debug)]
pub struct WarmReport {
    /// Stocks of which everything is there now.
    pub warmed: usize,
    /// Of each other stock the first error.
    pub failures: Vec<StockServiceError>,
}

impl StockService {
    /// Asks for what is missing of these stocks: quotes by one call, then the last `days` days and what
    /// they say. Told is how far it has come, on this task. Dropping the future ends it after what is
    /// under way.
    pub async fn warm(
        &self,
        stocks: &[Stock],
        days: u32,
        mut progress: impl FnMut(WarmProgress) + Send,
    ) -> WarmReport {
        let quotes = self.quotes(stocks).await;
        let mut failures = Vec::new();
        let mut warmed = 0;
        for (part, quotes) in stocks.chunks(TOGETHER).zip(quotes.chunks(TOGETHER)) {
            let histories = self.histories(part, days).await;
            let points = self.best_four_points(part).await;
            for ((quote, history), points) in quotes.iter().zip(histories).zip(points) {
                let error = quote.as_ref().err().cloned().or(history.err());
                // A stock may be too new for them.
                let points = points.err();
                let points =
                    points.filter(|it| !matches!(it, StockServiceError::TooFewDays { .. }));
                match error.or(points) {
                    Some(error) => failures.push(error),
                    None => warmed += 1,
                }
            }
            progress(WarmProgress { warmed, failed: failures.len(), total: stocks.len() });
        }
        WarmReport { warmed, failures }
    }
}
