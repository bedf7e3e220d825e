use cache_series::admit::{Answer, Reach};
use cache_series::row::Candle;
use cache_series::time::{Grid, Slots};
use cache_series::venue::{VenueError, VenueErrorKind};
use url::Url;

use super::NAME;
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

/// What a reply says of the slots that were asked for.
///
/// Of too many rows the exchange answers the newest: what lies before the first of as many as there
/// may be is not spoken of. Neither is what lies before the first of the newest, for it may be held
/// there no more. A row that is not over by the exchange's own word is none yet, and of what lies
/// from the first of them on nothing is said, for a row that is left out between others would be
/// taken for a slot that never has one.
///
/// # Errors
/// If nothing is left of which the reply could speak: its first rows are not over, though they are
/// by the cache's clock. They soon will be.
pub(super) fn answer(
    grid: Grid,
    service: &Service,
    asked_of: Candles,
    slots: Slots,
    rows: &[Row],
) -> Result<Answer<Candle>, VenueError> {
    let Some(first) = rows.iter().map(|row| grid.slot_at(row.time)).min() else {
        return Ok(Answer { rows: Vec::new(), reach: Reach::Whole });
    };
    let is_full = rows.len() as u64 >= rows_asked(service, slots) || rows.len() == ROWS_OF_OLD;
    let cut_before = first > slots.start && (is_full || asked_of == service.newest);
    let growing = rows.iter().filter(|row| !row.closed).map(|row| row.time).min();
    let is_over = |row: &&Row| growing.is_none_or(|growing| row.time < growing);
    let over: Vec<_> = rows.iter().filter(is_over).map(|row| (row.time, row.candle)).collect();
    let reach = match (cut_before, growing) {
        (false, None) => Reach::Whole,
        (true, None) => Reach::FromFirst,
        (false, Some(_)) if !over.is_empty() => Reach::UpToLast,
        (_, Some(time)) => {
            let message = format!("the candle of {time} is not closed yet");
            return Err(VenueError::new(NAME, VenueErrorKind::Unavailable, message));
        }
    };
    Ok(Answer { rows: over, reach })
}

#[cfg(test)]
mod tests {
    use cache_series::key::{Market, PriceType, SeriesKey};
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
        let of = |asked_of, rows: &[Row]| {
            let answer = answer(MINUTES, &service, asked_of, asked, rows).unwrap();
            assert_eq!(answer.rows.len(), rows.len());
            answer.reach
        };
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
    }

    #[test]
    fn from_the_first_row_that_is_not_over_nothing_is_said() {
        let service = service(&minutes());
        let asked = Slots::new(0, 300);
        let of = |asked_of, slots: Slots, growing: &[i64]| {
            let mut rows = rows(slots);
            for row in &mut rows {
                row.closed = !growing.contains(&MINUTES.slot_at(row.time));
            }
            let answer = answer(MINUTES, &service, asked_of, asked, &rows);
            answer.map(|it| (it.rows.len(), it.reach)).map_err(|error| error.kind())
        };
        assert_eq!(of(service.history, asked, &[299]), Ok((299, Reach::UpToLast)));
        // Rows that are over follow on ones that are not said to be.
        assert_eq!(of(service.history, asked, &[250]), Ok((250, Reach::UpToLast)));
        assert_eq!(of(service.history, asked, &[120, 250, 299]), Ok((120, Reach::UpToLast)));
        // Nothing is left that could be spoken of.
        let unsaid = Err(VenueErrorKind::Unavailable);
        assert_eq!(of(service.history, asked, &[0]), unsaid);
        // Nothing is said of what lies before either.
        assert_eq!(of(service.newest, Slots::new(150, 300), &[299]), unsaid);
    }

    #[test]
    fn prices_that_are_not_traded_at_come_a_hundred_at_a_time() {
        let key = minutes().with_market(Market::Linear).with_price(PriceType::Mark);
        let service = service(&key);
        let asked = Slots::new(0, 100);
        let of =
            |rows: &[Row]| answer(MINUTES, &service, service.history, asked, rows).unwrap().reach;
        assert_eq!(of(&rows(asked)), Reach::Whole);
        assert_eq!(of(&rows(Slots::new(1, 101))), Reach::FromFirst);
        assert!(may_be_cut(&rows(asked)) && !may_be_cut(&rows(Slots::new(0, 99))));
    }
}
