use std::collections::BTreeSet;

use cache_series::key::SeriesKey;
use cache_series::venue::{VenueError, VenueErrorKind};

use super::NAME;

/// A pair of assets, by the names that the exchange's newer services call them by: `BTC`, `USD`.
///
/// `BTC/USD`, `btc-usd` and `BTC/USD:USD` (with the settling currency behind the colon) are one
/// pair, and so are the exchange's older names of it, `XBT/USD` and `XXBTZUSD`. Of other names in
/// one piece (`XBTUSD`) nobody can tell where the first asset ends without asking the exchange:
/// `ADAUSD` may be `ADA` in `USD` or `AD` in `AUSD`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Pair {
    /// What is traded, and in what.
    Split { base: String, quote: String },
    /// Both in one piece, in capitals.
    Joined(String),
}

/// Assets that once were named with a letter before them.
const LONG_NAMES: [&str; 18] = [
    "XXBT", "XXDG", "XETH", "XLTC", "XXRP", "XXLM", "XETC", "XZEC", "XXMR", "XREP", "XMLN", "ZUSD",
    "ZEUR", "ZGBP", "ZCAD", "ZJPY", "ZAUD", "ZKRW",
];
/// Assets that the exchange's calls name otherwise than its feeds and everybody else.
const OTHER_NAMES: [(&str, &str); 2] = [("XBT", "BTC"), ("XDG", "DOGE")];

/// The newer name of an asset.
fn newer(asset: &str) -> &str {
    let short = if LONG_NAMES.contains(&asset) { asset.split_at(1).1 } else { asset };
    OTHER_NAMES.iter().find(|(older, _)| *older == short).map_or(short, |(_, newer)| newer)
}

/// The name of an asset in the exchange's calls.
fn older(asset: &str) -> &str {
    OTHER_NAMES.iter().find(|(_, newer)| *newer == asset).map_or(asset, |(older, _)| older)
}

/// The pair that a series is about.
pub(super) fn symbol(key: &SeriesKey) -> Result<Pair, VenueError> {
    let given = key.symbol();
    Pair::read(given).ok_or_else(|| {
        let message = format!("{given:?} cannot be one of its symbols");
        VenueError::new(NAME, VenueErrorKind::UnknownSymbol, message)
    })
}

impl Pair {
    /// Reads any way of writing a pair.
    pub(super) fn read(text: &str) -> Option<Self> {
        let text = text.split(':').next().unwrap_or_default().to_ascii_uppercase();
        let is_asset =
            |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if let Some((base, quote)) = text.split_once(['/', '-']) {
            let split = || Self::Split { base: newer(base).into(), quote: newer(quote).into() };
            return (is_asset(base) && is_asset(quote)).then(split);
        }
        if !is_asset(&text) {
            return None;
        }
        if text.len() == 8 {
            let (base, quote) = text.split_at(4);
            if LONG_NAMES.contains(&base) && LONG_NAMES.contains(&quote) {
                return Some(Self::Split { base: newer(base).into(), quote: newer(quote).into() });
            }
        }
        Some(Self::Joined(text))
    }

    /// As the exchange's calls name it: `XBTUSD`.
    pub(super) fn for_calls(&self) -> String {
        match self {
            Self::Split { base, quote } => format!("{}{}", older(base), older(quote)),
            Self::Joined(text) => {
                let mut text = text.clone();
                for (older, newer) in OTHER_NAMES {
                    if let Some(quote) = text.strip_prefix(newer).filter(|it| !it.is_empty()) {
                        text = format!("{older}{quote}");
                    }
                    if let Some(base) = text.strip_suffix(newer).filter(|it| !it.is_empty()) {
                        text = format!("{base}{older}");
                    }
                }
                text
            }
        }
    }

    /// As the exchange's feeds name it: `BTC/USD`; `None` where it is not known what its assets are.
    pub(super) fn for_feeds(&self) -> Option<String> {
        match self {
            Self::Split { base, quote } => Some(format!("{base}/{quote}")),
            Self::Joined(_) => None,
        }
    }

    /// Whether one of the exchange's own names can be this pair: `XXBTZUSD`, `XBTUSDT`.
    pub(super) fn is(&self, name: &str) -> bool {
        if !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'.') {
            return false;
        }
        let name = name.to_ascii_uppercase();
        let theirs = readings(&name);
        match self {
            Self::Split { base, quote } => theirs.contains(&format!("{base}{quote}")),
            Self::Joined(text) => *text == name || !readings(text).is_disjoint(&theirs),
        }
    }
}

/// What a name in one piece may be, by newer names: one for every place where the first asset may
/// end. The name is ASCII.
fn readings(name: &str) -> BTreeSet<String> {
    let places = 1..name.len().max(1);
    places
        .map(|place| {
            let (base, quote) = name.split_at(place);
            format!("{}{}", newer(base), newer(quote))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use cache_series::time::Timeframe;
    use proptest::prelude::*;

    use super::*;

    fn of(text: &str) -> Result<Pair, VenueErrorKind> {
        let key = SeriesKey::new("kraken", text, Timeframe::Minute1).unwrap();
        symbol(&key).map_err(|error| error.kind())
    }

    #[test]
    fn every_way_of_writing_a_pair_is_one() {
        for text in [
            "BTC/USD",
            "BTC-USD",
            "btc/usd",
            "btc/usd:usd",
            "XBT/USD",
            "XBT-USD",
            "XXBTZUSD",
            "xxbtzusd",
            "XXBT/ZUSD",
        ] {
            let pair = of(text).unwrap();
            assert_eq!(pair.for_calls(), "XBTUSD", "{text}");
            assert_eq!(pair.for_feeds().as_deref(), Some("BTC/USD"), "{text}");
        }
        for text in ["BTCUSD", "btcusd", "XBTUSD"] {
            let pair = of(text).unwrap();
            assert_eq!((pair.for_calls().as_str(), pair.for_feeds()), ("XBTUSD", None), "{text}");
        }
    }

    #[test]
    fn assets_keep_their_own_letters() {
        for (text, calls, feeds) in [
            ("DOGE/USD", "XDGUSD", Some("DOGE/USD")),
            ("XDGUSD", "XDGUSD", None),
            ("DOGEBTC", "XDGXBT", None),
            ("WBTC/BTC", "WBTCXBT", Some("WBTC/BTC")),
            ("WBTCBTC", "WBTCXBT", None),
            // No old name, though it ends like one.
            ("XTZUSD", "XTZUSD", None),
            ("XTZ/USD", "XTZUSD", Some("XTZ/USD")),
            ("ZETA/USD", "ZETAUSD", Some("ZETA/USD")),
            ("XETHXXBT", "ETHXBT", Some("ETH/BTC")),
            ("USDTZUSD", "USDTZUSD", None),
        ] {
            let pair = of(text).unwrap();
            assert_eq!((pair.for_calls().as_str(), pair.for_feeds().as_deref()), (calls, feeds));
        }
    }

    #[test]
    fn what_can_be_no_symbol_is_unknown() {
        for text in [
            "/", ":USD", "BTC USD", "BTC&USD", "BTC%", "BTC_USD", "BTC/", "-USD", "A/B/C", "币/USD",
        ] {
            assert_eq!(of(text), Err(VenueErrorKind::UnknownSymbol), "{text}");
        }
    }

    #[test]
    fn a_pair_is_known_by_the_exchanges_own_name() {
        for (text, name) in [
            ("BTC/USD", "XXBTZUSD"),
            ("XBTUSD", "XXBTZUSD"),
            ("BTCUSD", "XXBTZUSD"),
            ("BTC/USDT", "XBTUSDT"),
            ("BTCUSDT", "XBTUSDT"),
            ("USDT/USD", "USDTZUSD"),
            ("USDTUSD", "USDTZUSD"),
            ("DOGE/USD", "XDGUSD"),
            ("DOGEBTC", "XXDGXXBT"),
            ("XTZUSD", "XTZUSD"),
            ("EURUSD", "ZEURZUSD"),
            ("ETHXBT", "XETHXXBT"),
            ("ADA/USD", "ADAUSD"),
        ] {
            assert!(of(text).unwrap().is(name), "{text} {name}");
        }
        for (text, name) in [
            ("BTC/USD", "XXBTZEUR"),
            ("BTC/USD", "XETHZUSD"),
            ("BTC/USD", "XBTUSDT"),
            ("XBTUSD", "last"),
            ("BTC/USD", ""),
            ("BTC/USD", "币安人生USD"),
        ] {
            assert!(!of(text).unwrap().is(name), "{text} {name}");
        }
    }

    proptest! {
        #[test]
        fn any_name_is_a_pair_or_none(given in ".{0,12}", name in ".{0,12}") {
            if let Some(pair) = Pair::read(&given) {
                let _ = pair.is(&name);
                prop_assert!(pair.is(&pair.for_calls()), "{:?} {}", pair, pair.for_calls());
                prop_assert!(pair.for_calls().bytes().all(|byte| byte.is_ascii_alphanumeric()));
            }
        }
    }
}
