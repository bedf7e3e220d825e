use cache_series::key::{Adjustment, Market, PriceType, SeriesKey};
use cache_series::time::{Alignment, Timeframe};
use cache_series::venue::{VenueError, VenueErrorKind};

use super::NAME;

/// Which of the exchange's services has a series, and what is peculiar to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Service {
    pub(super) market: Market,
    /// The exchange's word for the timeframe: minutes.
    pub(super) interval: u32,
}

/// So many of the newest candles that are over are answered, and no older ones.
pub(super) const ROWS_MAX: u32 = 720;

/// The longest of the exchange's intervals, fifteen days: the newest 720 of them last longer than
/// there has been an exchange.
pub(super) const LONGEST: u32 = 21_600;

/// Every interval of the exchange begins at a multiple of itself since 1970, which began on a
/// Thursday.
pub(super) const ALIGNMENT: Alignment = Alignment::UTC.with_week_start(3);

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
        if market != Market::Spot {
            return unsupported(format!("market {market}"));
        }
        if price != PriceType::Trade {
            return unsupported(format!("market {market} and price {price}"));
        }
        match interval(timeframe) {
            Some(interval) => Ok(Self { market, interval }),
            None => unsupported(format!("{timeframe}")),
        }
    }
}

fn interval(timeframe: Timeframe) -> Option<u32> {
    Some(match timeframe {
        Timeframe::Minute1 => 1,
        Timeframe::Minute5 => 5,
        Timeframe::Minute15 => 15,
        Timeframe::Minute30 => 30,
        Timeframe::Hour1 => 60,
        Timeframe::Hour4 => 240,
        Timeframe::Day1 => 1_440,
        Timeframe::Week1 => 10_080,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use cache_series::time::{Grid, Time};

    use super::*;

    #[test]
    fn timeframes_are_those_of_the_exchange() {
        let all: Vec<u32> = Timeframe::all().filter_map(interval).collect();
        assert_eq!(all, [1, 5, 15, 30, 60, 240, 1_440, 10_080]);
    }

    #[test]
    fn every_slot_begins_at_a_multiple_of_its_length() {
        for timeframe in Timeframe::all() {
            let Some(minutes) = interval(timeframe) else { continue };
            let grid = Grid::new(timeframe, ALIGNMENT);
            let length_ms = i64::from(minutes) * 60_000;
            let slot = grid.slot_at(Time::from_unix_ms(1_700_000_000_000));
            assert_eq!(grid.start_of(slot).unix_ms() % length_ms, 0, "{timeframe}");
            let length = grid.end_of(slot).unix_ms() - grid.start_of(slot).unix_ms();
            assert_eq!(length, length_ms, "{timeframe}");
        }
    }

    #[test]
    fn what_the_exchange_does_not_have_is_unsupported() {
        let minute = SeriesKey::new("kraken", "BTC/USD", Timeframe::Minute1).unwrap();
        assert_eq!(Service::of(&minute).unwrap().interval, 1);
        for key in [
            minute.clone().with_market(Market::Stock),
            minute.clone().with_market(Market::Linear),
            minute.clone().with_market(Market::Inverse),
            minute.clone().with_price(PriceType::Mark),
            minute.clone().with_adjustment(Adjustment::Splits),
            minute.clone().with_timeframe(Timeframe::Minute3),
            minute.with_timeframe(Timeframe::Month1),
        ] {
            let error = Service::of(&key).unwrap_err();
            assert_eq!(error.kind(), VenueErrorKind::Unsupported, "{key}");
            assert!(error.venue() == "kraken" && !error.is_transient());
        }
    }
}
