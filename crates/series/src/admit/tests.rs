//! What answers prove, and replays of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::plan::{Paging, plan};
use crate::row::Candle;
use crate::session::SessionCalendar;
use crate::time::{Alignment, Timeframe};
use crate::view::Directory;

const MINUTES: Grid = Grid::new(Timeframe::Minute1, Alignment::UTC);
/// Long after all slots that the tests speak of.
const LATER: Time = Time::from_unix_ms(1_000_000_000);

fn row(slot: i64) -> (Time, Candle) {
    (MINUTES.start_of(slot), Candle::flat(slot as f64, 1.0))
}

fn answer(slots: impl IntoIterator<Item = i64>, reach: Reach) -> Answer<Candle> {
    Answer { rows: slots.into_iter().map(row).collect(), reach }
}

fn admitted(asked: Slots, answer: Answer<Candle>, now: Time) -> Admitted<Candle> {
    admit(MINUTES, asked, answer, Rules::DEFAULT, now)
}

fn applied(admitted: &Admitted<Candle>) -> Chunk<Candle> {
    admitted.apply(&Chunk::empty(0))
}

/// Bug 5 of the model: the candle that was still growing was stored as if it were whole.
#[test]
fn bug_5_what_is_not_over_is_not_kept() {
    let asked = Slots::new(0, 10);
    // Slot 7 is growing.
    let now = MINUTES.start_of(7).after(Duration::from_secs(30));
    let answer = answer(0..8, Reach::Whole);
    let admitted = admitted(asked, answer, now);
    assert_eq!(admitted.answered(), Slots::new(0, 7));
    assert_eq!(admitted.open, Some((7, row(7).1)));
    let chunk = applied(&admitted);
    assert_eq!(chunk.slots_with_rows().collect::<Vec<_>>(), (0..7).collect::<Vec<_>>());
    assert_eq!(chunk.state(7), None);
    // That of slot 6 has just closed, and is asked for once more.
    assert!(matches!(chunk.state(6), Some(State::Settling { .. })));
    let due = now.after(Duration::from_secs(61));
    assert_eq!(chunk.coverage().missing(Slots::new(0, 7), due), [Slots::one(6)]);
    assert_eq!(chunk.state(4), Some(State::Fetched));
}

#[test]
fn a_revision_replaces_what_had_just_closed_and_nothing_older() {
    let now = MINUTES.start_of(7).after(Duration::from_secs(10));
    let before = applied(&admitted(Slots::new(0, 7), answer(0..7, Reach::Whole), now));
    let revised = Answer {
        rows: vec![
            (MINUTES.start_of(3), Candle::flat(99.0, 9.0)),
            (MINUTES.start_of(6), Candle::flat(66.0, 6.0)),
        ],
        reach: Reach::Whole,
    };
    let later = now.after(Duration::from_secs(600));
    let after = admitted(Slots::new(6, 7), revised, later).apply(&before);
    assert_eq!(after.get(6), Some(Candle::flat(66.0, 6.0)));
    assert_eq!(after.state(6), Some(State::Fetched));
    assert_eq!(after.get(3), before.get(3), "it was not asked for");
}

#[test]
fn a_check_that_brings_nothing_settles_what_was_there() {
    let now = MINUTES.start_of(7).after(Duration::from_secs(10));
    let before = applied(&admitted(Slots::new(0, 7), answer(0..7, Reach::Whole), now));
    let early = admitted(Slots::new(6, 7), answer([], Reach::Whole), now).apply(&before);
    assert_eq!(early, before, "it was not due");
    let later = now.after(Duration::from_secs(600));
    let after = admitted(Slots::new(6, 7), answer([], Reach::Whole), later).apply(&before);
    assert_eq!((after.get(6), after.state(6)), (before.get(6), Some(State::Fetched)));
}

/// Bug 8 of the model: an answer that says nothing was as good as one that says there is nothing.
#[test]
fn bug_8_a_cut_off_answer_proves_only_what_it_reaches() {
    let asked = Slots::new(0, 100);
    let cut = applied(&admitted(asked, answer(5..20, Reach::UpToLast), LATER));
    let all_known =
        |chunk: &Chunk<Candle>| chunk.coverage().iter().map(|(slots, _)| slots).collect::<Vec<_>>();
    assert_eq!(all_known(&cut), [Slots::new(0, 20)]);
    let newest = applied(&admitted(asked, answer((50..90).rev(), Reach::FromFirst), LATER));
    assert_eq!(all_known(&newest), [Slots::new(50, 90), Slots::new(90, 100)]);
    assert_eq!(newest.len(), 40);
    for reach in [Reach::UpToLast, Reach::FromFirst] {
        let nothing = applied(&admitted(asked, answer([], reach), LATER));
        assert!(nothing.coverage().is_empty());
    }
    let empty = applied(&admitted(asked, answer([], Reach::Whole), LATER));
    assert!(matches!(empty.state(50), Some(State::Empty { checks: 1, check_at: Some(_) })));
}

/// A venue that answers its newest rows alone has nothing to say of what lies before them.
#[test]
fn what_lies_before_a_moment_is_not_spoken_of() {
    let asked = Slots::new(0, 100);
    let since = |slot| Reach::Since(MINUTES.start_of(slot));
    let known = |slots: std::ops::Range<i64>, reach| {
        let admitted = admitted(asked, answer(slots, reach), LATER);
        (admitted.answered(), applied(&admitted))
    };
    // Nothing was traded at first, which is known of what is spoken of.
    let (answered, chunk) = known(70..100, since(60));
    assert_eq!((answered, chunk.len()), (Slots::new(60, 100), 30));
    assert_eq!((chunk.state(59), chunk.state(60)), (None, Some(State::Fetched)));
    let (answered, chunk) = known(0..0, since(60));
    assert_eq!((answered, chunk.state(59)), (Slots::new(60, 100), None));
    assert!(matches!(chunk.state(60), Some(State::Empty { checks: 1, check_at: Some(_) })));
    assert_eq!(known(0..100, since(-5)).0, asked);
    assert!(known(0..0, since(100)).0.is_empty() && known(0..0, since(500)).0.is_empty());
}

/// A venue that lags behind cuts its answer short, and does not say so.
#[test]
fn what_lies_after_the_last_row_is_asked_for_again_however_long_ago_it_is() {
    let asked = Slots::new(0, 100);
    let lagging = applied(&admitted(asked, answer(0..60, Reach::Whole), LATER));
    assert_eq!(lagging.state(59), Some(State::Fetched));
    let later = LATER.after(Duration::from_secs(3_600));
    assert_eq!(lagging.coverage().missing(asked, LATER), []);
    let missing = Slots::new(60, 100);
    assert_eq!(lagging.coverage().missing(asked, later), [missing]);
    let whole = admitted(missing, answer(60..100, Reach::Whole), later).apply(&lagging);
    assert_eq!(whole.len(), 100);
    assert_eq!(whole.coverage().iter().collect::<Vec<_>>(), [(asked, State::Fetched)]);
}

/// Bug 6 of the model: minutes without a trade were asked for again for ever.
#[test]
fn bug_6_gaps_among_rows_are_proven_and_an_empty_answer_is_asked_for_thrice() {
    let asked = Slots::new(0, 100);
    let gappy = applied(&admitted(asked, answer((0..100).step_by(9), Reach::Whole), LATER));
    assert_eq!(gappy.coverage().iter().collect::<Vec<_>>(), [(asked, State::Fetched)]);

    let (mut chunk, mut now, mut calls) = (Chunk::empty(0), LATER, 0);
    for _ in 0..100 {
        now = now.after(Duration::from_secs(86_400));
        if !chunk.coverage().missing(asked, now).is_empty() {
            calls += 1;
            chunk = admitted(asked, answer([], Reach::Whole), now).apply(&chunk);
        }
    }
    assert_eq!(calls, 3);
    // Rows that come after all are taken.
    let late = admitted(asked, answer([50], Reach::Whole), now).apply(&chunk);
    assert!(late.has(50) && late.state(50) == Some(State::Fetched));
}

#[test]
fn rows_that_cannot_be_are_refused_and_asked_for_later() {
    let bad = Candle { high: 0.5, ..Candle::flat(1.0, 1.0) };
    let mut answer = answer([2, 1, 1, 50], Reach::Whole);
    answer.rows.push((MINUTES.start_of(3).after(Duration::from_millis(500)), row(3).1));
    answer.rows.push((MINUTES.start_of(4), bad));
    answer.rows.push((MINUTES.start_of(1), Candle::flat(7.0, 7.0)));
    let admitted = admitted(Slots::new(0, 10), answer, LATER);
    let reasons: Vec<Reason> = admitted.refused.iter().map(|refused| refused.reason).collect();
    let impossible = Reason::Impossible("high and low do not enclose open and close");
    assert_eq!(
        reasons,
        [Reason::Repeated, Reason::NotAsked, Reason::Unaligned, impossible, Reason::Repeated]
    );
    let rows: BTreeMap<i64, f64> = admitted.rows().map(|(slot, row)| (slot, row.close)).collect();
    assert_eq!(rows, BTreeMap::from([(1, 7.0), (2, 2.0)]));
    let chunk = applied(&admitted);
    assert_eq!(chunk.state(3), Some(State::Fetched), "there is no row at its start");
    assert!(matches!(chunk.state(4), Some(State::Failed { attempts: 1, .. })));
    assert!(
        !chunk
            .coverage()
            .missing(Slots::one(4), LATER.after(Duration::from_secs(3_600)))
            .is_empty()
    );
}

/// Its days begin elsewhere than was believed: that says nothing of the slots that were asked for.
#[test]
fn an_answer_of_which_no_row_is_aligned_is_told_apart() {
    let asked = Slots::new(0, 10);
    let beside = |slot: i64| (MINUTES.start_of(slot).after(Duration::from_secs(30)), row(slot).1);
    let is_misaligned = |rows: Vec<(Time, Candle)>, now: Time| {
        admitted(asked, Answer { rows, reach: Reach::Whole }, now).is_misaligned()
    };
    assert!(is_misaligned((0..5).map(beside).collect(), LATER));
    assert!(!is_misaligned(vec![beside(1), row(2)], LATER), "one of them is");
    assert!(!is_misaligned(vec![beside(1), row(50)], LATER), "though it was not asked for");
    assert!(!is_misaligned(vec![beside(1), row(7)], MINUTES.start_of(7)), "though it grows");
    assert!(!is_misaligned(Vec::new(), LATER));
}

/// A venue over a plain map: pages of at most so many rows.
struct Venue {
    rows: BTreeMap<i64, Candle>,
    limit: usize,
    calls: u64,
}

impl Venue {
    fn ask(&mut self, slots: Slots, ascending: bool) -> Answer<Candle> {
        self.calls += 1;
        let within = self.rows.range(slots.start..slots.end);
        let time = |(slot, row): (&i64, &Candle)| (MINUTES.start_of(*slot), *row);
        let rows: Vec<(Time, Candle)> = if ascending {
            within.take(self.limit).map(time).collect()
        } else {
            within.rev().take(self.limit).map(time).collect()
        };
        let reach = match (rows.len() == self.limit, ascending) {
            (false, _) => Reach::Whole,
            (true, true) => Reach::UpToLast,
            (true, false) => Reach::FromFirst,
        };
        Answer { rows, reach }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    /// Pages are asked for until nothing is missing: what is then in memory is what the venue has,
    /// in the fewest calls, and a second time through makes none, empty spans included.
    #[test]
    fn a_history_is_read_once(
        rows in proptest::collection::btree_set(-2_000i64..2_000, 0..900),
        gap in proptest::option::of(-2_000i64..1_000),
        requests in proptest::collection::vec((-2_100i64..2_000, 1i64..1_500), 1..6),
        size in 50u32..700,
        ascending in any::<bool>(),
    ) {
        let rows = rows.into_iter().filter(|slot| gap.is_none_or(|gap| !(gap..gap + 900).contains(slot)));
        let rows = rows.map(|slot| (slot, row(slot).1)).collect();
        let mut venue = Venue { rows, limit: size as usize, calls: 0 };
        let paging = Paging::new(size);
        let mut directory = Arc::new(Directory::new(MINUTES, Arc::new(SessionCalendar::ALWAYS)));
        let mut pages = std::collections::BTreeSet::new();
        for pass in 0..2 {
            for (start, length) in &requests {
                let asked = Slots::new(*start, start + length);
                if pass == 0 {
                    pages.extend(Slots::new(paging.index_of(asked.start), paging.index_of(asked.end - 1) + 1));
                }
                loop {
                    let plan = plan(&directory, asked, paging, 5_000, LATER);
                    let Some(page) = plan.pages.first() else { break };
                    let answer = venue.ask(page.slots, ascending);
                    let admitted = admit(MINUTES, page.slots, answer, Rules::DEFAULT, LATER);
                    let chunks = admitted.chunks().iter().map(|index| {
                        let known = directory.chunk(index).cloned();
                        let known = known.unwrap_or_else(|| Arc::new(Chunk::empty(index)));
                        // As it is stored and read again.
                        let bytes = admitted.apply(&known).encode();
                        Arc::new(Chunk::decode(index, &bytes).unwrap())
                    });
                    directory = Arc::new(directory.with_chunks(chunks));
                }
                let view: Vec<(i64, Candle)> = directory.view(asked).iter().collect();
                let expected: Vec<(i64, Candle)> =
                    venue.rows.range(asked.start..asked.end).map(|(slot, row)| (*slot, *row)).collect();
                prop_assert_eq!(view, expected);
            }
            // A page that is full takes one call more at most where its limit cut nothing off.
            prop_assert!(venue.calls <= pages.len() as u64 * 2);
            let short = pages.iter().filter(|page| {
                let slots = paging.slots_of(**page);
                venue.rows.range(slots.start..slots.end).count() < size as usize
            });
            if short.count() == pages.len() {
                prop_assert_eq!(venue.calls, pages.len() as u64);
            }
        }
    }

    /// Two processes that fill one chunk, each from what it read before the other wrote: whoever
    /// comes second does the same again with what is there then, and nothing is lost.
    #[test]
    fn two_that_fill_one_chunk_come_to_the_same(
        one in proptest::collection::btree_set(0i64..500, 0..80),
        other in proptest::collection::btree_set(500i64..1_000, 0..80),
    ) {
        let near = admitted(Slots::new(0, 500), answer(one.iter().copied(), Reach::Whole), LATER);
        let far = admitted(Slots::new(500, 1_000), answer(other.iter().copied(), Reach::Whole), LATER);
        let empty = Chunk::empty(0);
        let chunk = far.apply(&near.apply(&empty));
        prop_assert!(chunk == near.apply(&far.apply(&empty)));
        prop_assert!(chunk == near.apply(&empty).merge(&far.apply(&empty)));
        prop_assert_eq!(chunk.len(), one.len() + other.len());
        // The same answer once more, as after a retry whose first write was not heard of.
        if !one.is_empty() && !other.is_empty() {
            prop_assert!(far.apply(&chunk) == chunk);
        }
    }
}
