//! Which slots requests are for, and how complete they are, beside plain counts over all slots.

use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::coverage::{Kind, State};
use crate::fill::{Fill, Volume};
use crate::time::{Alignment, Grid, Slots, Time, Timeframe};
use crate::view::tests::{Plain, plain, span};

const MINUTES: Grid = Grid::new(Timeframe::Minute1, Alignment::UTC);
/// What the plain maps reach over, with room around.
const AROUND: i64 = 6_000;

fn due(plain: &Plain, slot: i64, now: Time) -> bool {
    plain.state(slot).is_none_or(|state| state.is_due(now))
}

/// The answer to a count of rows, slot by slot.
fn count(
    plain: &Plain,
    mut slots: impl Iterator<Item = i64>,
    count: u64,
    fill: bool,
    ask: Option<Time>,
) -> Result<Vec<i64>, i64> {
    let mut found = Vec::new();
    while (found.len() as u64) < count {
        let Some(slot) = slots.next() else { break };
        let closed = matches!(
            plain.state(slot),
            Some(State::Closed | State::BeforeListing | State::AfterLast)
        );
        match ask {
            _ if fill && !closed => found.push(slot),
            _ if fill => {}
            Some(now) if due(plain, slot, now) => return Err(slot),
            _ if plain.has(slot) => found.push(slot),
            _ => {}
        }
    }
    Ok(found)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn counts_are_those_of_a_plain_walk(
        plain in plain(),
        edge in span(),
        wanted in 0u64..400,
        now in -2_000i64..2_200,
        filled in any::<bool>(),
        offline in any::<bool>(),
        forward in any::<bool>(),
    ) {
        let directory = plain.directory();
        let now = MINUTES.start_of(now).after(Duration::from_secs(30));
        let traded = plain.head.traded(MINUTES);
        let end = MINUTES.slot_at(now).min(traded.end);
        let at = MINUTES.start_of(edge.start);
        let window = match forward {
            true => Window::Since { from: at, count: Some(wanted) },
            false => Window::Until { to: at, count: Some(wanted) },
        };
        let mut request = Request::new(window).with_slots_max(20_000);
        request.offline = offline;
        if filled {
            request.fill = Fill::PreviousClose(Volume::Zero);
        }
        let ask = (!offline && !filled).then_some(now);
        let (low, high) = (traded.start.max(-AROUND), end.min(AROUND));
        let expected = if forward {
            count(&plain, edge.start.max(low)..high, wanted, filled, ask)
        } else {
            count(&plain, (low..high.min(edge.start)).rev(), wanted, filled, ask)
        };
        match (request.select(&directory, now), expected) {
            (Ok(Selection::Ask(asked)), Err(slot)) => {
                let near = if forward { asked.start } else { asked.end - 1 };
                prop_assert_eq!(near, slot);
                prop_assert!(asked.len() <= wanted && !asked.is_empty());
                prop_assert!(asked.iter().all(|slot| due(&plain, slot, now)));
            }
            (Ok(Selection::Slots(slots)), Ok(found)) => {
                let within = |slot: &i64| slots.contains(*slot);
                if !filled {
                    prop_assert_eq!(plain.rows_in(slots).len(), found.len());
                }
                prop_assert!(found.iter().all(within), "{:?} {:?}", slots, found);
                if found.len() as u64 == wanted && wanted > 0 {
                    let outer = if forward { slots.end - 1 } else { slots.start };
                    prop_assert_eq!(Some(&outer), found.last());
                }
            }
            // Where nothing bounds it, an offline walk ends at the limit.
            (Err(RequestError::TooLong { .. }), Ok(found)) => {
                prop_assert!((found.len() as u64) < wanted);
            }
            (found, expected) => prop_assert!(false, "{:?} instead of {:?}", found, expected),
        }
    }

    #[test]
    fn reports_count_every_slot_once(
        plain in plain(),
        asked in span(),
        missing_max in 0u64..2_000,
        tail in 0i64..1_000,
    ) {
        let directory = plain.directory();
        let tail_max = Duration::from_secs(60 * tail as u64);
        let report = Report::new(&directory, asked, Completeness::Tolerant { missing_max, tail_max });
        let counted = |kind: Kind| {
            asked.iter().filter(|slot| {
                let state = plain.state(*slot);
                state.map_or(Kind::Unknown, |state| state.kind(plain.has(*slot))) == kind
            }).count() as u64
        };
        let present = plain.rows_in(asked).len() as u64;
        prop_assert_eq!(report.present, present);
        prop_assert_eq!(report.empty, counted(Kind::Empty));
        prop_assert_eq!(report.unknown, counted(Kind::Unknown));
        prop_assert_eq!(report.failed, counted(Kind::Failed));
        prop_assert_eq!(report.before_listing, counted(Kind::BeforeListing));
        prop_assert_eq!(report.after_last, counted(Kind::AfterLast));
        prop_assert_eq!(report.closed, counted(Kind::Closed));
        let missing: Vec<i64> = asked.iter()
            .filter(|slot| !plain.state(*slot).is_some_and(State::is_known)).collect();
        prop_assert_eq!(report.expected, present + missing.len() as u64);
        prop_assert_eq!(report.missing.iter().flat_map(|span| span.iter()).collect::<Vec<_>>(), missing.clone());
        let at_end = asked.iter().rev().take_while(|slot| missing.contains(slot)).count() as i64;
        let forgiven = if at_end <= tail { at_end as u64 } else { 0 };
        let left = missing.len() as u64 - forgiven;
        let expected = match (missing.len(), left <= missing_max) {
            (0, _) => Verdict::Complete,
            (_, true) => Verdict::Tolerated,
            (_, false) => Verdict::Incomplete { missing: left, missing_max },
        };
        prop_assert_eq!(report.verdict, expected);
        let strict = Report::new(&directory, asked, Completeness::Strict);
        prop_assert_eq!(strict.verdict.is_satisfied(), missing.is_empty());
        let best = Report::new(&directory, asked, Completeness::BestEffort);
        prop_assert!(best.verdict.is_satisfied());
    }
}

fn at(slot: i64) -> Time {
    MINUTES.start_of(slot)
}

/// Bug 1 of the model: a request with only a start or only an end fetched nothing.
#[test]
fn bug_1_half_open_requests_mean_slots() {
    let mut plain = Plain::default();
    plain.head.listed(at(100));
    let directory = plain.directory();
    let now = at(500).after(Duration::from_secs(1));
    let select = |request: Request| request.select(&directory, now);
    assert_eq!(select(Request::since(at(300), None)), Ok(Selection::Slots(Slots::new(300, 500))));
    assert_eq!(select(Request::until(at(300), None)), Ok(Selection::Slots(Slots::new(100, 300))));
    // Rows are counted, and nothing is known: the nearest slots are asked for first.
    assert_eq!(select(Request::since(at(300), Some(10))), Ok(Selection::Ask(Slots::new(300, 310))));
    assert_eq!(select(Request::until(at(300), Some(10))), Ok(Selection::Ask(Slots::new(290, 300))));
    let unknown = Plain::default().directory();
    assert_eq!(
        Request::until(at(300), None).select(&unknown, now),
        Err(RequestError::ListingUnknown)
    );
}

/// Bug 2 of the model: a request for the newest rows never looked into the database.
#[test]
fn bug_2_the_newest_are_found_where_they_are_known() {
    let mut plain = Plain::default();
    plain.slots.extend((0..1_000).map(|slot| (slot, (State::Fetched, slot % 4 == 0))));
    let directory = plain.directory();
    let now = at(1_000);
    let newest = Request::last(10).select(&directory, now);
    assert_eq!(newest, Ok(Selection::Slots(Slots::new(960, 1_000))));
    let filled = Request::last(10).with_fill(Fill::PreviousClose(Volume::Zero));
    assert_eq!(filled.select(&directory, now), Ok(Selection::Slots(Slots::new(990, 1_000))));
    // Ten more than there are: what lies before is asked for, and nothing else.
    assert_eq!(Request::last(260).select(&directory, now), Ok(Selection::Ask(Slots::new(-10, 0))));
}

#[test]
fn what_is_not_over_is_not_meant_and_too_much_is_refused() {
    let directory = Plain::default().directory();
    let now = at(100).after(Duration::from_secs(30));
    let range = Request::range(at(90), at(200));
    assert_eq!(range.select(&directory, now), Ok(Selection::Slots(Slots::new(90, 100))));
    let long = Request::range(Time::MIN, now).select(&directory, now);
    assert!(matches!(long, Err(RequestError::TooLong { slots_max: 10_000_000, .. })));
    let endless = Request::last(u64::MAX).with_fill(Fill::Null).select(&directory, now);
    assert!(matches!(endless, Err(RequestError::TooLong { .. })), "{endless:?}");
    let none = Request::last(0).select(&directory, now);
    assert_eq!(none, Ok(Selection::Slots(Slots::new(100, 100))));
}
