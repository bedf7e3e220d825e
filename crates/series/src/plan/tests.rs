//! Plans beside a plain look at every slot.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::chunk::Chunk;
use crate::row::Candle;
use crate::time::{Alignment, Grid, Timeframe};
use crate::view::tests::{Plain, plain, span};

const MINUTES: Grid = Grid::new(Timeframe::Minute1, Alignment::UTC);

fn is_due(plain: &Plain, slot: i64, now: Time) -> bool {
    plain.state(slot).is_none_or(|state| state.is_due(now))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn pages_are_those_with_something_missing(
        plain in plain(),
        asked in span(),
        other in span(),
        size in 1u32..700,
        closed_end in -1_500i64..2_500,
        hour in -1i64..5,
    ) {
        let directory = plain.directory();
        let paging = Paging::new(size);
        let now = Time::from_unix_ms(hour * 3_600_000);
        let traded = plain.head.traded(MINUTES);
        let plan = super::plan(&directory, asked, paging, closed_end, now);
        let askable = |slot: &i64| traded.contains(*slot) && *slot < closed_end;
        let missing: Vec<i64> = asked.iter()
            .filter(|slot| askable(slot) && is_due(&plain, *slot, now)).collect();
        let pages: BTreeSet<i64> = missing.iter().map(|slot| paging.index_of(*slot)).collect();
        let planned: Vec<i64> = plan.pages.iter().map(|page| page.index).collect();
        prop_assert_eq!(&planned, &pages.into_iter().collect::<Vec<_>>());
        for page in &plan.pages {
            let whole = paging.slots_of(page.index);
            let due: Vec<i64> =
                whole.iter().filter(|slot| askable(slot) && is_due(&plain, *slot, now)).collect();
            prop_assert_eq!(page.slots, Slots::new(due[0], due[due.len() - 1] + 1));
            prop_assert!(page.slots.len() <= u64::from(size));
        }
        // Who asks for something else asks for the same of the pages that both need.
        let others = super::plan(&directory, other, paging, closed_end, now);
        for page in &others.pages {
            let same = plan.pages.iter().find(|own| own.index == page.index);
            prop_assert!(same.is_none_or(|own| own == page));
        }
        let retry_at = asked.iter().filter(askable).filter_map(|slot| match plain.state(slot) {
            Some(State::Failed { retry_at, .. }) if retry_at > now => Some(retry_at),
            _ => None,
        }).min();
        prop_assert_eq!(plan.retry_at, retry_at);
        let around = paging.around(asked);
        prop_assert!(around.covers(asked) && around.len() < asked.len() + 2 * u64::from(size) + 1);
    }
}

/// Bugs 7 and 9 of the model: more than a page was asked for in one call, and many gaps in many.
#[test]
fn bugs_7_and_9_long_spans_are_paged_and_gaps_of_a_page_are_one_call() {
    let empty = Plain::default().directory();
    let long = super::plan(&empty, Slots::new(500, 3_500), Paging::new(1_000), 3_200, Time::EPOCH);
    let pages: Vec<(i64, Slots)> = long.pages.iter().map(|page| (page.index, page.slots)).collect();
    assert_eq!(
        pages,
        [
            (0, Slots::new(0, 1_000)),
            (1, Slots::new(1_000, 2_000)),
            (2, Slots::new(2_000, 3_000)),
            (3, Slots::new(3_000, 3_200)),
        ]
    );
    // As in the recorded data: 62 gaps in 500 slots.
    let mut gappy = Plain::default();
    gappy
        .slots
        .extend((0..500).filter(|slot| slot % 8 != 3).map(|slot| (slot, (State::Fetched, true))));
    let plan =
        super::plan(&gappy.directory(), Slots::new(0, 500), Paging::new(1_000), 500, Time::EPOCH);
    assert_eq!(plan.pages, [Page { index: 0, slots: Slots::new(3, 500) }]);
}

#[test]
fn what_lies_before_the_listing_is_not_asked_for() {
    let mut plain = Plain::default();
    plain.head.listed(MINUTES.start_of(1_500));
    plain.head.ended(MINUTES.start_of(1_700));
    let plan = super::plan(
        &plain.directory(),
        Slots::new(-5_000, 50_000),
        Paging::new(1_000),
        60_000,
        Time::EPOCH,
    );
    assert_eq!(plan.pages, [Page { index: 1, slots: Slots::new(1_500, 1_701) }]);
    assert!(Chunk::<Candle>::indices_of(Paging::new(1_000).around(Slots::new(7, 7))).is_empty());
}
