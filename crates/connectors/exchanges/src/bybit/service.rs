use cache_series::key::{Adjustment, Market, PriceType, SeriesKey};
use cache_series::time::Timeframe;
use cache_series::venue::{VenueError, VenueErrorKind};

use super::NAME;

/// Which of the exchange's services has a series, and what is peculiar to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Service {
    pub(super) market: Market,
    pub(super) price: PriceType,
    /// The exchange's word for the market.
    pub(super) category: &'static str,
    /// The path of its klines.
    pub(super) path: &'static str,
    /// The exchange's word for the timeframe.
    pub(super) interval: &'static str,
    /// Where the volume in base currency stands.
    pub(super) volume: Volume,
}

/// Where the volume in base currency stands in a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Volume {
    /// In its own column.
    Own,
    /// Among turnovers: inverse contracts count dollars.
    Turnover,
    /// Nowhere: such prices are not traded at.
    None,
}

/// The most rows of a call.
pub(super) const ROWS_MAX: u32 = 1_000;

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
        let category = match market {
            Market::Spot => "spot",
            Market::Linear => "linear",
            Market::Inverse => "inverse",
            _ => return unsupported(format!("market {market}")),
        };
        let path = match (market, price) {
            (_, PriceType::Trade) => "/v5/market/kline",
            (Market::Linear | Market::Inverse, PriceType::Mark) => "/v5/market/mark-price-kline",
            (Market::Linear | Market::Inverse, PriceType::Index) => "/v5/market/index-price-kline",
            (Market::Linear, PriceType::Premium) => "/v5/market/premium-index-price-kline",
            _ => return unsupported(format!("market {market} and price {price}")),
        };
        let Some(interval) = interval(timeframe) else {
            return unsupported(format!("{timeframe}"));
        };
        let volume = match price {
            PriceType::Trade if market == Market::Inverse => Volume::Turnover,
            PriceType::Trade => Volume::Own,
            _ => Volume::None,
        };
        Ok(Self { market, price, category, path, interval, volume })
    }
}

/// Minutes are numbers, `M` is a month.
fn interval(timeframe: Timeframe) -> Option<&'static str> {
    Some(match timeframe {
        Timeframe::Minute1 => "1",
        Timeframe::Minute3 => "3",
        Timeframe::Minute5 => "5",
        Timeframe::Minute15 => "15",
        Timeframe::Minute30 => "30",
        Timeframe::Hour1 => "60",
        Timeframe::Hour2 => "120",
        Timeframe::Hour4 => "240",
        Timeframe::Hour6 => "360",
        Timeframe::Hour12 => "720",
        Timeframe::Day1 => "D",
        Timeframe::Week1 => "W",
        Timeframe::Month1 => "M",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeframes_are_those_of_the_exchange() {
        let all: Vec<&str> = Timeframe::all().filter_map(interval).collect();
        assert_eq!(all.join(" "), "1 3 5 15 30 60 120 240 360 720 D W M");
    }

    #[test]
    fn what_the_exchange_does_not_have_is_unsupported() {
        let minute = SeriesKey::new("bybit", "BTCUSDT", Timeframe::Minute1).unwrap();
        assert_eq!(Service::of(&minute).unwrap().volume, Volume::Own);
        let inverse = minute.clone().with_market(Market::Inverse);
        assert_eq!(Service::of(&inverse).unwrap().volume, Volume::Turnover);
        let mark = inverse.clone().with_price(PriceType::Mark);
        assert_eq!(Service::of(&mark).unwrap().volume, Volume::None);
        for key in [
            minute.clone().with_market(Market::Stock),
            minute.clone().with_price(PriceType::Mark),
            minute.clone().with_adjustment(Adjustment::Splits),
            minute.with_timeframe(Timeframe::Hour8),
            inverse.with_price(PriceType::Premium),
        ] {
            let error = Service::of(&key).unwrap_err();
            assert_eq!(error.kind(), VenueErrorKind::Unsupported, "{key}");
            assert_eq!(error.venue(), "bybit");
        }
    }
}
