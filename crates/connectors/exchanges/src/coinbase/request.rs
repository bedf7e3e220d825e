use cache_series::admit::Reach;
use cache_series::row::Candle;
use cache_series::time::{Grid, Slots, Time};
use url::Url;

use super::service::{DAY, ROWS_MAX, Service};
use crate::options::join;

/// What all that is told of products without a key lies under.
const PRODUCTS: &str = "/api/v3/brokerage/market/products";

/// The call for a span of slots, which are no more than a page has.
///
/// Times are those of a row's begin, in seconds. Whether the exchange includes `end` is nowhere
/// said for sure: the last second of the last slot is the same either way.
pub(super) fn klines(base: &Url, service: &Service, symbol: &str, grid: Grid, slots: Slots) -> Url {
    let span = (grid.start_of(slots.start), grid.start_of(slots.end));
    candles(base, symbol, service.granularity, span, rows_asked(slots))
}

/// The call for the days of a span, no more than a page has.
pub(super) fn days(base: &Url, symbol: &str, span: (Time, Time)) -> Url {
    candles(base, symbol, DAY, span, u64::from(ROWS_MAX))
}

fn candles(
    base: &Url,
    symbol: &str,
    granularity: &str,
    (from, to): (Time, Time),
    limit: u64,
) -> Url {
    // A symbol is letters, digits and a hyphen, none of which a path has another meaning for.
    let mut url = join(base, &format!("{PRODUCTS}/{symbol}/candles"));
    let seconds = |time: Time| time.unix_ms().div_euclid(1_000);
    url.query_pairs_mut()
        .append_pair("start", &seconds(from).to_string())
        .append_pair("end", &seconds(to).saturating_sub(1).to_string())
        .append_pair("granularity", granularity)
        .append_pair("limit", &limit.to_string());
    url
}

/// The call for what is told of a symbol.
pub(super) fn product(base: &Url, symbol: &str) -> Url {
    join(base, &format!("{PRODUCTS}/{symbol}"))
}

/// The call for what the exchange's clock shows.
pub(super) fn time(base: &Url) -> Url {
    join(base, "/api/v3/brokerage/time")
}

fn rows_asked(slots: Slots) -> u64 {
    slots.len().clamp(1, u64::from(ROWS_MAX))
}

/// How much of what was asked for an answer speaks of. A page is short enough to be answered whole;
/// were it not, then the newest of its rows were answered, and of what lies before the first of as
/// many as were asked for nothing is said.
pub(super) fn reach(grid: Grid, slots: Slots, rows: &[(Time, Candle)]) -> Reach {
    let first = rows.iter().map(|(time, _)| grid.slot_at(*time)).min();
    let may_be_cut = rows.len() as u64 >= rows_asked(slots);
    match first {
        Some(first) if may_be_cut && first > slots.start => Reach::FromFirst,
        _ => Reach::Whole,
    }
}

#[cfg(test)]
mod tests {
    use cache_series::key::SeriesKey;
    use cache_series::time::{Alignment, Timeframe};

    use super::*;

    #[test]
    fn a_call_names_first_and_last_second() {
        let key = SeriesKey::new("coinbase", "BTC-USD", Timeframe::Hour1).unwrap();
        let service = Service::of(&key).unwrap();
        let base = "https://api.coinbase.com".parse().unwrap();
        let grid = Grid::new(Timeframe::Hour1, Alignment::UTC);
        let url = klines(&base, &service, "BTC-USD", grid, Slots::new(2, 5));
        assert_eq!(
            url.as_str(),
            "https://api.coinbase.com/api/v3/brokerage/market/products/BTC-USD/candles?start=7200\
             &end=17999&granularity=ONE_HOUR&limit=3"
        );
        let day = |days: i64| Time::from_unix_ms(days * 86_400_000);
        assert_eq!(
            days(&base, "BTC-USD", (day(1), day(3))).as_str(),
            "https://api.coinbase.com/api/v3/brokerage/market/products/BTC-USD/candles?start=86400\
             &end=259199&granularity=ONE_DAY&limit=300"
        );
    }

    #[test]
    fn an_answer_speaks_of_no_more_than_it_reaches() {
        let grid = Grid::new(Timeframe::Minute1, Alignment::UTC);
        let rows = |slots: Slots| -> Vec<_> {
            let rows = slots.iter().map(|slot| (grid.start_of(slot), Candle::flat(1.0, 1.0)));
            rows.rev().collect()
        };
        let asked = Slots::new(0, 300);
        assert_eq!(reach(grid, asked, &rows(asked)), Reach::Whole);
        assert_eq!(reach(grid, asked, &[]), Reach::Whole);
        // Listed in the middle of the page, or quiet until then.
        assert_eq!(reach(grid, asked, &rows(Slots::new(120, 300))), Reach::Whole);
        // Rows that were not asked for have taken the place of others.
        assert_eq!(reach(grid, Slots::new(0, 4), &rows(Slots::new(1, 5))), Reach::FromFirst);
        assert_eq!(reach(grid, Slots::new(2, 4), &rows(Slots::new(0, 4))), Reach::Whole);
    }
}
