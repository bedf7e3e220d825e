//! Which pages a venue is to be asked for: pure, so that all who ask for a slot ask for one page.

#[cfg(test)]
mod tests;

use crate::coverage::State;
use crate::row::Row;
use crate::time::{Slots, Time};
use crate::view::Directory;

/// How a venue cuts its history into pages.
///
/// Page `n` has the slots from `n * slots` on, whoever asks for whichever part of it, so that
/// requests at the same time meet in one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Paging {
    slots: u32,
}

/// A page that is to be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Page {
    /// Which page of the series: by it calls for the same page meet.
    pub index: i64,
    /// What of it is to be asked for, in one call: from its first to its last slot that is missing.
    pub slots: Slots,
}

/// What is to be done before slots are known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// The calls, in the order of their slots.
    pub pages: Vec<Page>,
    /// Until when a venue that failed is left alone, the earliest of the slots that are missing
    /// for that reason.
    pub retry_at: Option<Time>,
}

impl Paging {
    /// Pages of so many slots: the most rows that the venue answers at once. One at least.
    pub const fn new(slots: u32) -> Self {
        Self { slots: if slots == 0 { 1 } else { slots } }
    }

    /// Slots of a page.
    pub const fn slots(self) -> u32 {
        self.slots
    }

    /// The page that a slot is in.
    pub const fn index_of(self, slot: i64) -> i64 {
        slot.div_euclid(self.slots as i64)
    }

    /// The slots of a page.
    pub const fn slots_of(self, index: i64) -> Slots {
        let start = index.saturating_mul(self.slots as i64);
        Slots::new(start, start.saturating_add(self.slots as i64))
    }

    /// Whole pages around `slots`: what has to be looked up in the tiers above the venue before
    /// [`plan`], so that no page is asked for twice for parts that are known.
    pub const fn around(self, slots: Slots) -> Slots {
        if slots.is_empty() {
            return slots;
        }
        let start = self.slots_of(self.index_of(slots.start)).start;
        Slots::new(start, self.slots_of(self.index_of(slots.end - 1)).end)
    }
}

/// The pages by which `slots` become known, of those that are over (`closed_end`) and in which the
/// symbol may have been traded: one call a page, however many gaps it has, and none for a page in
/// which nothing of `slots` is missing.
///
/// What is asked for of a page depends on what is known of it and not on `slots`, so that two who
/// ask for different parts of it ask for the same.
pub fn plan<R: Row>(
    directory: &Directory<R>,
    slots: Slots,
    paging: Paging,
    closed_end: i64,
    now: Time,
) -> Plan {
    let traded = directory.head().traded(directory.grid());
    let bounds = traded.intersection(Slots::new(i64::MIN, closed_end));
    let mut plan = Plan::default();
    let slots = slots.intersection(bounds);
    let known = directory.coverage(slots);
    for (_, state) in known.iter() {
        if let State::Failed { retry_at, .. } = state
            && !state.is_due(now)
        {
            plan.retry_at = Some(plan.retry_at.map_or(retry_at, |known| known.min(retry_at)));
        }
    }
    for missing in known.missing(slots, now) {
        let pages =
            Slots::new(paging.index_of(missing.start), paging.index_of(missing.end - 1) + 1);
        for index in pages {
            if plan.pages.last().is_some_and(|last| last.index == index) {
                continue;
            }
            let whole = paging.slots_of(index).intersection(bounds);
            let missing = directory.coverage(whole).missing(whole, now);
            let asked = missing.iter().fold(Slots::default(), |hull, span| hull.hull(*span));
            plan.pages.push(Page { index, slots: asked });
        }
    }
    plan
}
