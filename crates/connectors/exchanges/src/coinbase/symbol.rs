use cache_series::key::SeriesKey;
use cache_series::venue::{VenueError, VenueErrorKind};

use super::NAME;

/// The currencies in which the exchange quotes prices, by which a symbol without a mark between its
/// two parts is divided: of two that fit, the longer.
const QUOTES: [&str; 10] = ["USDC", "USDT", "USD", "EUR", "GBP", "BTC", "ETH", "DAI", "SGD", "INR"];

/// The exchange's own form of a symbol, in which base and quote are told apart.
///
/// `BTC/USD`, `btc-usd` and `BTC/USD:USD` (with the settling currency behind the colon) are
/// `BTC-USD`, and so is `btcusd`.
pub(super) fn symbol(key: &SeriesKey) -> Result<String, VenueError> {
    let given = key.symbol();
    let pair = given.split(':').next().unwrap_or_default().to_ascii_uppercase();
    let parts = pair.split_once(['-', '/']).or_else(|| divided(&pair));
    let (base, quote) = parts.ok_or_else(|| {
        let message = format!("{given:?} does not tell where its base ends: write it as BTC-USD");
        VenueError::new(NAME, VenueErrorKind::UnknownSymbol, message)
    })?;
    let is_currency =
        |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if is_currency(base) && is_currency(quote) {
        Ok(format!("{base}-{quote}"))
    } else {
        let message = format!("{given:?} cannot be one of its symbols");
        Err(VenueError::new(NAME, VenueErrorKind::UnknownSymbol, message))
    }
}

fn divided(pair: &str) -> Option<(&str, &str)> {
    let quote = QUOTES.iter().find(|quote| pair.ends_with(*quote) && pair.len() > quote.len())?;
    pair.split_at_checked(pair.len() - quote.len())
}

/// Under which other symbol the feed may tell of one: what is quoted in USDC is traded in one book
/// with what is quoted in dollars, and told of by that ("WebSocket Channels"), but for two pairs.
pub(super) fn alias(symbol: &str) -> Option<String> {
    let base = symbol.strip_suffix("-USDC")?;
    let is_own = ["USDT", "EURC"].contains(&base);
    (!is_own).then(|| format!("{base}-USD"))
}

#[cfg(test)]
mod tests {
    use cache_series::time::Timeframe;

    use super::*;

    fn of(text: &str) -> Result<String, VenueErrorKind> {
        let key = SeriesKey::new("coinbase", text, Timeframe::Minute1).unwrap();
        symbol(&key).map_err(|error| error.kind())
    }

    #[test]
    fn every_way_of_writing_a_symbol_is_one() {
        for text in ["BTC-USD", "btc-usd", "BTC/USD", "btcusd", "BTCUSD", "btc/usd:usd"] {
            assert_eq!(of(text).as_deref(), Ok("BTC-USD"), "{text}");
        }
        for (text, expected) in [
            ("btcusdc", "BTC-USDC"),
            ("USDTUSDC", "USDT-USDC"),
            ("USDCEUR", "USDC-EUR"),
            ("1INCHUSD", "1INCH-USD"),
            ("00/USD", "00-USD"),
            ("CBETHETH", "CBETH-ETH"),
            ("WBTC-BTC", "WBTC-BTC"),
        ] {
            assert_eq!(of(text).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_can_be_no_symbol_is_unknown() {
        for text in [
            "/",
            "-USD",
            "BTC-",
            ":USD",
            "USD",
            "BTC",
            "BTCXYZ",
            "BTC USD",
            "BTC-USD-X",
            "BTC/USD?a=1",
            "BTC-USD/../time",
            "BTC_USD",
            "币安USD",
        ] {
            assert_eq!(of(text), Err(VenueErrorKind::UnknownSymbol), "{text}");
        }
    }

    #[test]
    fn what_is_quoted_in_usdc_is_told_of_in_dollars() {
        assert_eq!(alias("BTC-USDC").as_deref(), Some("BTC-USD"));
        for symbol in ["BTC-USD", "USDT-USDC", "EURC-USDC", "USDC-EUR"] {
            assert_eq!(alias(symbol), None, "{symbol}");
        }
    }
}
