use std::collections::BTreeMap;

use crate::error::{TwseError, TwseErrorKind};
use crate::stock::{Market, Stock};
use crate::text::{Day, Month};

/// Since when stocks are traded, and until when some were: data, for the markets say of all that they
/// do not have that nothing matches.
///
/// ```
/// use cache_twse::{Listings, TwseErrorKind};
///
/// let listings = Listings::parse("tse_2330 1994-09-05\notc_5820 - 2013-01-04 # went to the exchange\n")?;
/// let early = listings.check(&"tse_2330".parse()?, "1994-08".parse()?).unwrap_err();
/// assert_eq!(early.kind(), TwseErrorKind::BeforeListing);
/// let late = listings.check(&"otc_5820".parse()?, "2013-02".parse()?).unwrap_err();
/// assert_eq!(late.kind(), TwseErrorKind::Delisted);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Listings {
    stocks: BTreeMap<Stock, Listing>,
    /// The markets of which all stocks are here.
    whole: Vec<Market>,
}

/// Since when a stock is traded, and until when it was, where that is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// Its first day.
    pub first: Option<Day>,
    /// Its last day.
    pub last: Option<Day>,
}

/// A line of listings that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "line {line}: {text:?} is not a stock with its first and last day, such as `tse_2330 1994-09-05 -`"
)]
pub struct ListingError {
    /// The line's number, from 1.
    pub line: usize,
    /// The line.
    pub text: String,
}

impl Listings {
    /// Reads a line for each stock: its name, its first day and its last, a dash for what is not
    /// known. Behind `#` stands a remark.
    ///
    /// # Errors
    /// [`ListingError`] for the first line that cannot be read, or that contradicts itself.
    pub fn parse(data: &str) -> Result<Self, ListingError> {
        let mut listings = Self::default();
        for (line, text) in (1..).zip(data.lines()) {
            let plain = text.split('#').next().unwrap_or_default().trim();
            if plain.is_empty() {
                continue;
            }
            let refused = || ListingError { line, text: text.chars().take(80).collect() };
            let mut words = plain.split_whitespace();
            let stock = words.next().and_then(|word| word.parse().ok()).ok_or_else(refused)?;
            let mut day = || match words.next() {
                None | Some("-") => Ok(None),
                Some(word) => word.parse::<Day>().map(Some).map_err(|_| refused()),
            };
            let listing = Listing { first: day()?, last: day()? };
            let backwards =
                listing.first.zip(listing.last).is_some_and(|(first, last)| first > last);
            if words.next().is_some() || backwards {
                return Err(refused());
            }
            listings.stocks.insert(stock, listing);
        }
        Ok(listings)
    }

    /// Adds a stock, or what is known of it.
    pub fn with(mut self, stock: Stock, listing: Listing) -> Self {
        self.stocks.insert(stock, listing);
        self
    }

    /// Says that all stocks of a market are here, so that any other is unknown.
    pub fn with_whole(mut self, market: Market) -> Self {
        self.whole.push(market);
        self
    }

    /// What is known of a stock.
    pub fn get(&self, stock: &Stock) -> Option<Listing> {
        self.stocks.get(stock).copied()
    }

    /// Whether anything may have been traded of a stock in a month, as far as is known.
    ///
    /// # Errors
    /// [`TwseErrorKind::UnknownSymbol`], [`BeforeListing`](TwseErrorKind::BeforeListing) or
    /// [`Delisted`](TwseErrorKind::Delisted) if not.
    pub fn check(&self, stock: &Stock, month: Month) -> Result<(), TwseError> {
        let (kind, message) = match self.stocks.get(stock) {
            None if self.whole.contains(&stock.market()) => {
                (TwseErrorKind::UnknownSymbol, format!("there is no {stock}"))
            }
            Some(Listing { first: Some(first), .. }) if *first > month.last_day() => {
                (TwseErrorKind::BeforeListing, format!("{stock} is listed since {first}"))
            }
            Some(Listing { last: Some(last), .. }) if *last < month.first_day() => {
                (TwseErrorKind::Delisted, format!("{stock} was listed until {last}"))
            }
            _ => return Ok(()),
        };
        Err(TwseError::new(kind, message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Retry;

    #[test]
    fn what_is_known_is_told_and_nothing_else() {
        let data =
            "# all of them\ntse_2330 1994-09-05\ntse_1111 2000-01-03 2020-06-30\ntse_2222 -\n";
        let listings = Listings::parse(data).unwrap();
        let check = |listings: &Listings, stock: &str, month: &str| {
            let answer = listings.check(&stock.parse().unwrap(), month.parse().unwrap());
            answer.map_err(|error| (error.kind(), error.retry()))
        };
        use TwseErrorKind::*;
        for (stock, month, kind) in [
            ("tse_2330", "1994-08", Some(BeforeListing)),
            ("tse_2330", "1994-09", None),
            ("tse_1111", "2020-06", None),
            ("tse_1111", "2020-07", Some(Delisted)),
            ("tse_2222", "1990-01", None),
            ("tse_3333", "2020-01", None),
        ] {
            let expected = kind.map_or(Ok(()), |kind| Err((kind, Retry::Never)));
            assert_eq!(check(&listings, stock, month), expected, "{stock} {month}");
        }
        let whole = listings.with_whole(Market::Listed);
        assert_eq!(check(&whole, "tse_3333", "2020-01"), Err((UnknownSymbol, Retry::Never)));
        assert_eq!(check(&whole, "otc_3333", "2020-01"), Ok(()));
    }

    #[test]
    fn what_cannot_be_read_names_its_line() {
        for data in ["2330", "tse_2330 today", "tse_2330 - - -", "tse_2330 2020-01-02 2020-01-01"] {
            assert_eq!(Listings::parse(&format!("\n{data}")).unwrap_err().line, 2, "{data}");
        }
    }
}
