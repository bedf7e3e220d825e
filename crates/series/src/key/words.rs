use super::SeriesKeyError;

/// Enums whose variants are words of a key.
macro_rules! words {
    ($(#[$about:meta])* $name:ident, $part:literal, {
        $($(#[$says:meta])* $variant:ident = $text:literal,)+
    }) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum $name {
            $($(#[$says])* $variant,)+
        }

        impl $name {
            /// All there are.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The word as it stands in keys.
            pub const fn text(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)+
                }
            }
        }

        impl std::str::FromStr for $name {
            type Err = SeriesKeyError;

            fn from_str(text: &str) -> Result<Self, SeriesKeyError> {
                match text {
                    $($text => Ok(Self::$variant),)+
                    _ => Err(SeriesKeyError::Word { part: $part, text: text.to_owned() }),
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.pad(self.text())
            }
        }
    };
}

words! {
    /// Which of a venue's worlds the data is of. What one of them says is never kept as another's.
    Environment, "environment", {
        /// Where money is made and lost.
        #[default]
        Live = "live",
        /// The venue's place for tests.
        Testnet = "testnet",
        /// The venue's place for exercise with live prices.
        Demo = "demo",
        /// A recording that is played again, or prices that were made up.
        Replay = "replay",
    }
}

words! {
    /// Which of a venue's markets.
    Market, "market", {
        /// Bought and delivered at once.
        #[default]
        Spot = "spot",
        /// Futures and perpetuals settled in the quoted currency.
        Linear = "linear",
        /// Futures and perpetuals settled in the base currency.
        Inverse = "inverse",
        /// Options.
        Options = "options",
        /// Shares.
        Stock = "stock",
        /// Currencies.
        Forex = "forex",
        /// Indices.
        Index = "index",
    }
}

words! {
    /// Which price the rows are made of.
    PriceType, "price type", {
        /// That of trades.
        #[default]
        Trade = "trade",
        /// The venue's mark price.
        Mark = "mark",
        /// The price of the index below a derivative.
        Index = "index",
        /// The best bid.
        Bid = "bid",
        /// The best ask.
        Ask = "ask",
        /// Between bid and ask.
        Mid = "mid",
        /// The premium of a perpetual over its index.
        Premium = "premium",
    }
}

words! {
    /// For what prices of the past were corrected.
    Adjustment, "adjustment", {
        /// For nothing: as traded.
        #[default]
        Raw = "raw",
        /// For splits.
        Splits = "splits",
        /// For splits and dividends.
        Total = "total",
    }
}
