use cache_series::key::{Market, PriceType, SeriesKey};
use cache_series::venue::{VenueError, VenueErrorKind};

use super::NAME;

/// Currencies that a symbol without a hyphen may end with. The longest that fits is meant.
const QUOTES: [&str; 14] = [
    "USDT", "USDC", "USDG", "USD", "EUR", "BTC", "ETH", "OKB", "DAI", "TRY", "BRL", "AUD", "AED",
    "SGD",
];

/// The exchange's own form of a symbol, as its calls name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Symbol {
    /// `BTC-USDT`, `BTC-USDT-SWAP`, `BTC-USD-240329`; of an index `BTC-USDT`.
    pub(super) text: String,
    /// The exchange's word for what kind of instrument it is.
    pub(super) kind: &'static str,
}

/// The exchange's own form of a key's symbol.
///
/// `BTC-USDT`, `BTC/USDT`, `btcusdt` and `BTC/USDT:USDT` (with the settling currency behind the
/// colon) are one; in a market of contracts they are the perpetual one, which may be written
/// `BTC-USDT-SWAP` as well. Dated ones are `BTC-USD-240329` or `BTC/USD:BTC-240329`. Contracts
/// quoted in dollars are settled in the base currency (inverse), all others in the quoted one.
pub(super) fn symbol(key: &SeriesKey) -> Result<Symbol, VenueError> {
    let given = key.symbol();
    let (pair, settled) = given.split_once(':').unwrap_or((given, ""));
    let pair = pair.to_ascii_uppercase().replace('/', "-");
    let mut parts: Vec<&str> = if pair.contains('-') {
        pair.split('-').collect()
    } else {
        split(&pair).ok_or_else(|| unsplit(given))?.into()
    };
    if let Some((_, date)) = settled.split_once('-') {
        parts.push(date);
    }
    let is_contract = key.market() != Market::Spot;
    let is_word = |part: &&str| {
        let is_fit = |byte: u8| byte.is_ascii_alphanumeric() || (is_contract && byte == b'_');
        !part.is_empty() && part.bytes().all(is_fit)
    };
    if !parts.iter().all(is_word) {
        return Err(unknown(given, "cannot be one of its symbols"));
    }
    let (base, quote, expiry) = match parts[..] {
        [base, quote] => (base, quote, None),
        [base, quote, expiry] if is_contract => (base, quote, Some(expiry)),
        [_, _, _] => return Err(unknown(given, "is a contract, and none of market spot")),
        _ => return Err(unknown(given, "cannot be one of its symbols")),
    };
    let kind = match expiry {
        None if is_contract => "SWAP",
        None => "SPOT",
        Some("SWAP") => "SWAP",
        Some(date) if date.len() == 6 && date.bytes().all(|byte| byte.is_ascii_digit()) => {
            "FUTURES"
        }
        Some(_) => return Err(unknown(given, "is neither a perpetual contract nor a dated one")),
    };
    match key.market() {
        Market::Linear if quote == "USD" => {
            return Err(unknown(given, "is settled in its base currency: of market inverse"));
        }
        Market::Inverse if quote != "USD" => {
            return Err(unknown(given, "is settled in its quoted currency: of market linear"));
        }
        _ => {}
    }
    let text = if key.price() == PriceType::Index {
        // What follows an underscore tells contracts of one index apart.
        let quote = quote.split('_').next().unwrap_or(quote);
        format!("{base}-{quote}")
    } else if is_contract {
        format!("{base}-{quote}-{}", expiry.unwrap_or(kind))
    } else {
        format!("{base}-{quote}")
    };
    Ok(Symbol { text, kind })
}

/// The two currencies of a pair that is written in one.
fn split(pair: &str) -> Option<[&str; 2]> {
    let fits = QUOTES.into_iter().filter_map(|quote| Some((pair.strip_suffix(quote)?, quote)));
    let (base, quote) =
        fits.filter(|(base, _)| !base.is_empty()).max_by_key(|(_, quote)| quote.len())?;
    Some([base, quote])
}

fn unsplit(given: &str) -> VenueError {
    unknown(given, "does not tell where its quoted currency begins: write a hyphen before it")
}

fn unknown(given: &str, what: &str) -> VenueError {
    VenueError::new(NAME, VenueErrorKind::UnknownSymbol, format!("{given:?} {what}"))
}

#[cfg(test)]
mod tests {
    use cache_series::time::Timeframe;

    use super::*;

    fn of(market: Market, text: &str) -> Result<(String, &'static str), VenueErrorKind> {
        let key = SeriesKey::new("okx", text, Timeframe::Minute1).unwrap().with_market(market);
        symbol(&key).map(|it| (it.text, it.kind)).map_err(|error| error.kind())
    }

    #[test]
    fn every_way_of_writing_a_symbol_is_one() {
        let ok = |text: &str, kind| Ok((text.to_owned(), kind));
        for text in ["BTC-USDT", "btc-usdt", "BTC/USDT", "btcusdt", "BTCUSDT", "btc/usdt:usdt"] {
            assert_eq!(of(Market::Spot, text), ok("BTC-USDT", "SPOT"), "{text}");
            assert_eq!(of(Market::Linear, text), ok("BTC-USDT-SWAP", "SWAP"), "{text}");
        }
        for text in ["BTC-USD-SWAP", "btc-usd-swap", "BTCUSD", "BTC/USD:BTC", "BTC-USD"] {
            assert_eq!(of(Market::Inverse, text), ok("BTC-USD-SWAP", "SWAP"), "{text}");
        }
        for text in ["BTC-USD-240329", "BTC/USD:BTC-240329"] {
            assert_eq!(of(Market::Inverse, text), ok("BTC-USD-240329", "FUTURES"), "{text}");
        }
        assert_eq!(of(Market::Linear, "BTC-USD_UM-SWAP"), ok("BTC-USD_UM-SWAP", "SWAP"));
        assert_eq!(of(Market::Spot, "ETHBTC"), ok("ETH-BTC", "SPOT"));
        assert_eq!(of(Market::Spot, "USDTUSDC"), ok("USDT-USDC", "SPOT"));
        assert_eq!(of(Market::Spot, "1INCH-USDT"), ok("1INCH-USDT", "SPOT"));
    }

    #[test]
    fn what_cannot_be_a_symbol_of_the_market_is_unknown() {
        use Market::*;
        for (market, text) in [
            (Spot, "-"),
            (Spot, ":USDT"),
            (Spot, "BTC USDT"),
            (Spot, "BTC-USDT&x=1"),
            (Spot, "BTC_USDT"),
            (Spot, "BTC-USD_UM"),
            (Spot, "USDT"),
            (Spot, "BTCXYZ"),
            (Spot, "BTC-"),
            (Spot, "BTC-USDT-SWAP"),
            (Linear, "BTC-USD-SWAP"),
            (Inverse, "BTC-USDT-SWAP"),
            (Linear, "BTC-USDT-SPOT"),
            (Linear, "BTC-USDT-24032"),
            (Inverse, "BTC-USD-240329-60000-C"),
        ] {
            assert_eq!(of(market, text), Err(VenueErrorKind::UnknownSymbol), "{market} {text}");
        }
    }

    #[test]
    fn an_index_is_named_by_its_pair() {
        let of = |market, text| {
            let key = SeriesKey::new("okx", text, Timeframe::Minute1).unwrap();
            symbol(&key.with_market(market).with_price(PriceType::Index)).unwrap().text
        };
        assert_eq!(of(Market::Linear, "BTC-USDT-SWAP"), "BTC-USDT");
        assert_eq!(of(Market::Linear, "BTC-USD_UM-SWAP"), "BTC-USD");
        assert_eq!(of(Market::Inverse, "BTC-USD-240329"), "BTC-USD");
        assert_eq!(of(Market::Inverse, "btcusd"), "BTC-USD");
    }
}
