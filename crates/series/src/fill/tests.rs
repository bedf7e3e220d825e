//! Fills beside a plain walk over all slots.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::coverage::{Kind, State};
use crate::request::{Completeness, Report};
use crate::row::{Candle, Row};
use crate::time::{Slots, Time};
use crate::view::tests::{Plain, plain, row_of, span};

fn rows(filled: &Filled) -> BTreeMap<i64, (Candle, bool)> {
    assert!(filled.slots.is_sorted_by(|one, other| one < other));
    assert_eq!((filled.columns.rows(), filled.synthetic.len()), (filled.len(), filled.len()));
    let row = |index: usize| (Candle::read(&filled.columns, index), filled.synthetic[index]);
    filled.slots.iter().enumerate().map(|(index, slot)| (*slot, row(index))).collect()
}

fn any_fill() -> impl Strategy<Value = Fill> {
    proptest::sample::select(vec![
        Fill::None,
        Fill::Null,
        Fill::PreviousClose(Volume::Zero),
        Fill::PreviousClose(Volume::Absent),
        Fill::Linear,
        Fill::Constant(7.0),
    ])
}

/// The seed of a carried close, slot by slot.
fn carried(plain: &Plain, from: i64, slot: i64) -> Option<Candle> {
    let mut before = slot - 1;
    while before > -5_000 {
        if before < from && before < plain.head.traded(MINUTES).start {
            return None;
        }
        if plain.has(before) {
            return Some(row_of(before));
        }
        if !plain.state(before).is_some_and(State::is_known) {
            return None;
        }
        before -= 1;
    }
    None
}

/// The row that a line may be drawn to, slot by slot.
fn reached(plain: &Plain, slots: Slots) -> Option<Candle> {
    for slot in slots {
        if plain.has(slot) {
            return Some(row_of(slot));
        }
        if !plain.state(slot).is_some_and(State::is_known) {
            return None;
        }
    }
    None
}

const MINUTES: crate::time::Grid =
    crate::time::Grid::new(crate::time::Timeframe::Minute1, crate::time::Alignment::UTC);

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn only_known_empty_slots_are_filled(plain in plain(), asked in span(), how in any_fill()) {
        let directory = plain.directory();
        let filled = rows(&fill(&directory.view(asked), how));
        let last = plain.rows_in(asked).last().copied();
        for slot in asked {
            let state = plain.state(slot);
            let found = filled.get(&slot);
            if plain.has(slot) {
                prop_assert_eq!(found, Some(&(row_of(slot), false)));
                continue;
            }
            let empty = state.is_some_and(|state| state.kind(false) == Kind::Empty);
            let waits = matches!(state, Some(State::Empty { check_at: Some(_), .. }))
                && last.is_none_or(|last| last < slot);
            if !empty || waits {
                prop_assert_eq!(found, None, "slot {} {:?}", slot, state);
                continue;
            }
            let before = carried(&plain, asked.start, slot);
            let text = format!("{found:?}");
            match how {
                Fill::None => prop_assert_eq!(found, None),
                Fill::Null => prop_assert!(found.is_some_and(|(row, made)| row.close.is_nan() && *made)),
                Fill::Constant(price) => prop_assert_eq!(found, Some(&(Candle::flat(price, 0.0), true))),
                Fill::PreviousClose(Volume::Zero) => {
                    let expected = before.map(|row| (Candle::flat(row.close, 0.0), true));
                    prop_assert_eq!(found, expected.as_ref());
                }
                Fill::PreviousClose(Volume::Absent) => {
                    prop_assert_eq!(found.map(|(row, _)| row.close), before.map(|row| row.close));
                    prop_assert!(found.is_none_or(|(row, made)| row.volume.is_nan() && *made));
                }
                Fill::Linear => {
                    let after = reached(&plain, Slots::new(slot, asked.end));
                    prop_assert_eq!(found.is_some(), before.is_some() && after.is_some(), "{}", text);
                    if let (Some((row, made)), Some(before), Some(after)) = (found, before, after) {
                        let (low, high) = (before.close.min(after.open), before.close.max(after.open));
                        prop_assert!(*made && row.problem().is_none());
                        prop_assert!(low - 1e-9 <= row.low && row.high <= high + 1e-9);
                    }
                }
            }
        }
        prop_assert!(filled.keys().all(|slot| asked.contains(*slot)));
    }

    /// A span cut in two is filled as it is whole: what comes later changes nothing before it, and
    /// what came before is seen. (A line does look at the row after a hole, within its span.)
    #[test]
    fn nothing_looks_ahead(plain in plain(), asked in span(), cut in 0i64..2_500, how in any_fill()) {
        prop_assume!(how != Fill::Linear);
        let mut plain = plain;
        // What waits for rows after it depends on whether there are any.
        plain.slots.retain(|_, (state, _)| !matches!(state, State::Empty { .. }));
        plain.head = Default::default();
        let directory = plain.directory();
        let cut = (asked.start + cut).min(asked.end);
        let whole = fill(&directory.view(asked), how);
        let near = fill(&directory.view(Slots::new(asked.start, cut)), how);
        let text = |filled: &Filled, slots: Slots| {
            let rows = rows(filled).into_iter().filter(|(slot, _)| slots.contains(*slot));
            format!("{:?}", rows.collect::<Vec<_>>())
        };
        prop_assert_eq!(text(&whole, Slots::new(asked.start, cut)), text(&near, asked));
        let known = Slots::new(cut, asked.end);
        let gap = asked.iter().find(|slot| !plain.state(*slot).is_some_and(State::is_known));
        if gap.is_none() {
            let far = fill(&directory.view(known), how);
            prop_assert_eq!(text(&whole, known), text(&far, asked));
        }
    }
}

/// Bug 4 of the model: holes were filled before completeness was looked at, and so were hidden.
#[test]
fn bug_4_a_fill_hides_no_hole() {
    let mut plain = Plain::default();
    plain.slots.extend((0..10).map(|slot| (slot, (State::Fetched, slot % 2 == 0))));
    let failed = State::Failed { attempts: 1, retry_at: Time::EPOCH };
    plain.slots.extend((10..13).map(|slot| (slot, (failed, false))));
    plain.slots.extend((15..20).map(|slot| (slot, (State::Fetched, true))));
    let directory = plain.directory();
    let asked = Slots::new(0, 20);
    for how in [Fill::None, Fill::PreviousClose(Volume::Zero), Fill::Constant(1.0)] {
        let report = Report::new(&directory, asked, Completeness::Strict);
        let filled = fill(&directory.view(asked), how);
        assert_eq!(report.missing, [Slots::new(10, 15)]);
        assert!(!report.verdict.is_satisfied());
        assert!(filled.slots.iter().all(|slot| !(10..15).contains(slot)), "{how:?}");
        assert_eq!(filled.synthetic.iter().filter(|made| !**made).count(), 10);
    }
}

/// Of slots that are unknown or have failed nobody knows whether the price has moved in them.
#[test]
fn nothing_is_made_up_over_a_hole_in_what_is_known() {
    let failed = State::Failed { attempts: 1, retry_at: Time::EPOCH };
    for hole in [None, Some(failed)] {
        let mut plain = Plain::default();
        plain.slots.extend((0..10).map(|slot| (slot, (State::Fetched, slot % 9 == 0))));
        plain.slots.remove(&5);
        plain.slots.extend(hole.map(|state| (5, (state, false))));
        let directory = plain.directory();
        let slots = |how| fill(&directory.view(Slots::new(0, 10)), how).slots;
        assert_eq!(slots(Fill::PreviousClose(Volume::Zero)), [0, 1, 2, 3, 4, 9], "{hole:?}");
        assert_eq!(slots(Fill::Linear), [0, 9], "{hole:?}");
        assert_eq!(slots(Fill::Constant(1.0)), [0, 1, 2, 3, 4, 6, 7, 8, 9], "{hole:?}");
    }
}

#[test]
fn a_line_opens_where_the_one_before_closed() {
    let mut plain = Plain::default();
    plain.slots.extend((0..=3).map(|slot| (slot, (State::Fetched, slot % 3 == 0))));
    let directory = plain.directory();
    let filled = rows(&fill(&directory.view(Slots::new(0, 4)), Fill::Linear));
    let (first, second) = (filled[&1].0, filled[&2].0);
    assert_eq!(first.open, row_of(0).close);
    assert_eq!(first.close, second.open);
    assert!(second.close < first.close && row_of(3).open < second.close, "{first:?} {second:?}");
    assert_eq!((first.high, first.low, first.volume), (first.open, first.close, 0.0));
}
