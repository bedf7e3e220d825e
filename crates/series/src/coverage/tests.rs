//! The map of spans beside a plain map of slots.

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::time::{Slots, Time};

const WORLD: Slots = Slots::new(-40, 40);

type Plain = BTreeMap<i64, State>;

pub(crate) fn state() -> impl Strategy<Value = State> {
    let time = (0i64..4).prop_map(|hours| Time::from_unix_ms(hours * 3_600_000));
    prop_oneof![
        3 => Just(State::Fetched),
        1 => time.clone().prop_map(|check_at| State::Settling { check_at }),
        1 => (1u8..4, proptest::option::of(time.clone()))
            .prop_map(|(checks, check_at)| State::Empty { checks, check_at }),
        1 => (1u8..4, time).prop_map(|(attempts, retry_at)| State::Failed { attempts, retry_at }),
        1 => Just(State::BeforeListing),
        1 => Just(State::AfterLast),
        1 => Just(State::Closed),
    ]
}

fn slots() -> impl Strategy<Value = Slots> {
    (WORLD.start..WORLD.end, 0i64..30)
        .prop_map(|(start, length)| Slots::new(start, (start + length).min(WORLD.end)))
}

#[derive(Clone, Debug)]
enum Step {
    Mark(Slots, State),
    MarkIfMore(Slots, State),
    Forget(Slots),
    Empty(Slots, i64),
    Fail(Slots, i64),
    Subtract(Slots, Slots),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (slots(), state()).prop_map(|(slots, state)| Step::Mark(slots, state)),
        2 => (slots(), state()).prop_map(|(slots, state)| Step::MarkIfMore(slots, state)),
        1 => slots().prop_map(Step::Forget),
        1 => (slots(), 0i64..5).prop_map(|(slots, hour)| Step::Empty(slots, hour)),
        1 => (slots(), 0i64..5).prop_map(|(slots, hour)| Step::Fail(slots, hour)),
        1 => (slots(), slots()).prop_map(|(one, other)| Step::Subtract(one, other)),
    ]
}

fn at(hour: i64) -> Time {
    Time::EPOCH.after(Duration::from_secs(3_600 * hour as u64))
}

fn apply(coverage: &mut Coverage, plain: &mut Plain, step: &Step) {
    let (empty, failed) = (Backoff::EMPTY, Backoff::FAILED);
    match step {
        Step::Mark(slots, state) => {
            coverage.mark(*slots, *state);
            plain.extend(slots.iter().map(|slot| (slot, *state)));
        }
        Step::MarkIfMore(slots, state) => {
            coverage.mark_if_more(*slots, *state);
            for slot in slots.iter() {
                let merged = plain.get(&slot).map_or(*state, |known| known.merge(*state));
                plain.insert(slot, merged);
            }
        }
        Step::Forget(slots) => {
            coverage.forget(*slots);
            plain.retain(|slot, _| !slots.contains(*slot));
        }
        Step::Empty(slots, hour) => {
            coverage.mark_empty(*slots, at(*hour), &empty);
            for slot in slots.iter() {
                let before = plain.get(&slot).copied();
                let keeps = before.is_some_and(|state| {
                    matches!(
                        state,
                        State::Fetched | State::BeforeListing | State::AfterLast | State::Closed
                    )
                });
                if !keeps {
                    plain.insert(slot, empty.after_empty(before, at(*hour)));
                }
            }
        }
        Step::Fail(slots, hour) => {
            coverage.mark_failed(*slots, at(*hour), &failed, 2);
            for slot in slots.iter() {
                let before = plain.get(&slot).copied();
                plain.insert(slot, failed.after_failure(before, at(*hour), 2));
            }
        }
        Step::Subtract(one, other) => {
            let taken = [(*one, State::Fetched), (*other, State::Closed)].into_iter().collect();
            coverage.subtract(&taken);
            plain.retain(|slot, _| !one.contains(*slot) && !other.contains(*slot));
        }
    }
}

fn plain_of(coverage: &Coverage) -> Plain {
    coverage.iter().flat_map(|(slots, state)| slots.iter().map(move |slot| (slot, state))).collect()
}

/// Disjoint, in order, none empty, and equal neighbours joined.
fn is_tidy(coverage: &Coverage) -> bool {
    let spans: Vec<_> = coverage.iter().collect();
    spans.iter().all(|(slots, _)| !slots.is_empty())
        && spans.windows(2).all(|pair| {
            let ((one, state), (other, next)) = (pair[0], pair[1]);
            one.end < other.start || (one.end == other.start && state != next)
        })
}

proptest! {
    #[test]
    fn it_agrees_with_a_plain_map_of_slots(
        steps in proptest::collection::vec(step(), 1..40),
        asked in slots(),
        hour in 0i64..6,
    ) {
        let (mut coverage, mut plain) = (Coverage::new(), Plain::new());
        for step in &steps {
            apply(&mut coverage, &mut plain, step);
            prop_assert!(is_tidy(&coverage), "{:?}", coverage);
        }
        prop_assert_eq!(plain_of(&coverage), plain.clone());
        for slot in WORLD.iter() {
            prop_assert_eq!(coverage.at(slot), plain.get(&slot).copied());
        }
        let spans = coverage.spans_in(asked);
        let seen: Vec<i64> = spans.iter().flat_map(|(span, _)| span.iter()).collect();
        prop_assert_eq!(seen, asked.iter().collect::<Vec<_>>());
        for (span, state) in spans {
            prop_assert!(span.iter().all(|slot| plain.get(&slot).copied() == state));
        }
        let missing = coverage.missing(asked, at(hour));
        for slot in asked.iter() {
            let due = plain.get(&slot).is_none_or(|state| state.is_due(at(hour)));
            prop_assert_eq!(missing.iter().any(|span| span.contains(slot)), due);
        }
        prop_assert!(missing.windows(2).all(|pair| pair[0].end < pair[1].start));
        let part = coverage.part(asked);
        prop_assert!(is_tidy(&part));
        plain.retain(|slot, _| asked.contains(*slot));
        prop_assert_eq!(plain_of(&part), plain);
    }

    /// Whoever merges what with whom in which order, all come to know the same.
    #[test]
    fn a_merge_minds_no_order(
        parts in proptest::collection::vec(proptest::collection::vec((slots(), state()), 0..6), 3),
    ) {
        let [a, b, c]: [Coverage; 3] =
            [0, 1, 2].map(|index: usize| parts[index].iter().copied().collect());
        let merged = |one: &Coverage, other: &Coverage| {
            let mut merged = one.clone();
            merged.merge(other);
            merged
        };
        prop_assert_eq!(merged(&a, &b), merged(&b, &a));
        prop_assert_eq!(merged(&merged(&a, &b), &c), merged(&a, &merged(&b, &c)));
        prop_assert_eq!(merged(&a, &a), a.clone());
        prop_assert!(is_tidy(&merged(&a, &b)));
    }
}

/// How many steps of a search one lookup takes is the tree's depth; here that it answers right at
/// a million spans, and that a million lookups among them take no longer than a debug build may.
#[test]
fn a_million_spans_are_looked_up() {
    let states = [State::Fetched, State::Closed];
    let coverage: Coverage = (0..1_000_000)
        .map(|span| (Slots::new(span * 3, span * 3 + 2), states[span as usize % 2]))
        .collect();
    assert_eq!(coverage.len(), 1_000_000);
    let mut slot = 1i64;
    for _ in 0..1_000_000 {
        slot = (slot * 48_271) % 2_147_483_647;
        let asked = slot % 3_000_000;
        let expected = (asked % 3 < 2).then(|| states[(asked / 3) as usize % 2]);
        assert_eq!(coverage.at(asked), expected);
    }
    let missing = coverage.missing(Slots::new(2_999_990, 3_000_005), Time::EPOCH);
    assert_eq!(
        missing,
        [2_999_990, 2_999_993, 2_999_996]
            .map(Slots::one)
            .into_iter()
            .chain([Slots::new(2_999_999, 3_000_005)])
            .collect::<Vec<_>>()
    );
}
