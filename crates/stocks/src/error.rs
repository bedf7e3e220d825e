use cache_twse::best_four_points::TooFewDays;
use cache_twse::{Retry, Stock, TwseError, TwseErrorKind};
use tiers::error::Error;

/// Why there is no answer for a stock.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StockServiceError {
    /// The market refused, could not be asked, or has no such thing.
    #[error("{stock}: {source}")]
    Market {
        /// The stock.
        stock: Stock,
        /// What the market said.
        #[source]
        source: TwseError,
    },
    /// The stock has too few days of late for what is made of them.
    #[error("{stock}: {source}")]
    TooFewDays {
        /// The stock.
        stock: Stock,
        /// How many there are.
        #[source]
        source: TooFewDays,
    },
    /// The cache failed.
    #[error("{stock}: {source}")]
    Cache {
        /// The stock.
        stock: Stock,
        /// What went wrong.
        #[source]
        source: Box<Error>,
    },
}

impl StockServiceError {
    /// Which stock it is about.
    pub fn stock(&self) -> &Stock {
        match self {
            Self::Market { stock, .. }
            | Self::TooFewDays { stock, .. }
            | Self::Cache { stock, .. } => stock,
        }
    }

    /// What kind of failure the market's is, if it is the market's.
    pub fn kind(&self) -> Option<TwseErrorKind> {
        match self {
            Self::Market { source, .. } => Some(source.kind()),
            _ => None,
        }
    }

    /// Whether the same call is worth another try, and when.
    pub fn retry(&self) -> Retry {
        let day = std::time::Duration::from_secs(24 * 3600);
        match self {
            Self::Market { source, .. } => source.retry(),
            Self::TooFewDays { .. } => Retry::After(day),
            Self::Cache { source, .. } => match source.retry() {
                tiers::error::Retry::Later => Retry::After(std::time::Duration::from_secs(5)),
                _ => Retry::Never,
            },
        }
    }

    /// What a node's error means for a stock; what is known not to be there has this kind.
    pub(crate) fn of(stock: &Stock, error: Error, absent: TwseErrorKind) -> Self {
        let stock = stock.clone();
        if let Error::Load { source, .. } = &error {
            if let Some(source) = source.inner().downcast_ref::<TwseError>() {
                return Self::Market { stock, source: source.clone() };
            }
            if let Some(source) = source.inner().downcast_ref::<Self>() {
                return source.clone();
            }
        }
        match error {
            Error::Absent { .. } => {
                let source = TwseError::new(absent, "the market has no such thing");
                Self::Market { stock, source }
            }
            source => Self::Cache { stock, source: Box::new(source) },
        }
    }
}
