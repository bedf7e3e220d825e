use cache_series::admit::Reach;
use cache_series::time::{Grid, Slots};
use url::Url;

use super::klines::Row;
use super::service::{Candles, MONTH, Service};
use super::symbol::Symbol;
use crate::options::join;

/// Fewer rows than were asked for may be answered where a path has an older limit.
const ROWS_OF_OLD: usize = 100;
/// So many months are asked for to find the first.
const MONTHS_MAX: usize = 300;

/// The call for a span of slots, which are no more than a page has.
///
/// `before` is a moment before the first row's and `after` one behind the last's, for neither is
/// included.
pub(super) fn candles(
    base: &Url,
    candles: Candles,
    service: &Service,
    symbol: &Symbol,
    grid: Grid,
    slots: Slots,
) -> Url {
    let mut url = join(base, candles.path);
    let before_ms = grid.start_of(slots.start).unix_ms().saturating_sub(1);
    url.query_pairs_mut()
        .append_pair("instId", &symbol.text)
        .append_pair("bar", service.bar)
        .append_pair("before", &before_ms.to_string())
        .append_pair("after", &grid.start_of(slots.end).unix_ms().to_string())
        .append_pair("limit", &rows_asked(service, slots).to_string());
    url
}

/// The call for all months that there are: 25 years, which is longer than the exchange is old.
pub(super) fn months(base: &Url, service: &Service, symbol: &Symbol) -> Url {
    let mut url = join(base, service.newest.path);
    url.query_pairs_mut()
        .append_pair("instId", &symbol.text)
        .append_pair("bar", MONTH)
        .append_pair("limit", &MONTHS_MAX.to_string());
    url
}

/// Whether there may be months before those that were answered.
pub(super) fn may_be_cut(months: &[Row]) -> bool {
    [ROWS_OF_OLD, MONTHS_MAX].contains(&months.len())
}

/// The call for what is told of a symbol.
pub(super) fn instrument(base: &Url, symbol: &Symbol) -> Url {
    let mut url = join(base, "/api/v5/public/instruments");
    url.query_pairs_mut().append_pair("instType", symbol.kind).append_pair("instId", &symbol.text);
    url
}

fn rows_asked(service: &Service, slots: Slots) -> u64 {
    slots.len().clamp(1, u64::from(service.rows_max))
}

/// How much of what was asked for an answer speaks of.
///
/// Of too many rows the exchange answers the newest: what lies before the first of as many as there
/// may be is not spoken of. Neither is what lies before the first of the newest, for it may be held
/// there no more. A row that still grows is none yet, and what lies from it on is not spoken of;
/// where the begin is cut off as well, its slot counts as one without a row, which is asked for
/// again.
pub(super) fn reach(
    grid: Grid,
    service: &Service,
    asked_of: Candles,
    slots: Slots,
    rows: &[Row],
) -> Reach {
    let Some(first) = rows.iter().map(|row| grid.slot_at(row.time)).min() else {
        return Reach::Whole;
    };
    let is_full = rows.len() as u64 >= rows_asked(service, slots) || rows.len() == ROWS_OF_OLD;
    if first > slots.start && (is_full || asked_of == service.newest) {
        Reach::FromFirst
    } else if rows.iter().any(|row| !row.closed) {
        Reach::UpToLast
    } else {
        Reach::Whole
    }
}

#[cfg(test)]
mod tests {
    use cache_series::key::{Market, PriceType, SeriesKey};
    use cache_series::row::Candle;
    use cache_series::time::{Alignment, Timeframe};

    use super::super::symbol::symbol;
    use super::*;

    const MINUTES: Grid = Grid::new(Timeframe::Minute1, Alignment::UTC);

    fn service(key: &SeriesKey) -> Service {
        Service::of(key).unwrap()
    }

    fn minutes() -> SeriesKey {
        SeriesKey::new("okx", "BTC-USDT", Timeframe::Minute1).unwrap()
    }

    #[test]
    fn a_call_names_moments_that_it_does_not_include() {
        let key = SeriesKey::new("okx", "BTC-USD-SWAP", Timeframe::Month1).unwrap();
        let key = key.with_market(Market::Inverse);
        let (service, symbol) = (service(&key), symbol(&key).unwrap());
        let base = "https://openapi.okx.com".parse().unwrap();
        let grid = Grid::new(Timeframe::Month1, Alignment::UTC);
        // February and March of 1970.
        let url = candles(&base, service.history, &service, &symbol, grid, Slots::new(1, 3));
        assert_eq!(
            url.as_str(),
            "https://openapi.okx.com/api/v5/market/history-candles?instId=BTC-USD-SWAP&bar=1Mutc\
             &before=2678399999&after=7776000000&limit=2"
        );
        assert_eq!(
            instrument(&base, &symbol).as_str(),
            "https://openapi.okx.com/api/v5/public/instruments?instType=SWAP&instId=BTC-USD-SWAP"
        );
        assert_eq!(
            months(&base, &service, &symbol).as_str(),
            "https://openapi.okx.com/api/v5/market/candles?instId=BTC-USD-SWAP&bar=1Mutc&limit=300"
        );
    }

    fn rows(slots: Slots) -> Vec<Row> {
        let row = |slot| Row {
            time: MINUTES.start_of(slot),
            candle: Candle::flat(1.0, 1.0),
            closed: true,
        };
        slots.iter().rev().map(row).collect()
    }

    #[test]
    fn an_answer_speaks_of_no_more_than_it_reaches() {
        let service = service(&minutes());
        let asked = Slots::new(0, 300);
        let of = |asked_of, rows: &[Row]| reach(MINUTES, &service, asked_of, asked, rows);
        for path in [service.newest, service.history] {
            assert_eq!(of(path, &rows(asked)), Reach::Whole);
            assert_eq!(of(path, &[]), Reach::Whole);
            assert_eq!(of(path, &rows(Slots::new(0, 250))), Reach::Whole);
            // An older limit than what was asked for.
            assert_eq!(of(path, &rows(Slots::new(200, 300))), Reach::FromFirst);
            // A row that was not asked for has taken the place of another.
            assert_eq!(of(path, &rows(Slots::new(1, 301))), Reach::FromFirst);
        }
        // Listed in the middle of the page; but among the newest it may be held no more.
        let late = rows(Slots::new(150, 300));
        assert_eq!(of(service.history, &late), Reach::Whole);
        assert_eq!(of(service.newest, &late), Reach::FromFirst);
        let mut growing = rows(asked);
        growing[0].closed = false;
        assert_eq!(of(service.history, &growing), Reach::UpToLast);
    }

    #[test]
    fn prices_that_are_not_traded_at_come_a_hundred_at_a_time() {
        let key = minutes().with_market(Market::Linear).with_price(PriceType::Mark);
        let service = service(&key);
        let asked = Slots::new(0, 100);
        let of = |rows: &[Row]| reach(MINUTES, &service, service.history, asked, rows);
        assert_eq!(of(&rows(asked)), Reach::Whole);
        assert_eq!(of(&rows(Slots::new(1, 101))), Reach::FromFirst);
        assert!(may_be_cut(&rows(asked)) && !may_be_cut(&rows(Slots::new(0, 99))));
    }
}
