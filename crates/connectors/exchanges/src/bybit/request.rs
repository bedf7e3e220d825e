use cache_series::admit::Reach;
use cache_series::row::Candle;
use cache_series::time::{Grid, Slots, Time};
use url::Url;

use super::service::{ROWS_MAX, Service};
use crate::options::join;

/// As many rows as the exchange answers where it has passed over `limit`.
const ROWS_WITHOUT_LIMIT: usize = 200;

/// The call for a span of slots, which are no more than a page has.
///
/// Times are those of a row's begin, and both are included.
pub(super) fn klines(base: &Url, service: &Service, symbol: &str, grid: Grid, slots: Slots) -> Url {
    let mut url = join(base, service.path);
    let last_ms = grid.start_of(slots.end).unix_ms().saturating_sub(1);
    url.query_pairs_mut()
        .append_pair("category", service.category)
        .append_pair("symbol", symbol)
        .append_pair("interval", service.interval)
        .append_pair("start", &grid.start_of(slots.start).unix_ms().to_string())
        .append_pair("end", &last_ms.to_string())
        .append_pair("limit", &rows_asked(slots).to_string());
    url
}

/// The call for what is told of a symbol.
pub(super) fn instrument(base: &Url, service: &Service, symbol: &str) -> Url {
    let mut url = join(base, "/v5/market/instruments-info");
    url.query_pairs_mut().append_pair("category", service.category).append_pair("symbol", symbol);
    url
}

fn rows_asked(slots: Slots) -> u64 {
    slots.len().clamp(1, u64::from(ROWS_MAX))
}

/// How much of what was asked for an answer speaks of. Of too many rows the exchange answers the
/// newest: what lies before the first of as many as there may be is not spoken of.
pub(super) fn reach(grid: Grid, slots: Slots, rows: &[(Time, Candle)]) -> Reach {
    let Some(first) = rows.iter().map(|(time, _)| grid.slot_at(*time)).min() else {
        return Reach::Whole;
    };
    let left = (first - slots.start).max(0).unsigned_abs();
    // Where rows are rare there may be just as many as without a limit, but then they reach about
    // as far as was asked.
    let may_be_cut = rows.len() as u64 >= rows_asked(slots)
        || (rows.len() == ROWS_WITHOUT_LIMIT && left > slots.len() / 20);
    if may_be_cut && left > 0 { Reach::FromFirst } else { Reach::Whole }
}

#[cfg(test)]
mod tests {
    use cache_series::key::{Market, SeriesKey};
    use cache_series::time::{Alignment, Timeframe};

    use super::*;

    #[test]
    fn a_call_names_first_and_last_moment() {
        let key = SeriesKey::new("bybit", "BTCUSD", Timeframe::Month1).unwrap();
        let service = Service::of(&key.with_market(Market::Inverse)).unwrap();
        let base = "https://api.bybit.com".parse().unwrap();
        let grid = Grid::new(Timeframe::Month1, Alignment::UTC);
        // February and March of 1970.
        let url = klines(&base, &service, "BTCUSD", grid, Slots::new(1, 3));
        assert_eq!(
            url.as_str(),
            "https://api.bybit.com/v5/market/kline?category=inverse&symbol=BTCUSD&interval=M\
             &start=2678400000&end=7775999999&limit=2"
        );
    }

    #[test]
    fn an_answer_speaks_of_no_more_than_it_reaches() {
        let grid = Grid::new(Timeframe::Minute1, Alignment::UTC);
        let rows = |slots: Slots| -> Vec<_> {
            let rows = slots.iter().map(|slot| (grid.start_of(slot), Candle::flat(1.0, 1.0)));
            rows.rev().collect()
        };
        let asked = Slots::new(0, 1_000);
        assert_eq!(reach(grid, asked, &rows(asked)), Reach::Whole);
        assert_eq!(reach(grid, asked, &[]), Reach::Whole);
        // Listed in the middle of the page.
        assert_eq!(reach(grid, asked, &rows(Slots::new(400, 1_000))), Reach::Whole);
        // The limit was passed over.
        assert_eq!(reach(grid, asked, &rows(Slots::new(800, 1_000))), Reach::FromFirst);
        // A row that was not asked for has taken the place of another.
        assert_eq!(reach(grid, Slots::new(0, 4), &rows(Slots::new(1, 5))), Reach::FromFirst);
    }
}
