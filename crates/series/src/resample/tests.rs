//! Longer rows beside a plain walk over their parts.

use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::chunk::Chunk;
use crate::session::SessionCalendar;
use crate::time::{Alignment, Timeframe};
use crate::view::Directory;
use crate::view::tests::{Plain, plain, row_of, span};

const fn grid(timeframe: Timeframe) -> Grid {
    Grid::new(timeframe, Alignment::UTC)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn longer_rows_are_made_of_all_their_parts(plain in plain(), asked in span(), minutes in proptest::sample::select(vec![
        Timeframe::Minute3, Timeframe::Minute15, Timeframe::Hour1,
    ])) {
        let directory = plain.directory();
        let coarse = grid(minutes);
        let length = minutes.nominal_ms() / 60_000;
        let resampled = resample(&directory.view(asked), coarse).unwrap();
        let mut rows = resampled.rows.iter();
        let first = asked.start.div_euclid(length) - 1;
        for slot in first..=asked.end.div_euclid(length) {
            let parts = Slots::new(slot * length, (slot + 1) * length);
            let state = resampled.coverage.at(slot);
            let known = parts.iter().all(|part| plain.state(part).is_some_and(State::is_known));
            if !asked.covers(parts) || !known {
                prop_assert_eq!(state, None);
                continue;
            }
            let present: Vec<Candle> = plain.rows_in(parts).into_iter().map(row_of).collect();
            prop_assert_eq!(state.is_some_and(State::has_rows), !present.is_empty()
                || parts.iter().any(|part| matches!(plain.state(part), Some(State::Settling { .. })))
                || (parts.iter().any(|part| matches!(plain.state(part), Some(State::Fetched)))
                    && !parts.iter().any(|part| matches!(plain.state(part), Some(State::Empty { .. })))));
            // What may still change in a part may change in the whole.
            let due = parts.iter().filter_map(|part| match plain.state(part) {
                Some(State::Settling { check_at } | State::Empty { check_at: Some(check_at), .. }) => Some(check_at),
                _ => None,
            }).max();
            prop_assert_eq!(due.is_some(), state.is_some_and(|state| state.is_due(Time::MAX)));
            if present.is_empty() {
                continue;
            }
            let (at, row) = rows.next().unwrap();
            prop_assert_eq!(*at, slot);
            prop_assert_eq!(row.open, present[0].open);
            prop_assert_eq!(row.close, present[present.len() - 1].close);
            prop_assert!(present.iter().all(|part| part.high <= row.high && part.low >= row.low));
            prop_assert!(present.iter().any(|part| part.high == row.high));
            prop_assert!(present.iter().any(|part| part.low == row.low));
            prop_assert_eq!(row.volume, present.iter().map(|part| part.volume).sum::<f64>());
        }
        prop_assert!(rows.next().is_none());
    }
}

#[test]
fn days_make_weeks_and_months_and_weeks_do_not() {
    let at = |text: &str| text.parse::<Time>().unwrap();
    let days = grid(Timeframe::Day1);
    let year = days.slots_in(at("2024-01-01T00:00:00Z"), at("2025-01-01T00:00:00Z"));
    let chunks = Chunk::<Candle>::indices_of(year).iter().map(|index| {
        let part = Chunk::<Candle>::slots_of(index).intersection(year);
        let fetched = Coverage::from_iter([(part, State::Fetched)]);
        let rows = part.iter().map(|slot| (slot, Candle::flat(slot as f64, 0.1)));
        Arc::new(Chunk::build(index, rows, fetched).unwrap())
    });
    let directory = Directory::new(days, Arc::new(SessionCalendar::ALWAYS)).with_chunks(chunks);
    let view = Arc::new(directory).view(year);
    let months = resample(&view, grid(Timeframe::Month1)).unwrap();
    assert_eq!(months.rows.len(), 12);
    let february = months.rows[1].1;
    assert_eq!(february.volume, 2.9, "29 times 0.1, exactly");
    assert_eq!(february.close - february.open, 28.0);
    let weeks = resample(&view, grid(Timeframe::Week1)).unwrap();
    assert_eq!(weeks.rows.len(), 52);
    assert!(weeks.rows.iter().all(|(_, row)| row.close - row.open == 6.0));

    let weekly =
        Directory::<Candle>::new(grid(Timeframe::Week1), Arc::new(SessionCalendar::ALWAYS));
    let slots =
        grid(Timeframe::Week1).slots_in(at("2024-01-01T00:00:00Z"), at("2024-06-01T00:00:00Z"));
    let error = resample(&Arc::new(weekly).view(slots), grid(Timeframe::Month1)).unwrap_err();
    assert_eq!(error.at, at("2024-02-01T00:00:00Z"));
}

#[test]
fn a_part_that_may_still_come_leaves_the_whole_open() {
    let mut plain = Plain::default();
    let check_at = Time::from_unix_ms(5_000);
    plain.slots.extend((0..60).map(|slot| (slot, (State::Fetched, true))));
    plain.slots.insert(59, (State::Empty { checks: 1, check_at: Some(check_at) }, false));
    let view = plain.directory().view(Slots::new(0, 60));
    let hour = resample(&view, grid(Timeframe::Hour1)).unwrap();
    assert_eq!(hour.coverage.at(0), Some(State::Settling { check_at }));
    assert_eq!(hour.rows.len(), 1);
}
