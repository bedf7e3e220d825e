//! The head of a series: what is known of it as a whole, apart from its chunks.

mod record;

use crate::coverage::{Coverage, State};
use crate::time::{Grid, Slots, Time};

/// What is known of a series as a whole: when it was listed, when it ended, and long spans without
/// rows, for which no chunk has to be kept.
///
/// A chunk's own record says more than the head: where both speak of a slot, the chunk is believed.
///
/// ```
/// use cache_series::coverage::State;
/// use cache_series::head::Head;
/// use cache_series::time::{Alignment, Grid, Slots, Time, Timeframe};
///
/// let days = Grid::new(Timeframe::Day1, Alignment::UTC);
/// let mut head = Head::new();
/// head.listed("2017-08-17T04:00:00Z".parse()?);
/// let known = head.coverage(days, days.slots_in(Time::EPOCH, "2017-08-19T00:00:00Z".parse()?));
/// assert_eq!(known.at(0), Some(State::BeforeListing));
/// assert_eq!(Head::decode(&head.encode())?, head);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Head {
    listing: Option<Time>,
    last: Option<Time>,
    spans: Coverage,
}

impl Head {
    /// Nothing is known.
    pub fn new() -> Self {
        Self::default()
    }

    /// When the symbol was first traded.
    pub fn listing(&self) -> Option<Time> {
        self.listing
    }

    /// When the symbol was last traded, of one that is no longer.
    pub fn last(&self) -> Option<Time> {
        self.last
    }

    /// Long spans of which more is known.
    pub fn spans(&self) -> &Coverage {
        &self.spans
    }

    /// The symbol was traded at `time`, and as far as is known not before. An earlier time that was
    /// said before is kept.
    pub fn listed(&mut self, time: Time) {
        self.listing = Some(self.listing.map_or(time, |known| known.min(time)));
    }

    /// The symbol was traded at `time` and is not any more. A later time that was said before is
    /// kept.
    pub fn ended(&mut self, time: Time) {
        self.last = Some(self.last.map_or(time, |known| known.max(time)));
    }

    /// The symbol is traded again.
    pub fn resumed(&mut self) {
        self.last = None;
    }

    /// Says what a long span is; only states without rows are kept here.
    pub fn mark(&mut self, slots: Slots, state: State) {
        if !state.has_rows() {
            self.spans.mark(slots, state);
        }
    }

    /// Of these slots something else is known now, by chunks.
    pub fn forget(&mut self, slots: Slots) {
        self.spans.forget(slots);
    }

    /// The slots in which the symbol may have been traded: from its listing to its end.
    pub fn traded(&self, grid: Grid) -> Slots {
        let start = self.listing.map_or(i64::MIN, |listing| grid.slot_at(listing));
        let end = self.last.map_or(i64::MAX, |last| grid.slot_at(last).saturating_add(1));
        Slots::new(start, end)
    }

    /// What the head knows of `slots`.
    pub fn coverage(&self, grid: Grid, slots: Slots) -> Coverage {
        let traded = self.traded(grid);
        let mut coverage = self.spans.part(slots);
        coverage.mark(Slots::new(slots.start, slots.end.min(traded.start)), State::BeforeListing);
        coverage.mark(Slots::new(slots.start.max(traded.end), slots.end), State::AfterLast);
        coverage
    }

    /// The span that holds a slot, with its state, where the head knows of one.
    pub fn span_at(&self, grid: Grid, slot: i64) -> Option<(Slots, State)> {
        let traded = self.traded(grid);
        if slot < traded.start {
            return Some((Slots::new(i64::MIN, traded.start), State::BeforeListing));
        }
        if slot >= traded.end {
            return Some((Slots::new(traded.end, i64::MAX), State::AfterLast));
        }
        let (span, state) = self.spans.span_at(slot)?;
        Some((span.intersection(traded), state))
    }

    /// What two processes came to know: the earlier listing, the later end, of each span the state
    /// that tells more. Minds no order.
    pub fn merge(&mut self, other: &Self) {
        if let Some(listing) = other.listing {
            self.listed(listing);
        }
        if let Some(last) = other.last {
            self.ended(last);
        }
        self.spans.merge(&other.spans);
    }
}
