/// What a pair is called where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Names {
    /// In calls, and in the book: `XBTUSD`.
    pub(super) call: String,
    /// In answers: `XXBTZUSD`.
    pub(super) own: String,
    /// In feeds of old: `XBT/USD`.
    pub(super) old_feed: String,
    /// In feeds: `BTC/USD`.
    pub(super) feed: String,
}

/// What pairs are traded in; of two that both may end a name, that which more pairs end in.
const QUOTES: [&str; 7] = ["USD", "EUR", "GBP", "USDT", "USDC", "XBT", "ETH"];
/// Assets that are named with a letter before them in answers, where both of a pair are.
const COINS: [&str; 5] = ["XBT", "XDG", "ETH", "LTC", "XRP"];
const MONEY: [&str; 3] = ["USD", "EUR", "GBP"];

impl Names {
    /// The names of a pair that calls name so.
    pub(super) fn of(call: &str) -> Self {
        let quote = QUOTES.iter().find(|quote| call.len() > quote.len() && call.ends_with(**quote));
        let (base, quote) = call.split_at(call.len() - quote.map_or(0, |quote| quote.len()));
        let own = match (long(base), long(quote)) {
            (Some(base), Some(quote)) => format!("{base}{quote}"),
            _ => call.to_owned(),
        };
        Self {
            call: call.to_owned(),
            own,
            old_feed: format!("{base}/{quote}"),
            feed: format!("{}/{}", new(base), new(quote)),
        }
    }

    /// Whether calls may name it so.
    pub(super) fn answers_to(&self, name: &str) -> bool {
        [&self.call, &self.own, &self.old_feed].iter().any(|own| *own == name)
    }
}

fn long(asset: &str) -> Option<String> {
    match asset {
        _ if COINS.contains(&asset) => Some(format!("X{asset}")),
        _ if MONEY.contains(&asset) => Some(format!("Z{asset}")),
        _ => None,
    }
}

fn new(asset: &str) -> &str {
    match asset {
        "XBT" => "BTC",
        "XDG" => "DOGE",
        _ => asset,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pair_has_names_of_old_and_of_new() {
        for (call, own, old_feed, feed) in [
            ("XBTUSD", "XXBTZUSD", "XBT/USD", "BTC/USD"),
            ("XBTUSDT", "XBTUSDT", "XBT/USDT", "BTC/USDT"),
            ("ETHXBT", "XETHXXBT", "ETH/XBT", "ETH/BTC"),
            ("ADAUSD", "ADAUSD", "ADA/USD", "ADA/USD"),
        ] {
            let names = Names::of(call);
            let expected = [call, own, old_feed, feed];
            assert_eq!([&*names.call, &*names.own, &*names.old_feed, &*names.feed], expected);
            assert!(names.answers_to(call) && names.answers_to(own) && names.answers_to(old_feed));
        }
        assert!(!Names::of("XBTUSD").answers_to("XBTEUR"));
    }
}
