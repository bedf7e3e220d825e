use std::fmt;
use std::str::FromStr;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use xxhash_rust::xxh3::xxh3_128;

use super::{Adjustment, Environment, Market, PriceType};
use crate::time::{Timeframe, TimeframeError};

/// The longest name of a venue in bytes.
pub const VENUE_BYTES_MAX: usize = 32;
/// The longest symbol in bytes.
pub const SYMBOL_BYTES_MAX: usize = 64;

/// What stands as it is in the symbol of a key's text; the rest is percent-encoded, with `~` for `%`,
/// which keys of storages would escape again.
const KEPT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.');

/// What a series is: everything by which two histories may differ.
///
/// Venues are named without regard to case; symbols are kept as they are, for there are venues
/// where the case of one matters.
///
/// ```
/// use cache_series::key::{Environment, SeriesKey};
/// use cache_series::time::Timeframe;
///
/// let key = SeriesKey::new("Binance", "BTCUSDT", Timeframe::Minute1)?;
/// assert_eq!(key.to_string(), "binance/live/spot/trade/BTCUSDT/1m/raw");
/// assert_eq!(key.to_string().parse(), Ok(key.clone()));
/// assert_ne!(key.clone().with_environment(Environment::Testnet), key);
/// # Ok::<(), cache_series::key::SeriesKeyError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SeriesKey {
    venue: String,
    environment: Environment,
    market: Market,
    price: PriceType,
    symbol: String,
    timeframe: Timeframe,
    adjustment: Adjustment,
}

/// Why a key or its text was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SeriesKeyError {
    /// A venue that is not made of ASCII letters, digits, `-`, `_` and `.`, or is empty or too long.
    #[error("{text:?} is not the name of a venue: 1 to 32 of a-z, 0-9, '-', '_' and '.'")]
    Venue {
        /// The text as given.
        text: String,
    },
    /// A symbol that is empty, too long, or holds control characters.
    #[error("{text:?} is not a symbol: 1 to 64 bytes without control characters")]
    Symbol {
        /// The text as given.
        text: String,
    },
    /// A word that the part does not know.
    #[error("{text:?} is not a known {part}")]
    Word {
        /// Which part of the key.
        part: &'static str,
        /// The text as given.
        text: String,
    },
    /// A timeframe that does not exist.
    #[error(transparent)]
    Timeframe(#[from] TimeframeError),
    /// A text without the seven parts of a key, or not as keys print themselves.
    #[error("{text:?} is not the text of a series key")]
    Text {
        /// The text as given.
        text: String,
    },
}

impl SeriesKey {
    /// Prices of live spot trades, unadjusted; the `with_` methods say otherwise.
    ///
    /// # Errors
    /// [`SeriesKeyError`] if venue or symbol is not valid.
    pub fn new(venue: &str, symbol: &str, timeframe: Timeframe) -> Result<Self, SeriesKeyError> {
        let named = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        if venue.is_empty() || venue.len() > VENUE_BYTES_MAX || !venue.bytes().all(named) {
            return Err(SeriesKeyError::Venue { text: venue.to_owned() });
        }
        let too_long = symbol.is_empty() || symbol.len() > SYMBOL_BYTES_MAX;
        if too_long || symbol.chars().any(char::is_control) {
            return Err(SeriesKeyError::Symbol { text: symbol.to_owned() });
        }
        Ok(Self {
            venue: venue.to_ascii_lowercase(),
            environment: Environment::default(),
            market: Market::default(),
            price: PriceType::default(),
            symbol: symbol.to_owned(),
            timeframe,
            adjustment: Adjustment::default(),
        })
    }

    /// The same of another environment.
    pub fn with_environment(mut self, environment: Environment) -> Self {
        self.environment = environment;
        self
    }

    /// The same of another venue and environment.
    ///
    /// # Errors
    /// [`SeriesKeyError::Venue`] if the name is not valid.
    pub fn of_venue(&self, venue: &str, environment: Environment) -> Result<Self, SeriesKeyError> {
        let named = Self::new(venue, &self.symbol, self.timeframe)?;
        Ok(Self { venue: named.venue, environment, ..self.clone() })
    }

    /// The same of another market.
    pub fn with_market(mut self, market: Market) -> Self {
        self.market = market;
        self
    }

    /// The same of another price.
    pub fn with_price(mut self, price: PriceType) -> Self {
        self.price = price;
        self
    }

    /// The same in another timeframe.
    pub fn with_timeframe(mut self, timeframe: Timeframe) -> Self {
        self.timeframe = timeframe;
        self
    }

    /// The same with prices corrected otherwise.
    pub fn with_adjustment(mut self, adjustment: Adjustment) -> Self {
        self.adjustment = adjustment;
        self
    }

    /// The venue, in lower case.
    pub fn venue(&self) -> &str {
        &self.venue
    }

    /// Which of the venue's worlds.
    pub fn environment(&self) -> Environment {
        self.environment
    }

    /// Which of its markets.
    pub fn market(&self) -> Market {
        self.market
    }

    /// Which price.
    pub fn price(&self) -> PriceType {
        self.price
    }

    /// The symbol as it was given.
    pub fn symbol(&self) -> &str {
        &self.symbol
    }

    /// How much time a row covers.
    pub fn timeframe(&self) -> Timeframe {
        self.timeframe
    }

    /// For what prices were corrected.
    pub fn adjustment(&self) -> Adjustment {
        self.adjustment
    }

    /// A symbol as it stands in texts of keys; `None` if no key can have it.
    pub(crate) fn encoded_symbol(symbol: &str) -> Option<String> {
        let valid = Self::new("-", symbol, Timeframe::Minute1).is_ok();
        valid.then(|| utf8_percent_encode(symbol, KEPT).to_string().replace('%', "~"))
    }

    /// 128 bits that stand for the key: XXH3 of its text, the same in every release.
    pub fn digest(&self) -> u128 {
        xxh3_128(self.to_string().as_bytes())
    }
}

impl fmt::Display for SeriesKey {
    /// The text of stored keys: at most 300 bytes, all of them printable ASCII.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let symbol = utf8_percent_encode(&self.symbol, KEPT).to_string().replace('%', "~");
        let Self { venue, environment, market, price, timeframe, adjustment, .. } = self;
        let timeframe = timeframe.key_text();
        write!(
            formatter,
            "{venue}/{environment}/{market}/{price}/{symbol}/{timeframe}/{adjustment}"
        )
    }
}

impl FromStr for SeriesKey {
    type Err = SeriesKeyError;

    fn from_str(text: &str) -> Result<Self, SeriesKeyError> {
        let refused = || SeriesKeyError::Text { text: text.to_owned() };
        let parts: Vec<&str> = text.split('/').collect();
        let [venue, environment, market, price, symbol, timeframe, adjustment] = parts[..] else {
            return Err(refused());
        };
        let symbol = symbol.replace('~', "%");
        let symbol = percent_decode_str(&symbol).decode_utf8().map_err(|_| refused())?;
        let key = Self::new(venue, &symbol, timeframe.parse()?)?
            .with_environment(environment.parse()?)
            .with_market(market.parse()?)
            .with_price(price.parse()?)
            .with_adjustment(adjustment.parse()?);
        // One key has one text, or a digest of it would say nothing.
        if key.to_string() == text { Ok(key) } else { Err(refused()) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::sample::select;

    use super::*;

    fn key() -> impl Strategy<Value = SeriesKey> {
        let words = (
            select(Environment::ALL),
            select(Market::ALL),
            select(PriceType::ALL),
            select(Adjustment::ALL),
        );
        let timeframe = select(Timeframe::all().collect::<Vec<_>>());
        ("[A-Za-z0-9._-]{1,4}", "[A-Za-z/:%~é ]{1,5}", timeframe, words).prop_map(
            |(venue, symbol, timeframe, (environment, market, price, adjustment))| {
                SeriesKey::new(&venue, &symbol, timeframe)
                    .unwrap()
                    .with_environment(environment)
                    .with_market(market)
                    .with_price(price)
                    .with_adjustment(adjustment)
            },
        )
    }

    proptest! {
        #[test]
        fn a_text_is_of_one_key(one in key(), other in key()) {
            prop_assert_eq!(one.to_string().parse(), Ok(one.clone()));
            prop_assert_eq!(one == other, one.to_string() == other.to_string());
            prop_assert_eq!(one == other, one.digest() == other.digest());
            prop_assert!(one.to_string().bytes().all(|byte| byte.is_ascii_graphic()));
        }

        #[test]
        fn any_text_is_a_key_or_a_typed_error(text in "\\PC{0,60}", near in key(), cut in 0usize..60) {
            let _ = text.parse::<SeriesKey>();
            let near = near.to_string();
            if cut < near.len() {
                prop_assert!(near[..cut].parse::<SeriesKey>().is_err());
            }
        }
    }

    #[test]
    fn the_digest_is_the_same_in_every_release() {
        let key = SeriesKey::new("binance", "BTC/USDT", Timeframe::Month1).unwrap();
        assert_eq!(key.to_string(), "binance/live/spot/trade/BTC~2FUSDT/1mo/raw");
        assert_eq!(key.digest(), xxh3_128(b"binance/live/spot/trade/BTC~2FUSDT/1mo/raw"));
    }

    /// Bug 3 of the model: its keys were lower-cased, symbol and timeframe alike.
    #[test]
    fn bug_3_case_of_timeframe_and_symbol_is_kept() {
        let minute = SeriesKey::new("okx", "kPEPE", Timeframe::Minute1).unwrap();
        let month = minute.clone().with_timeframe(Timeframe::Month1);
        assert_ne!(minute.to_string().to_lowercase(), month.to_string().to_lowercase());
        assert_ne!(minute, SeriesKey::new("okx", "KPEPE", Timeframe::Minute1).unwrap());
        assert_eq!(minute, SeriesKey::new("OKX", "kPEPE", Timeframe::Minute1).unwrap());
    }

    /// Bug 10 of the model: what a test venue said was kept under the key of the live one.
    #[test]
    fn bug_10_environments_have_keys_of_their_own() {
        let live = SeriesKey::new("binance", "BTCUSDT", Timeframe::Minute1).unwrap();
        let keys: std::collections::BTreeSet<String> = Environment::ALL
            .iter()
            .map(|environment| live.clone().with_environment(*environment).to_string())
            .collect();
        assert_eq!(keys.len(), Environment::ALL.len());
    }

    #[test]
    fn what_is_no_name_is_refused() {
        let new = |venue: &str, symbol: &str| SeriesKey::new(venue, symbol, Timeframe::Day1);
        for venue in ["", "a/b", "a:b", "é", &"a".repeat(33)] {
            assert!(matches!(new(venue, "X"), Err(SeriesKeyError::Venue { .. })), "{venue}");
        }
        for symbol in ["", "a\nb", &"a".repeat(65)] {
            assert!(matches!(new("a", symbol), Err(SeriesKeyError::Symbol { .. })), "{symbol}");
        }
        let longest = new(&"v".repeat(32), &"/".repeat(64)).unwrap();
        assert!(longest.to_string().len() <= 300);
        assert!("A/live/spot/trade/X/1d/raw".parse::<SeriesKey>().is_err(), "not as it prints");
        assert!("a/live/spot/trade/X/1M/raw".parse::<SeriesKey>().is_err(), "not as it prints");
        assert!("a/moon/spot/trade/X/1d/raw".parse::<SeriesKey>().is_err());
    }
}
