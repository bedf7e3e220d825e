//! Directories and views beside a plain map of slots.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::chunk::{CHUNK_SLOTS, Chunk};
use crate::coverage::{Coverage, State, any_state};
use crate::head::Head;
use crate::row::{Candle, Columns, Row};
use crate::session::SessionCalendar;
use crate::time::{Alignment, Grid, Slots, Time, Timeframe};

const MINUTES: Grid = Grid::new(Timeframe::Minute1, Alignment::UTC);
/// Four chunks, two of them before 1970.
const WORLD: Slots = Slots::new(-2 * CHUNK_SLOTS, 2 * CHUNK_SLOTS);

/// Each slot's state, and whether it has a row. The row tells its slot.
#[derive(Clone, Debug, Default)]
pub(crate) struct Plain {
    pub(crate) slots: BTreeMap<i64, (State, bool)>,
    pub(crate) head: Head,
}

pub(crate) fn row_of(slot: i64) -> Candle {
    let open = (slot + 1_000_000) as f64 / 100.0;
    Candle { open, high: open + 2.0, low: open - 1.0, close: open + 0.5, volume: (slot & 7) as f64 }
}

pub(crate) fn plain() -> impl Strategy<Value = Plain> {
    let span = (WORLD.start..WORLD.end, 1i64..900, any_state(), 1u64..4);
    let head = (WORLD.start..WORLD.end, 1i64..3_000, any_state());
    let edge = || proptest::option::of(WORLD.start..WORLD.end);
    (proptest::collection::vec(span, 0..12), proptest::collection::vec(head, 0..3), edge(), edge())
        .prop_map(|(spans, heads, listing, last)| {
            let mut plain = Plain::default();
            for (start, length, state, every) in spans {
                for slot in start..(start + length).min(WORLD.end) {
                    let has = state.has_rows() && (slot.rem_euclid(3) as u64).is_multiple_of(every);
                    plain.slots.insert(slot, (state, has));
                }
            }
            for (start, length, state) in heads {
                plain.head.mark(Slots::new(start, start + length), state);
            }
            if let Some(listing) = listing {
                plain.head.listed(MINUTES.start_of(listing));
            }
            if let Some(last) = last {
                plain.head.ended(MINUTES.start_of(last));
            }
            plain
        })
}

impl Plain {
    pub(crate) fn directory(&self) -> Arc<Directory<Candle>> {
        let directory = Directory::new(MINUTES, Arc::new(SessionCalendar::ALWAYS))
            .with_head(Arc::new(self.head.clone()));
        let chunks = Chunk::<Candle>::indices_of(WORLD).iter().filter_map(|index| {
            let slots = Chunk::<Candle>::slots_of(index);
            let within = self.slots.range(slots.start..slots.end);
            let coverage: Coverage =
                within.clone().map(|(slot, (state, _))| (Slots::one(*slot), *state)).collect();
            let rows = within.filter(|(_, (_, has))| *has).map(|(slot, _)| (*slot, row_of(*slot)));
            (!coverage.is_empty()).then(|| Arc::new(Chunk::build(index, rows, coverage).unwrap()))
        });
        Arc::new(directory.with_chunks(chunks))
    }

    pub(crate) fn has(&self, slot: i64) -> bool {
        self.slots.get(&slot).is_some_and(|(_, has)| *has)
    }

    pub(crate) fn state(&self, slot: i64) -> Option<State> {
        let head = self.head.span_at(MINUTES, slot).map(|(_, state)| state);
        match self.slots.get(&slot).map(|(state, _)| *state) {
            Some(failed @ State::Failed { .. }) => {
                Some(head.map_or(failed, |head| head.merge(failed)))
            }
            Some(state) => Some(state),
            None => head,
        }
    }

    pub(crate) fn rows_in(&self, slots: Slots) -> Vec<i64> {
        slots.iter().filter(|slot| self.has(*slot)).collect()
    }
}

pub(crate) fn span() -> impl Strategy<Value = Slots> {
    (WORLD.start - 50..WORLD.end + 50, 0i64..2_500)
        .prop_map(|(start, length)| Slots::new(start, start + length))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn views_are_what_a_plain_map_holds(plain in plain(), asked in span(), at in any::<proptest::sample::Index>()) {
        let directory = plain.directory();
        let view = directory.view(asked);
        let expected = plain.rows_in(asked);
        prop_assert_eq!(view.len(), expected.len() as u64);
        prop_assert_eq!(view.is_empty(), expected.is_empty());
        let rows: Vec<(i64, Candle)> = view.iter().collect();
        prop_assert_eq!(&rows, &expected.iter().map(|slot| (*slot, row_of(*slot))).collect::<Vec<_>>());
        let times: Vec<Time> = expected.iter().map(|slot| MINUTES.start_of(*slot)).collect();
        prop_assert_eq!(view.times().collect::<Vec<_>>(), times);
        prop_assert_eq!(view.first(), rows.first().copied());
        prop_assert_eq!(view.last(), rows.last().copied());
        if !rows.is_empty() {
            let at = at.index(rows.len());
            prop_assert_eq!(view.row(at as u64), Some(rows[at]));
        }
        prop_assert_eq!(view.row(rows.len() as u64), None);

        let mut columns = Columns::new(Candle::SCHEMA);
        Candle::flat(f64::NAN, 0.0).write(&mut columns);
        view.copy_columns(&mut columns);
        prop_assert_eq!(columns.rows(), rows.len());
        prop_assert!((0..rows.len()).all(|row| Candle::read(&columns, row) == rows[row].1));
        let volumes: Vec<f64> =
            view.segments().flat_map(|segment| segment.float(Candle::VOLUME).to_vec()).collect();
        prop_assert_eq!(&volumes[..], columns.float(Candle::VOLUME));
    }

    #[test]
    fn what_is_known_is_what_chunks_then_head_say(plain in plain(), asked in span()) {
        let directory = plain.directory();
        let coverage = directory.coverage(asked);
        for slot in asked {
            prop_assert_eq!(coverage.at(slot), plain.state(slot), "slot {}", slot);
        }
        let mut walked = Vec::new();
        directory.walk(asked, |span, state| {
            walked.push((span, state));
            std::ops::ControlFlow::<()>::Continue(())
        });
        let mut back = Vec::new();
        directory.walk_back(asked, |span, state| {
            back.push((span, state));
            std::ops::ControlFlow::<()>::Continue(())
        });
        for walked in [&walked, &back.into_iter().rev().collect()] {
            let slots: Vec<i64> = walked.iter().flat_map(|(span, _)| span.iter()).collect();
            prop_assert_eq!(slots, asked.iter().collect::<Vec<_>>());
            prop_assert!(walked.iter().all(|(span, state)| coverage.at(span.start) == *state));
        }
    }

    #[test]
    fn a_seed_is_the_last_row_with_nothing_unknown_after_it(plain in plain(), asked in span()) {
        let directory = plain.directory();
        let traded = plain.head.traded(MINUTES);
        let mut expected = Seed::Nothing;
        for slot in (traded.start.max(WORLD.start - 100)..asked.start).rev() {
            if plain.has(slot) {
                expected = Seed::Row(slot, row_of(slot));
                break;
            }
            if !plain.state(slot).is_some_and(State::is_known) {
                expected = Seed::Unknown(Slots::one(slot));
                break;
            }
        }
        match (directory.seed_before(asked.start), expected) {
            (Seed::Unknown(found), Seed::Unknown(expected)) => prop_assert_eq!(found.end, expected.end),
            (found, expected) => prop_assert_eq!(found, expected),
        }
    }

    #[test]
    fn absent_chunks_are_those_that_may_hold_something(plain in plain(), asked in span()) {
        let directory = plain.directory();
        let absent = directory.absent_chunks(asked);
        for index in Chunk::<Candle>::indices_of(asked) {
            let here = directory.chunk(index).is_some();
            let slots = Chunk::<Candle>::slots_of(index).intersection(asked);
            let known = slots.iter().all(|slot| {
                plain.head.span_at(MINUTES, slot).is_some_and(|(_, state)| !state.is_due(Time::MIN))
            });
            prop_assert_eq!(absent.contains(&index), !here && !known, "chunk {}", index);
        }
    }
}

#[test]
fn a_view_is_not_changed_by_what_comes_later() {
    let fetched = |slots| Coverage::from_iter([(slots, State::Fetched)]);
    let first = Chunk::build(0, [(5, row_of(5))], fetched(Slots::new(0, 10))).unwrap();
    let directory = Arc::new(
        Directory::new(MINUTES, Arc::new(SessionCalendar::ALWAYS)).with_chunks([Arc::new(first)]),
    );
    let view = directory.view(Slots::new(0, 20));
    let second = Chunk::build(0, [(5, row_of(5)), (6, row_of(6))], fetched(Slots::new(0, 10)));
    let later = Arc::new(directory.with_chunks([Arc::new(second.unwrap())]));
    assert_eq!((view.len(), later.view(Slots::new(0, 20)).len()), (1, 2));
    assert_eq!(later.without_chunk(0).rows(), 0);
    assert_eq!(view.iter().count(), 1);
}

/// Closed days of a calendar need no chunk to be known; a row on one is believed all the same.
#[test]
fn a_calendar_is_believed_last() {
    let calendar = SessionCalendar::builder("UTC0").unwrap();
    let calendar = calendar.weekdays(1..=5, "00:00", "24:00").unwrap().build();
    let days = Grid::new(Timeframe::Day1, Alignment::UTC);
    let week = days.slots_in("2024-01-01".parse_day(), "2024-01-08".parse_day());
    let saturday = week.start + 5;
    let directory = Directory::<Candle>::new(days, Arc::new(calendar));
    assert_eq!(directory.coverage(week).at(saturday), Some(State::Closed));
    assert_eq!(
        directory.coverage(week).missing(week, Time::MIN),
        [Slots::new(week.start, saturday)]
    );
    let index = Chunk::<Candle>::index_of(saturday);
    let fetched = Coverage::from_iter([(Slots::one(saturday), State::Fetched)]);
    let chunk = Chunk::build(index, [(saturday, row_of(1))], fetched).unwrap();
    let directory = directory.with_chunks([Arc::new(chunk)]);
    assert_eq!(directory.coverage(week).at(saturday), Some(State::Fetched));
    assert_eq!(directory.coverage(week).at(saturday + 1), Some(State::Closed));
}

trait Day {
    fn parse_day(&self) -> Time;
}

impl Day for &str {
    fn parse_day(&self) -> Time {
        format!("{self}T00:00:00Z").parse().unwrap()
    }
}
