use cache_series::key::SeriesKey;
use cache_series::venue::{VenueError, VenueErrorKind};

use super::NAME;

/// The exchange's own form of a symbol.
///
/// `BTC/USDT`, `btcusdt` and `BTC/USDT:USDT` (with the settling currency behind the colon) are
/// `BTCUSDT`. A hyphen stays where a date follows, for it is part of dated contracts' symbols
/// (`BTC-29MAR24`), and is otherwise one way of writing a pair (`BTC-USDT`).
pub(super) fn symbol(key: &SeriesKey) -> Result<String, VenueError> {
    let given = key.symbol();
    let pair = given.split(':').next().unwrap_or_default();
    let is_dated = pair
        .split_once('-')
        .is_some_and(|(_, rest)| rest.starts_with(|character: char| character.is_ascii_digit()));
    let mut symbol = String::with_capacity(pair.len());
    for character in pair.chars() {
        match character {
            '/' => {}
            '-' if is_dated => symbol.push('-'),
            '-' => {}
            _ if character.is_ascii_alphanumeric() => symbol.push(character.to_ascii_uppercase()),
            _ => return Err(unknown(given)),
        }
    }
    if symbol.is_empty() { Err(unknown(given)) } else { Ok(symbol) }
}

fn unknown(given: &str) -> VenueError {
    let message = format!("{given:?} cannot be one of its symbols");
    VenueError::new(NAME, VenueErrorKind::UnknownSymbol, message)
}

#[cfg(test)]
mod tests {
    use cache_series::time::Timeframe;

    use super::*;

    fn of(text: &str) -> Result<String, VenueErrorKind> {
        let key = SeriesKey::new("bybit", text, Timeframe::Minute1).unwrap();
        symbol(&key).map_err(|error| error.kind())
    }

    #[test]
    fn every_way_of_writing_a_symbol_is_one() {
        for text in ["BTCUSDT", "btcusdt", "BTC/USDT", "BTC-USDT", "btc/usdt:usdt"] {
            assert_eq!(of(text).as_deref(), Ok("BTCUSDT"), "{text}");
        }
        assert_eq!(of("btc-29mar24").as_deref(), Ok("BTC-29MAR24"));
        assert_eq!(of("1000PEPEUSDT").as_deref(), Ok("1000PEPEUSDT"));
        for text in ["/", ":USDT", "BTC USDT", "BTC&USDT", "BTC%", "BTC_USDT"] {
            assert_eq!(of(text), Err(VenueErrorKind::UnknownSymbol), "{text}");
        }
    }
}
