use cache_series::key::{PriceType, SeriesKey};
use cache_series::venue::{VenueError, VenueErrorKind};

use super::NAME;
use super::service::Service;

/// The exchange's own form of a symbol, which its calls name.
///
/// `BTC/USDT`, `BTC-USDT`, `btcusdt` and `BTC/USDT:USDT` (with the settling currency behind the
/// colon) are `BTCUSDT`. An underscore stays, for it is part of dated futures' symbols
/// (`BTCUSD_PERP`); klines of an index are named by the pair before it.
pub(super) fn symbol(key: &SeriesKey, service: &Service) -> Result<String, VenueError> {
    let given = key.symbol();
    let pair = given.split(':').next().unwrap_or_default();
    let mut symbol = String::with_capacity(pair.len());
    for character in pair.chars().filter(|character| !"/-".contains(*character)) {
        if !character.is_alphanumeric() && character != '_' && character != '.' {
            return Err(unknown(given));
        }
        symbol.extend(character.to_uppercase());
    }
    if service.price == PriceType::Index
        && let Some(end) = symbol.find('_')
    {
        symbol.truncate(end);
    }
    if symbol.is_empty() { Err(unknown(given)) } else { Ok(symbol) }
}

fn unknown(given: &str) -> VenueError {
    let message = format!("{given:?} cannot be one of its symbols");
    VenueError::new(NAME, VenueErrorKind::UnknownSymbol, message)
}

#[cfg(test)]
mod tests {
    use cache_series::key::Market;
    use cache_series::time::Timeframe;

    use super::*;

    fn of(market: Market, price: PriceType, text: &str) -> Result<String, VenueErrorKind> {
        let key = SeriesKey::new("binance", text, Timeframe::Minute1).unwrap();
        let key = key.with_market(market).with_price(price);
        symbol(&key, &Service::of(&key).unwrap()).map_err(|error| error.kind())
    }

    #[test]
    fn every_way_of_writing_a_symbol_is_one() {
        for text in ["BTCUSDT", "btcusdt", "BTC/USDT", "BTC-USDT", "btc/usdt:usdt"] {
            let spot = of(Market::Spot, PriceType::Trade, text);
            assert_eq!(spot.as_deref(), Ok("BTCUSDT"), "{text}");
        }
        let dated = of(Market::Inverse, PriceType::Trade, "BTCUSD_PERP");
        assert_eq!(dated.as_deref(), Ok("BTCUSD_PERP"));
        let index = of(Market::Inverse, PriceType::Index, "BTCUSD_PERP");
        assert_eq!(index.as_deref(), Ok("BTCUSD"));
        assert_eq!(
            of(Market::Spot, PriceType::Trade, "币安人生USDT").as_deref(),
            Ok("币安人生USDT")
        );
    }

    #[test]
    fn what_can_be_no_symbol_is_unknown() {
        for text in ["/", ":USDT", "BTC USDT", "BTC&USDT", "BTC%"] {
            let spot = of(Market::Spot, PriceType::Trade, text);
            assert_eq!(spot, Err(VenueErrorKind::UnknownSymbol), "{text}");
        }
    }
}
