use cache_series::admit::{Answer, Reach};
use cache_series::row::Candle;
use cache_series::time::{Grid, Slots, Time};
use cache_series::venue::{VenueError, VenueErrorKind};
use url::Url;

use super::NAME;
use super::klines::Klines;
use super::service::{LONGEST, ROWS_MAX, Service};
use super::symbol::Pair;
use crate::options::join;

/// The call for a span of slots. It names where they begin; the exchange answers from there on, or
/// from the oldest row that it still has, up to the one that is growing.
pub(super) fn klines(base: &Url, service: &Service, pair: &Pair, grid: Grid, slots: Slots) -> Url {
    // What is said of `since` is that later rows are answered: not whether that of this moment is.
    let since = grid.start_of(slots.start.saturating_sub(1)).unix_ms().div_euclid(1_000).max(0);
    candles(base, service.interval, pair, since)
}

/// The call for the longest candles, of which there are fewer than a call answers.
pub(super) fn longest(base: &Url, pair: &Pair) -> Url {
    candles(base, LONGEST, pair, 0)
}

fn candles(base: &Url, interval: u32, pair: &Pair, since: i64) -> Url {
    let mut url = join(base, "/0/public/OHLC");
    url.query_pairs_mut()
        .append_pair("pair", &pair.for_calls())
        .append_pair("interval", &interval.to_string())
        .append_pair("since", &since.to_string());
    url
}

/// The call for what is told of a pair.
pub(super) fn asset_pair(base: &Url, pair: &Pair) -> Url {
    let mut url = join(base, "/0/public/AssetPairs");
    url.query_pairs_mut().append_pair("pair", &pair.for_calls());
    url
}

/// What a reply says of the slots that were asked for.
///
/// Later rows are passed over, and so is the growing one: it is no answer for a slot that is over by
/// the cache's clock.
///
/// # Errors
/// If it says nothing of them: they lie before the newest that the exchange answers, which is not
/// to be tried again, or are not over for the exchange itself, which is soon.
pub(super) fn answer(
    grid: Grid,
    slots: Slots,
    klines: Klines,
) -> Result<Answer<Candle>, VenueError> {
    let Klines { rows, committed } = klines;
    let slot_of = |(time, _): &(Time, Candle)| grid.slot_at(*time);
    let first = rows.iter().map(slot_of).min().unwrap_or(i64::MAX);
    let newest = rows.iter().map(slot_of).max().unwrap_or(i64::MIN);
    // As far back as there is a row, and in any case as far as there would be one.
    let told_from = first.min(newest.saturating_sub(i64::from(ROWS_MAX) - 1));
    let told_to = grid.slot_at(committed).saturating_add(1);
    let (cut_before, cut_after) = (slots.start < told_from, slots.end > told_to);
    let is_wanted = |row: &(Time, Candle)| slots.contains(slot_of(row)) && slot_of(row) < told_to;
    let rows: Vec<_> = rows.into_iter().filter(is_wanted).collect();
    let reach = match (cut_before, cut_after) {
        (false, false) => Reach::Whole,
        (true, false) if slots.end <= told_from => {
            return Err(too_old(grid.start_of(told_from)));
        }
        (true, false) => Reach::Since(grid.start_of(told_from)),
        (false, true) if !rows.is_empty() => Reach::UpToLast,
        (_, true) => return Err(not_over()),
    };
    Ok(Answer { rows, reach })
}

fn too_old(first: Time) -> VenueError {
    let message = format!("it answers its newest rows alone, and none before {first}");
    VenueError::new(NAME, VenueErrorKind::Unsupported, message)
}

fn not_over() -> VenueError {
    let message = "the newest candles asked for are not over yet by its own word";
    VenueError::new(NAME, VenueErrorKind::Unavailable, message)
}

#[cfg(test)]
mod tests {
    use cache_series::key::SeriesKey;
    use cache_series::time::Timeframe;

    use super::super::service::ALIGNMENT;
    use super::*;

    const MINUTES: Grid = Grid::new(Timeframe::Minute1, ALIGNMENT);

    #[test]
    fn a_call_names_the_moment_before_the_first() {
        let key = SeriesKey::new("kraken", "BTC/USD", Timeframe::Hour4).unwrap();
        let service = Service::of(&key).unwrap();
        let pair = Pair::read("BTC/USD").unwrap();
        let base = "https://api.kraken.com".parse().unwrap();
        let grid = Grid::new(Timeframe::Hour4, ALIGNMENT);
        let url = |from, to| klines(&base, &service, &pair, grid, Slots::new(from, to)).to_string();
        let common = "https://api.kraken.com/0/public/OHLC?pair=XBTUSD&interval=240&since=";
        assert_eq!(url(3, 5), format!("{common}28800"));
        assert_eq!(url(0, 5), format!("{common}0"));
        assert_eq!(
            longest(&base, &pair).as_str(),
            "https://api.kraken.com/0/public/OHLC?pair=XBTUSD&interval=21600&since=0"
        );
        assert_eq!(
            asset_pair(&base, &pair).as_str(),
            "https://api.kraken.com/0/public/AssetPairs?pair=XBTUSD"
        );
    }

    fn row(slot: i64) -> (Time, Candle) {
        (MINUTES.start_of(slot), Candle::flat(slot as f64, 1.0))
    }

    /// A reply with rows of these slots, the last of which is growing.
    fn reply(slots: impl IntoIterator<Item = i64>) -> Klines {
        let rows: Vec<_> = slots.into_iter().map(row).collect();
        let committed = rows[rows.len() - 2].0;
        Klines { rows, committed }
    }

    fn answered(asked: Slots, reply: Klines) -> Result<(Vec<i64>, Reach), VenueErrorKind> {
        let answer = answer(MINUTES, asked, reply).map_err(|error| error.kind())?;
        let slots = answer.rows.iter().map(|(time, _)| MINUTES.slot_at(*time)).collect();
        Ok((slots, answer.reach))
    }

    fn slots(from: i64, to: i64) -> Vec<i64> {
        (from..to).collect()
    }

    #[test]
    fn what_lies_before_the_newest_is_not_spoken_of() {
        // The newest 720, and the growing one.
        let whole = || reply(1_000..1_721);
        assert_eq!(
            answered(Slots::new(1_000, 1_720), whole()),
            Ok((slots(1_000, 1_720), Reach::Whole))
        );
        assert_eq!(
            answered(Slots::new(1_200, 1_300), whole()),
            Ok((slots(1_200, 1_300), Reach::Whole))
        );
        assert_eq!(
            answered(Slots::new(720, 1_440), whole()),
            Ok((slots(1_000, 1_440), Reach::Since(MINUTES.start_of(1_000))))
        );
        for old in [Slots::new(0, 720), Slots::new(280, 1_000), Slots::new(999, 1_000)] {
            assert_eq!(answered(old, whole()), Err(VenueErrorKind::Unsupported), "{old:?}");
            let error = answer(MINUTES, old, whole()).unwrap_err();
            assert!(!error.is_transient() && error.retry_after().is_none());
            assert!(error.message().contains("1970-01-01T16:40:00Z"), "{error}");
        }
    }

    #[test]
    fn a_hole_within_reach_is_known_to_be_one() {
        // No row of 1,205 and before 1,010, where the call began at 1,204 and at 1,001.
        let hole = reply((1_204..1_721).filter(|slot| *slot != 1_205));
        assert_eq!(answered(Slots::new(1_205, 1_206), hole), Ok((vec![], Reach::Whole)));
        let long = reply(1_010..1_721);
        let (rows, reach) = answered(Slots::new(1_002, 1_012), long).unwrap();
        assert_eq!((rows, reach), (vec![1_010, 1_011], Reach::Whole));
        // One further back than the newest 720 reach.
        let long = reply(1_010..1_721);
        let (rows, reach) = answered(Slots::new(1_000, 1_012), long).unwrap();
        let told_from = Reach::Since(MINUTES.start_of(1_001));
        assert_eq!((rows, reach), (vec![1_010, 1_011], told_from));
        // Not listed yet, or not traded for as long.
        let late = || reply(1_400..1_721);
        assert_eq!(answered(Slots::new(900, 1_100), late()), Ok((vec![], told_from)));
        let old = answered(Slots::new(900, 1_001), late());
        assert_eq!(old, Err(VenueErrorKind::Unsupported));
    }

    #[test]
    fn what_is_growing_is_no_answer_for_a_slot_that_is_over() {
        // The exchange lags behind: 1,720 is still growing for it.
        let whole = || reply(1_000..1_721);
        assert_eq!(
            answered(Slots::new(1_700, 1_721), whole()),
            Ok((slots(1_700, 1_720), Reach::UpToLast))
        );
        for late in [Slots::new(1_720, 1_721), Slots::new(1_721, 1_730), Slots::new(900, 1_722)] {
            assert_eq!(answered(late, whole()), Err(VenueErrorKind::Unavailable), "{late:?}");
        }
        assert!(answer(MINUTES, Slots::new(1_720, 1_721), whole()).unwrap_err().is_transient());
    }

    #[test]
    fn a_row_alone_is_the_growing_one() {
        let alone = Klines { rows: vec![row(50)], committed: Time::EPOCH };
        let answered = answered(Slots::new(40, 50), alone);
        assert_eq!(answered, Err(VenueErrorKind::Unavailable));
    }
}
