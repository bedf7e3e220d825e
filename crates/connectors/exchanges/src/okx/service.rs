use cache_series::key::{Adjustment, Market, PriceType, SeriesKey};
use cache_series::time::{Grid, Slots, Time, Timeframe};
use cache_series::venue::{VenueError, VenueErrorKind};

use super::NAME;

/// Which of the exchange's services has a series, and what is peculiar to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Service {
    pub(super) market: Market,
    pub(super) price: PriceType,
    /// The candles that are held newest, and all of them.
    pub(super) newest: Candles,
    pub(super) history: Candles,
    /// The most rows of a call.
    pub(super) rows_max: u32,
    /// The exchange's word for the timeframe.
    pub(super) bar: &'static str,
    /// What comes before that word in the name of a feed.
    pub(super) channel: &'static str,
    /// Where the volume in base currency stands.
    pub(super) volume: Volume,
}

/// Where candles are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Candles {
    pub(super) path: &'static str,
    /// What a call takes of the [allowance](super::limits::DEFAULT): 40 in two seconds weigh 1,
    /// 20 weigh 2, 10 weigh 4.
    pub(super) weight: u32,
}

/// Where the volume in base currency stands in a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Volume {
    /// In its own column.
    Own,
    /// In that of currency: the own one of contracts counts contracts.
    Currency,
    /// Nowhere: such prices are not traded at.
    None,
}

/// So many of the newest rows are held by the path that allows most calls.
const NEWEST_ROWS: i64 = 1_440;
/// So many of them are left to the history, for this machine's clock may be wrong, and a row that
/// is held no more is missing without a word.
const NEWEST_ROWS_LEFT: i64 = 240;

impl Service {
    /// The service that has a series.
    pub(super) fn of(key: &SeriesKey) -> Result<Self, VenueError> {
        let unsupported = |what: String| {
            let message = format!("there are no candles of {what}");
            Err(VenueError::new(NAME, VenueErrorKind::Unsupported, message))
        };
        let (market, price, timeframe) = (key.market(), key.price(), key.timeframe());
        if key.adjustment() != Adjustment::Raw {
            return unsupported(format!("prices adjusted for {}", key.adjustment()));
        }
        if !matches!(market, Market::Spot | Market::Linear | Market::Inverse) {
            return unsupported(format!("market {market}"));
        }
        let candles = |path, weight| Candles { path, weight };
        let (newest, history, rows_max, channel) = match (market, price) {
            (_, PriceType::Trade) => (
                candles("/api/v5/market/candles", 1),
                candles("/api/v5/market/history-candles", 2),
                300,
                "candle",
            ),
            (Market::Linear | Market::Inverse, PriceType::Mark) => (
                candles("/api/v5/market/mark-price-candles", 2),
                // 20 calls by one part of the documentation and 10 by another.
                candles("/api/v5/market/history-mark-price-candles", 4),
                100,
                "mark-price-candle",
            ),
            (Market::Linear | Market::Inverse, PriceType::Index) => (
                candles("/api/v5/market/index-candles", 2),
                candles("/api/v5/market/history-index-candles", 4),
                100,
                "index-candle",
            ),
            _ => return unsupported(format!("market {market} and price {price}")),
        };
        let Some(bar) = bar(timeframe) else {
            return unsupported(format!("{timeframe}"));
        };
        let volume = match price {
            PriceType::Trade if market == Market::Spot => Volume::Own,
            PriceType::Trade => Volume::Currency,
            _ => Volume::None,
        };
        Ok(Self { market, price, newest, history, rows_max, bar, channel, volume })
    }

    /// Where slots are asked for at a moment: among the newest if they surely are, otherwise in
    /// the history, which has the newest as well.
    pub(super) fn candles(&self, grid: Grid, slots: Slots, now: Time) -> Candles {
        let held = grid.slot_at(now).saturating_sub(NEWEST_ROWS - NEWEST_ROWS_LEFT);
        if slots.start >= held { self.newest } else { self.history }
    }
}

/// Minutes in small letters, hours and more in capitals; from six hours on bars begin by the time
/// of Hong Kong unless it says `utc`.
///
/// `8h` there is not. Bars of one second are held for some months only, and an empty answer does
/// not tell such a time from one without trades; of those of several days nothing says on which
/// they begin.
fn bar(timeframe: Timeframe) -> Option<&'static str> {
    Some(match timeframe {
        Timeframe::Minute1 => "1m",
        Timeframe::Minute3 => "3m",
        Timeframe::Minute5 => "5m",
        Timeframe::Minute15 => "15m",
        Timeframe::Minute30 => "30m",
        Timeframe::Hour1 => "1H",
        Timeframe::Hour2 => "2H",
        Timeframe::Hour4 => "4H",
        Timeframe::Hour6 => "6Hutc",
        Timeframe::Hour12 => "12Hutc",
        Timeframe::Day1 => "1Dutc",
        Timeframe::Week1 => "1Wutc",
        Timeframe::Month1 => MONTH,
        _ => return None,
    })
}

/// The bar of a month.
pub(super) const MONTH: &str = "1Mutc";

#[cfg(test)]
mod tests {
    use cache_series::time::Alignment;

    use super::*;

    #[test]
    fn timeframes_are_those_of_the_exchange() {
        let all: Vec<&str> = Timeframe::all().filter_map(bar).collect();
        assert_eq!(all.join(" "), "1m 3m 5m 15m 30m 1H 2H 4H 6Hutc 12Hutc 1Dutc 1Wutc 1Mutc");
    }

    #[test]
    fn what_the_exchange_does_not_have_is_unsupported() {
        let minute = SeriesKey::new("okx", "BTC-USDT", Timeframe::Minute1).unwrap();
        assert_eq!(Service::of(&minute).unwrap().volume, Volume::Own);
        let linear = minute.clone().with_market(Market::Linear);
        assert_eq!(Service::of(&linear).unwrap().volume, Volume::Currency);
        let mark = linear.clone().with_price(PriceType::Mark);
        let mark = Service::of(&mark).unwrap();
        assert_eq!((mark.volume, mark.rows_max), (Volume::None, 100));
        for key in [
            minute.clone().with_market(Market::Options),
            minute.clone().with_price(PriceType::Mark),
            minute.clone().with_adjustment(Adjustment::Splits),
            minute.clone().with_timeframe(Timeframe::Second1),
            minute.with_timeframe(Timeframe::Hour8),
            linear.with_price(PriceType::Premium),
        ] {
            let error = Service::of(&key).unwrap_err();
            assert_eq!(error.kind(), VenueErrorKind::Unsupported, "{key}");
            assert_eq!(error.venue(), "okx");
        }
    }

    #[test]
    fn what_may_be_held_no_more_is_asked_of_the_history() {
        let key = SeriesKey::new("okx", "BTC-USDT", Timeframe::Minute1).unwrap();
        let service = Service::of(&key).unwrap();
        let grid = Grid::new(Timeframe::Minute1, Alignment::UTC);
        let now = Time::from_unix_ms(10_000 * 60_000 + 1);
        let asked = |start, end| service.candles(grid, Slots::new(start, end), now);
        assert_eq!(asked(9_900, 10_000), service.newest);
        assert_eq!(asked(8_800, 9_100), service.newest);
        // It begins too early, though its end is held.
        assert_eq!(asked(8_799, 9_099), service.history);
        assert_eq!(asked(0, 1), service.history);
        assert!(service.newest.weight < service.history.weight);
    }

    /// Whatever is called, no path is called more often than the exchange allows.
    #[test]
    fn weights_keep_every_path_within_its_limit() {
        let allowance = super::super::limits::DEFAULT.allowance.unwrap();
        assert_eq!(allowance.per.as_secs(), 2);
        let linear = SeriesKey::new("okx", "BTC-USDT", Timeframe::Minute1).unwrap();
        let linear = linear.with_market(Market::Linear);
        for (price, newest, history) in
            [(PriceType::Trade, 40, 20), (PriceType::Mark, 20, 10), (PriceType::Index, 20, 10)]
        {
            let service = Service::of(&linear.clone().with_price(price)).unwrap();
            assert!(allowance.weight_max / service.newest.weight <= newest, "{price}");
            assert!(allowance.weight_max / service.history.weight <= history, "{price}");
        }
    }
}
