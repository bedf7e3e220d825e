use cache_series::key::{Adjustment, Market, PriceType, SeriesKey};
use cache_series::time::{Length, Timeframe};
use cache_series::venue::{VenueError, VenueErrorKind};

use super::NAME;

/// Which of the exchange's services has a series, and what is peculiar to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Service {
    pub(super) market: Market,
    pub(super) price: PriceType,
    /// The path of its klines.
    pub(super) path: &'static str,
    /// What its klines are asked by.
    pub(super) named_by: &'static str,
    /// The most rows of a call.
    pub(super) rows_max: u32,
    /// The most days between a call's first and last moment.
    pub(super) days_max: Option<i64>,
    /// Where the volume in base currency stands.
    pub(super) volume: Volume,
    /// Which rows there are of too many.
    pub(super) cut: Cut,
}

/// Where the volume in base currency stands in a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Volume {
    /// Among the first six values.
    Own,
    /// Behind the closing time: the first one counts contracts.
    Quoted,
    /// Nowhere: such prices are not traded at.
    None,
}

/// Which rows the exchange answers of more than it answers at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cut {
    /// The oldest.
    Newest,
    /// The newest.
    Oldest,
}

const DAY_MS: i64 = 86_400_000;
const MONTH_DAYS_MAX: i64 = 31;

impl Service {
    /// The service that has a series.
    pub(super) fn of(key: &SeriesKey) -> Result<Self, VenueError> {
        let unsupported = |what: String| {
            let message = format!("there are no klines of {what}");
            Err(VenueError::new(NAME, VenueErrorKind::Unsupported, message))
        };
        let (market, price, timeframe) = (key.market(), key.price(), key.timeframe());
        if key.adjustment() != Adjustment::Raw {
            return unsupported(format!("prices adjusted for {}", key.adjustment()));
        }
        let (path, named_by) = match (market, price) {
            (Market::Spot, PriceType::Trade) => ("/api/v3/klines", "symbol"),
            (Market::Linear, PriceType::Trade) => ("/fapi/v1/klines", "symbol"),
            (Market::Linear, PriceType::Mark) => ("/fapi/v1/markPriceKlines", "symbol"),
            (Market::Linear, PriceType::Index) => ("/fapi/v1/indexPriceKlines", "pair"),
            (Market::Linear, PriceType::Premium) => ("/fapi/v1/premiumIndexKlines", "symbol"),
            (Market::Inverse, PriceType::Trade) => ("/dapi/v1/klines", "symbol"),
            (Market::Inverse, PriceType::Mark) => ("/dapi/v1/markPriceKlines", "symbol"),
            (Market::Inverse, PriceType::Index) => ("/dapi/v1/indexPriceKlines", "pair"),
            (Market::Inverse, PriceType::Premium) => ("/dapi/v1/premiumIndexKlines", "symbol"),
            _ => return unsupported(format!("market {market} and price {price}")),
        };
        if !has_timeframe(market, timeframe) {
            return unsupported(format!("{timeframe} in market {market}"));
        }
        let inverse = market == Market::Inverse;
        Ok(Self {
            market,
            price,
            path,
            named_by,
            rows_max: if market == Market::Spot { 1_000 } else { 1_500 },
            days_max: inverse.then_some(200),
            volume: match price {
                PriceType::Trade if inverse => Volume::Quoted,
                PriceType::Trade => Volume::Own,
                _ => Volume::None,
            },
            cut: if inverse { Cut::Oldest } else { Cut::Newest },
        })
    }

    /// The slots of a page: as many rows as a call answers.
    pub(super) fn page_slots(self, timeframe: Timeframe) -> u32 {
        let Some(days_max) = self.days_max else { return self.rows_max };
        let slots = match timeframe.length() {
            Length::Fixed { ms } => days_max * DAY_MS / ms,
            Length::Week => days_max / 7,
            Length::Months { count } => days_max / (MONTH_DAYS_MAX * count),
        };
        // Between one and the most rows.
        u32::try_from(slots).unwrap_or(self.rows_max).clamp(1, self.rows_max)
    }
}

/// The text of a timeframe is what the exchange writes too: `1m` is a minute, `1M` a month.
fn has_timeframe(market: Market, timeframe: Timeframe) -> bool {
    match timeframe {
        Timeframe::Second1 => market == Market::Spot,
        Timeframe::Minute1
        | Timeframe::Minute3
        | Timeframe::Minute5
        | Timeframe::Minute15
        | Timeframe::Minute30
        | Timeframe::Hour1
        | Timeframe::Hour2
        | Timeframe::Hour4
        | Timeframe::Hour6
        | Timeframe::Hour8
        | Timeframe::Hour12
        | Timeframe::Day1
        | Timeframe::Day3
        | Timeframe::Week1
        | Timeframe::Month1 => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(market: Market, timeframe: Timeframe) -> SeriesKey {
        SeriesKey::new("binance", "BTCUSDT", timeframe).unwrap().with_market(market)
    }

    #[test]
    fn pages_have_as_many_slots_as_a_call_answers_rows() {
        let slots = |market, timeframe| {
            Service::of(&key(market, timeframe)).map(|service| service.page_slots(timeframe)).ok()
        };
        assert_eq!(slots(Market::Spot, Timeframe::Second1), Some(1_000));
        assert_eq!(slots(Market::Linear, Timeframe::Month1), Some(1_500));
        assert_eq!(slots(Market::Linear, Timeframe::Second1), None);
        // 200 days of COIN-M futures, which are refused if they are more.
        for (timeframe, expected) in [
            (Timeframe::Minute1, 1_500),
            (Timeframe::Hour4, 1_200),
            (Timeframe::Hour12, 400),
            (Timeframe::Day1, 200),
            (Timeframe::Day3, 66),
            (Timeframe::Week1, 28),
            (Timeframe::Month1, 6),
        ] {
            assert_eq!(slots(Market::Inverse, timeframe), Some(expected), "{timeframe}");
        }
    }

    #[test]
    fn timeframes_are_those_of_the_exchange() {
        let spot: Vec<&str> = Timeframe::all()
            .filter(|timeframe| has_timeframe(Market::Spot, *timeframe))
            .map(Timeframe::text)
            .collect();
        let documented = "1s 1m 3m 5m 15m 30m 1h 2h 4h 6h 8h 12h 1d 3d 1w 1M";
        assert_eq!(spot.join(" "), documented);
    }

    #[test]
    fn what_the_exchange_does_not_have_is_unsupported() {
        let minute = key(Market::Spot, Timeframe::Minute1);
        for key in [
            minute.clone().with_market(Market::Stock),
            minute.clone().with_price(PriceType::Mark),
            minute.clone().with_adjustment(Adjustment::Splits),
            minute.clone().with_timeframe(Timeframe::Minute10),
            minute.with_market(Market::Linear).with_price(PriceType::Bid),
        ] {
            let error = Service::of(&key).unwrap_err();
            assert_eq!(error.kind(), VenueErrorKind::Unsupported, "{key}");
            assert_eq!(error.venue(), "binance");
        }
    }
}
