use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use cache_series::key::Market;
use cache_series::venue::{Limits, UsedWeight};

use super::service::Service;
use crate::http::HeaderMap;

/// What spot allows an address in a minute; the weights of all calls are counted in its measure.
const SPOT_WEIGHT_MAX: u32 = 6_000;
/// What either of the futures allows.
const FUTURES_WEIGHT_MAX: u32 = 2_400;

/// The span that the exchange counts in.
const MINUTE: Duration = Duration::from_secs(60);

/// Less than is allowed: other programs may have the same address, and whoever goes over is
/// banned.
pub(super) const DEFAULT: Limits = Limits::calls(8).with_allowance(SPOT_WEIGHT_MAX / 6 * 5, MINUTE);

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
    in_spots_measure(own)
}

fn in_spots_measure(weight_of_futures: u32) -> u32 {
    let weight = u64::from(weight_of_futures) * u64::from(SPOT_WEIGHT_MAX);
    u32::try_from(weight.div_ceil(u64::from(FUTURES_WEIGHT_MAX))).unwrap_or(u32::MAX)
}

/// The header by which the exchange tells what was used of a minute ("LIMITS" of each market).
const USED_WEIGHT: &str = "x-mbx-used-weight-1m";

/// What the exchange says is used, by market; clones share it.
#[derive(Clone, Debug, Default)]
pub(super) struct Used {
    said: Arc<Mutex<BTreeMap<Market, (u32, Instant)>>>,
}

impl Used {
    /// Notes what a reply says, if it does.
    pub(super) fn hear(&self, market: Market, headers: &HeaderMap, now: Instant) {
        let said = headers.get(USED_WEIGHT).and_then(|value| value.to_str().ok()?.parse().ok());
        if let Some(weight) = said {
            self.said.lock().unwrap_or_else(PoisonError::into_inner).insert(market, (weight, now));
        }
    }

    /// The most that was said within the last minute, in spot's measure.
    pub(super) fn most(&self, now: Instant) -> Option<UsedWeight> {
        let said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        let used = said.iter().filter_map(|(market, (weight, at))| {
            let age = now.saturating_duration_since(*at);
            let weight = match market {
                Market::Spot => *weight,
                _ => in_spots_measure(*weight),
            };
            (age < MINUTE).then(|| UsedWeight::new(weight, age))
        });
        used.max_by_key(|used| used.weight)
    }
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

    #[test]
    fn what_is_used_is_the_most_that_a_market_says() {
        let (used, now) = (Used::default(), Instant::now());
        let hear = |market, text: &str, seconds: u64| {
            let mut headers = HeaderMap::new();
            headers.insert(USED_WEIGHT, text.parse().unwrap());
            used.hear(market, &headers, now + Duration::from_secs(seconds));
        };
        let most = |seconds| used.most(now + Duration::from_secs(seconds));
        let weighs = |weight, age| Some(UsedWeight::new(weight, Duration::from_secs(age)));
        assert_eq!(most(0), None);
        hear(Market::Spot, "300", 0);
        assert_eq!(most(5), weighs(300, 5));
        hear(Market::Linear, "1200", 10);
        assert_eq!(most(20), weighs(3_000, 10));
        hear(Market::Linear, "1", 30);
        assert_eq!(most(31), weighs(300, 31), "a minute has begun anew");
        for text in ["", "-1", "many", "99999999999"] {
            hear(Market::Spot, text, 40);
        }
        used.hear(Market::Spot, &HeaderMap::new(), now + Duration::from_secs(40));
        assert_eq!(most(59), weighs(300, 59));
        assert_eq!(most(60), weighs(3, 30));
        hear(Market::Inverse, "4294967295", 61);
        assert_eq!(most(61), weighs(u32::MAX, 0));
    }
}
