use cache_series::key::{Adjustment, Market, PriceType, SeriesKey};
use cache_series::time::Timeframe;
use cache_series::venue::{VenueError, VenueErrorKind};

use super::NAME;

/// Which candles of the exchange's are a series'.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Service {
    /// The exchange's word for the timeframe.
    pub(super) granularity: &'static str,
    /// Whether there is a feed of it.
    pub(super) has_feed: bool,
}

/// The most rows of a call. The exchange refuses a call for 350 or for 351, as one asks whom, and
/// answers nothing of it then.
pub(super) const ROWS_MAX: u32 = 300;

/// The exchange's word for a day.
pub(super) const DAY: &str = "ONE_DAY";

/// The only timeframe of which there is a feed.
const FED: Timeframe = Timeframe::Minute5;

impl Service {
    /// The candles of a series.
    pub(super) fn of(key: &SeriesKey) -> Result<Self, VenueError> {
        let (market, price, timeframe) = (key.market(), key.price(), key.timeframe());
        if key.adjustment() != Adjustment::Raw {
            return Err(unsupported(format!("prices adjusted for {}", key.adjustment())));
        }
        if market != Market::Spot {
            return Err(unsupported(format!("market {market}")));
        }
        if price != PriceType::Trade {
            return Err(unsupported(format!("price {price}")));
        }
        let Some(granularity) = granularity(timeframe) else {
            return Err(unsupported(timeframe.to_string()));
        };
        Ok(Self { granularity, has_feed: timeframe == FED })
    }
}

fn unsupported(what: String) -> VenueError {
    let message = format!("there are no candles of {what}");
    VenueError::new(NAME, VenueErrorKind::Unsupported, message)
}

fn granularity(timeframe: Timeframe) -> Option<&'static str> {
    Some(match timeframe {
        Timeframe::Minute1 => "ONE_MINUTE",
        Timeframe::Minute5 => "FIVE_MINUTE",
        Timeframe::Minute15 => "FIFTEEN_MINUTE",
        Timeframe::Minute30 => "THIRTY_MINUTE",
        Timeframe::Hour1 => "ONE_HOUR",
        Timeframe::Hour2 => "TWO_HOUR",
        Timeframe::Hour4 => "FOUR_HOUR",
        Timeframe::Hour6 => "SIX_HOUR",
        Timeframe::Day1 => DAY,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn minutes() -> SeriesKey {
        SeriesKey::new("coinbase", "BTC-USD", Timeframe::Minute1).unwrap()
    }

    #[test]
    fn timeframes_are_those_of_the_exchange() {
        let all: Vec<&str> = Timeframe::all().filter_map(granularity).collect();
        assert_eq!(
            all.join(" "),
            "ONE_MINUTE FIVE_MINUTE FIFTEEN_MINUTE THIRTY_MINUTE ONE_HOUR TWO_HOUR FOUR_HOUR \
             SIX_HOUR ONE_DAY"
        );
        let fed = Timeframe::all().filter(|timeframe| {
            Service::of(&minutes().with_timeframe(*timeframe)).is_ok_and(|it| it.has_feed)
        });
        assert_eq!(fed.collect::<Vec<_>>(), [Timeframe::Minute5]);
    }

    #[test]
    fn what_the_exchange_does_not_have_is_unsupported() {
        assert_eq!(Service::of(&minutes()).unwrap().granularity, "ONE_MINUTE");
        for key in [
            minutes().with_market(Market::Linear),
            minutes().with_market(Market::Stock),
            minutes().with_price(PriceType::Mark),
            minutes().with_adjustment(Adjustment::Splits),
            minutes().with_timeframe(Timeframe::Minute3),
            minutes().with_timeframe(Timeframe::Hour12),
            minutes().with_timeframe(Timeframe::Week1),
            minutes().with_timeframe(Timeframe::Month1),
        ] {
            let error = Service::of(&key).unwrap_err();
            assert_eq!(error.kind(), VenueErrorKind::Unsupported, "{key}");
            assert_eq!(error.venue(), "coinbase");
        }
    }
}
