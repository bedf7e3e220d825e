use std::collections::BTreeMap;
use std::fmt;

use super::State;
use crate::time::{Slots, Time};

/// What is known of which slots: spans with a state each, beside those of which nothing is known.
///
/// Neighbours of one state are one span. Looking a slot up costs O(log n) in the number of spans;
/// marking a span besides in proportion to the spans that it replaces.
///
/// ```
/// use cache_series::coverage::{Coverage, State};
/// use cache_series::time::{Slots, Time};
///
/// let mut coverage = Coverage::new();
/// coverage.mark(Slots::new(0, 100), State::Fetched);
/// coverage.mark(Slots::new(40, 60), State::Closed);
/// assert_eq!(coverage.at(50), Some(State::Closed));
/// let missing = coverage.missing(Slots::new(90, 120), Time::EPOCH);
/// assert_eq!(missing, [Slots::new(100, 120)]);
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Coverage {
    /// Start of a span, with its end and state. Disjoint; none empty; equal neighbours do not touch.
    spans: BTreeMap<i64, (i64, State)>,
}

impl Coverage {
    /// Nothing is known.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many spans there are.
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    /// Whether nothing is known.
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// The span that holds a slot, with its state.
    pub fn span_at(&self, slot: i64) -> Option<(Slots, State)> {
        let (start, (end, state)) = self.spans.range(..=slot).next_back()?;
        (slot < *end).then_some((Slots::new(*start, *end), *state))
    }

    /// The state of a slot.
    pub fn at(&self, slot: i64) -> Option<State> {
        self.span_at(slot).map(|(_, state)| state)
    }

    /// All spans in order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (Slots, State)> + '_ {
        self.spans.iter().map(|(start, (end, state))| (Slots::new(*start, *end), *state))
    }

    /// From the first to the last slot of which something is known.
    pub fn hull(&self) -> Slots {
        match (self.spans.first_key_value(), self.spans.last_key_value()) {
            (Some((start, _)), Some((_, (end, _)))) => Slots::new(*start, *end),
            _ => Slots::default(),
        }
    }

    /// The spans within `slots`, cut to it, without the gaps between them.
    pub fn known_in(&self, slots: Slots) -> impl DoubleEndedIterator<Item = (Slots, State)> + '_ {
        // The span that reaches in from before it begins earlier than the others.
        let first = self.span_at(slots.start).map_or(slots.start, |(span, _)| span.start);
        let range = if slots.is_empty() { first..first } else { first..slots.end };
        self.spans.range(range).map(move |(start, (end, state))| {
            (Slots::new(*start, *end).intersection(slots), *state)
        })
    }

    /// All of `slots`, cut into spans of one state or none, in order.
    pub fn spans_in(&self, slots: Slots) -> Vec<(Slots, Option<State>)> {
        let mut spans = Vec::new();
        let mut next = slots.start;
        for (span, state) in self.known_in(slots) {
            if next < span.start {
                spans.push((Slots::new(next, span.start), None));
            }
            spans.push((span, Some(state)));
            next = span.end;
        }
        if next < slots.end {
            spans.push((Slots::new(next, slots.end), None));
        }
        spans
    }

    /// Says that `slots` have a state, whatever was said before.
    pub fn mark(&mut self, slots: Slots, state: State) {
        if slots.is_empty() {
            return;
        }
        let mut span = self.cut(slots);
        let before = self.spans.range(..span.start).next_back();
        if let Some((start, _)) = before.filter(|(_, known)| **known == (span.start, state)) {
            span.start = *start;
        }
        if let Some((end, _)) = self.spans.get(&span.end).copied().filter(|known| known.1 == state)
        {
            self.spans.remove(&span.end);
            span.end = end;
        }
        self.spans.insert(span.start, (span.end, state));
    }

    /// Says that of `slots` nothing is known.
    pub fn forget(&mut self, slots: Slots) {
        if !slots.is_empty() {
            self.cut(slots);
        }
    }

    /// Takes `slots` out; what reaches over its edges keeps what lies outside.
    fn cut(&mut self, slots: Slots) -> Slots {
        for edge in [slots.start, slots.end] {
            if let Some((span, state)) = self.span_at(edge).filter(|(span, _)| span.start < edge) {
                self.spans.insert(span.start, (edge, state));
                self.spans.insert(edge, (span.end, state));
            }
        }
        while let Some((start, _)) = self.spans.range(slots.start..slots.end).next() {
            let start = *start;
            self.spans.remove(&start);
        }
        slots
    }

    /// Takes in what another knows: of each slot the state that tells more stays
    /// ([`State::merge`]). Costs in proportion to the other's spans, and to those that they meet.
    pub fn merge(&mut self, other: &Self) {
        for (slots, state) in other.iter() {
            self.mark_if_more(slots, state);
        }
    }

    /// Says that `slots` have a state, but where what is known tells more.
    pub fn mark_if_more(&mut self, slots: Slots, state: State) {
        for (span, known) in self.spans_in(slots) {
            let merged = known.map_or(state, |known| known.merge(state));
            if known != Some(merged) {
                self.mark(span, merged);
            }
        }
    }

    /// Forgets all that the other knows anything of.
    pub fn subtract(&mut self, other: &Self) {
        for (slots, _) in other.iter() {
            self.forget(slots);
        }
    }

    /// The part of it within `slots`.
    pub fn part(&self, slots: Slots) -> Self {
        let spans = self.known_in(slots).map(|(span, state)| (span.start, (span.end, state)));
        Self { spans: spans.collect() }
    }

    /// The spans of `slots` that the venue is to be asked for at `now`: nothing is known, or what
    /// is known is due to be checked. Neighbours are joined.
    pub fn missing(&self, slots: Slots, now: Time) -> Vec<Slots> {
        self.select(slots, |state| state.is_none_or(|state| state.is_due(now)))
    }

    /// The spans of `slots` whose states pass, with neighbours joined.
    pub fn select(&self, slots: Slots, passes: impl Fn(Option<State>) -> bool) -> Vec<Slots> {
        let mut selected: Vec<Slots> = Vec::new();
        for (span, state) in self.spans_in(slots) {
            if !passes(state) {
                continue;
            }
            match selected.last_mut() {
                Some(before) if before.end == span.start => before.end = span.end,
                _ => selected.push(span),
            }
        }
        selected
    }
}

impl fmt::Debug for Coverage {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_map().entries(self.iter()).finish()
    }
}

impl FromIterator<(Slots, State)> for Coverage {
    fn from_iter<I: IntoIterator<Item = (Slots, State)>>(spans: I) -> Self {
        let mut coverage = Self::new();
        spans.into_iter().for_each(|(slots, state)| coverage.mark(slots, state));
        coverage
    }
}
