use cache_series::admit::Reach;
use cache_series::row::Candle;
use cache_series::time::{Grid, Slots, Time};
use url::Url;

use super::service::{Cut, Service};
use crate::options::join;

/// As many rows as the exchange answers where it has passed over `limit`.
const ROWS_WITHOUT_LIMIT: usize = 500;

/// The call for a span of slots, which are no more than a page has.
///
/// Times are those of a row's begin, and both are included.
pub(super) fn klines(base: &Url, service: &Service, symbol: &str, grid: Grid, slots: Slots) -> Url {
    let mut url = join(base, service.path);
    let last_ms = grid.start_of(slots.end).unix_ms().saturating_sub(1);
    url.query_pairs_mut()
        .append_pair(service.named_by, symbol)
        .append_pair("interval", grid.timeframe().text())
        .append_pair("startTime", &grid.start_of(slots.start).unix_ms().to_string())
        .append_pair("endTime", &last_ms.to_string())
        .append_pair("limit", &rows_asked(service, slots).to_string());
    url
}

/// The call for the very first row of a symbol.
pub(super) fn first_kline(base: &Url, service: &Service, symbol: &str, grid: Grid) -> Url {
    let mut url = join(base, service.path);
    url.query_pairs_mut()
        .append_pair(service.named_by, symbol)
        .append_pair("interval", grid.timeframe().text())
        .append_pair("startTime", "0")
        .append_pair("limit", "1");
    url
}

/// The call for the newest row of a symbol, be it growing.
pub(super) fn last_kline(base: &Url, service: &Service, symbol: &str, grid: Grid) -> Url {
    let mut url = join(base, service.path);
    url.query_pairs_mut()
        .append_pair(service.named_by, symbol)
        .append_pair("interval", grid.timeframe().text())
        .append_pair("limit", "1");
    url
}

fn rows_asked(service: &Service, slots: Slots) -> u64 {
    slots.len().clamp(1, u64::from(service.rows_max))
}

/// How much of what was asked for an answer speaks of: as many rows as were asked for may be a
/// part of all there are, unless they reach the end.
pub(super) fn reach(service: &Service, grid: Grid, slots: Slots, rows: &[(Time, Candle)]) -> Reach {
    let asked = rows_asked(service, slots);
    let times = || rows.iter().map(|(time, _)| grid.slot_at(*time));
    let (Some(first), Some(last)) = (times().min(), times().max()) else { return Reach::Whole };
    // Fewer than asked for can be a part only if what was asked for was passed over. Where rows are
    // rare there may be just as many, but then they reach about as far as was asked.
    let left = match service.cut {
        Cut::Newest => slots.end - 1 - last,
        Cut::Oldest => first - slots.start,
    };
    let is_far = left.max(0).unsigned_abs() > slots.len() / 20;
    let may_be_cut = rows.len() as u64 >= asked || (rows.len() == ROWS_WITHOUT_LIMIT && is_far);
    match service.cut {
        Cut::Newest if may_be_cut && last + 1 < slots.end => Reach::UpToLast,
        Cut::Oldest if may_be_cut && first > slots.start => Reach::FromFirst,
        _ => Reach::Whole,
    }
}

#[cfg(test)]
mod tests {
    use cache_series::key::{Market, SeriesKey};
    use cache_series::time::{Alignment, Timeframe};

    use super::*;

    fn service(market: Market) -> Service {
        let key = SeriesKey::new("binance", "BTCUSDT", Timeframe::Minute1).unwrap();
        Service::of(&key.with_market(market)).unwrap()
    }

    #[test]
    fn a_call_names_first_and_last_moment() {
        let base = "https://api.binance.com".parse().unwrap();
        let grid = Grid::new(Timeframe::Month1, Alignment::UTC);
        // February and March of 1970.
        let url = klines(&base, &service(Market::Spot), "BTC&X", grid, Slots::new(1, 3));
        assert_eq!(
            url.as_str(),
            "https://api.binance.com/api/v3/klines?symbol=BTC%26X&interval=1M\
             &startTime=2678400000&endTime=7775999999&limit=2"
        );
    }

    #[test]
    fn an_answer_speaks_of_no_more_than_it_reaches() {
        let grid = Grid::new(Timeframe::Minute1, Alignment::UTC);
        let rows = |slots: Slots| -> Vec<_> {
            slots.iter().map(|slot| (grid.start_of(slot), Candle::flat(1.0, 1.0))).collect()
        };
        let (spot, inverse) = (service(Market::Spot), service(Market::Inverse));
        let asked = Slots::new(0, 1_000);
        assert_eq!(reach(&spot, grid, asked, &rows(asked)), Reach::Whole);
        assert_eq!(reach(&spot, grid, asked, &rows(Slots::new(0, 400))), Reach::Whole);
        assert_eq!(reach(&spot, grid, asked, &[]), Reach::Whole);
        // The limit was passed over.
        assert_eq!(reach(&spot, grid, asked, &rows(Slots::new(0, 500))), Reach::UpToLast);
        assert_eq!(reach(&inverse, grid, asked, &rows(Slots::new(500, 1_000))), Reach::FromFirst);
        // Every second slot has a row.
        let rare: Vec<_> = rows(asked).into_iter().step_by(2).collect();
        assert_eq!((rare.len(), reach(&spot, grid, asked, &rare)), (500, Reach::Whole));
        // Rows between the slots have taken the place of others.
        let mut more = rows(Slots::new(0, 3));
        more.insert(1, (Time::from_unix_ms(30_000), Candle::flat(1.0, 1.0)));
        assert_eq!(reach(&spot, grid, Slots::new(0, 4), &more), Reach::UpToLast);
    }
}
