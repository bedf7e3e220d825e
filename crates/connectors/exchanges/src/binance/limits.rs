use std::time::Duration;

use cache_series::key::Market;
use cache_series::venue::Limits;

use super::service::Service;

/// What spot allows an address in a minute; the weights of all calls are counted in its measure.
const SPOT_WEIGHT_MAX: u32 = 6_000;
/// What either of the futures allows.
const FUTURES_WEIGHT_MAX: u32 = 2_400;

/// Less than is allowed: other programs may have the same address, and whoever goes over is
/// banned.
pub(super) const DEFAULT: Limits =
    Limits::calls(8).with_allowance(SPOT_WEIGHT_MAX / 6 * 5, Duration::from_secs(60));

/// What a call for so many rows weighs, in spot's measure.
///
/// Markets are counted apart by the exchange and together here, so that whatever is called, none
/// goes over its own. Weights by rows: "Request Weight" of each market's klines.
pub(super) fn weight(service: &Service, rows: u64) -> u32 {
    if service.market == Market::Spot {
        return 2;
    }
    let own = match rows {
        ..100 => 1,
        100..500 => 2,
        500..=1_000 => 5,
        _ => 10,
    };
    (own * SPOT_WEIGHT_MAX).div_ceil(FUTURES_WEIGHT_MAX)
}

#[cfg(test)]
mod tests {
    use cache_series::key::SeriesKey;
    use cache_series::time::Timeframe;

    use super::*;

    #[test]
    fn weights_are_those_of_the_exchange() {
        let key = SeriesKey::new("binance", "BTCUSDT", Timeframe::Minute1).unwrap();
        let spot = Service::of(&key).unwrap();
        assert!([1, 100, 1_000].iter().all(|rows| weight(&spot, *rows) == 2));
        let linear = Service::of(&key.with_market(Market::Linear)).unwrap();
        let documented =
            [(99, 1), (100, 2), (499, 2), (500, 5), (1_000, 5), (1_001, 10), (1_500, 10)];
        for (rows, own) in documented {
            assert_eq!(weight(&linear, rows), (own * 5u32).div_ceil(2), "{rows}");
        }
        let allowance = DEFAULT.allowance.unwrap();
        assert_eq!((allowance.weight_max, allowance.per.as_secs()), (5_000, 60));
    }
}
