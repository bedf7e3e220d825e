use std::ops::ControlFlow;

use crate::coverage::Kind;
use crate::row::Row;
use crate::time::{Slots, Time};
use crate::view::Directory;

/// Slots of which the same is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Span {
    /// The slots.
    pub slots: Slots,
    /// When the first begins.
    pub from: Time,
    /// When the last ends.
    pub to: Time,
    /// What is known of them.
    pub kind: Kind,
}

/// Slots without a row in which there might be one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Gap {
    /// The slots.
    pub slots: Slots,
    /// When the first begins.
    pub from: Time,
    /// When the last ends.
    pub to: Time,
    /// Why: nothing is known of them, the venue failed, or nothing was traded.
    pub kind: Kind,
}

/// All of `slots`, cut by what is known of them: slots with a row apart from those without.
pub(super) fn spans<R: Row>(directory: &Directory<R>, slots: Slots) -> Vec<Span> {
    let grid = directory.grid();
    let mut spans: Vec<Span> = Vec::new();
    let mut push = |slots: Slots, kind: Kind| {
        if slots.is_empty() {
            return;
        }
        let (from, to) = (grid.start_of(slots.start), grid.start_of(slots.end));
        match spans.last_mut() {
            Some(last) if last.kind == kind => (last.slots.end, last.to) = (slots.end, to),
            _ => spans.push(Span { slots, from, to, kind }),
        }
    };
    directory.walk(slots, |span, state| {
        let Some(state) = state else {
            push(span, Kind::Unknown);
            return ControlFlow::<()>::Continue(());
        };
        let mut next = span.start;
        let (first, end) = (directory.rows_before(span.start), directory.rows_before(span.end));
        for slot in (first..end).filter_map(|row| directory.slot_of(row)) {
            push(Slots::new(next, slot), state.kind(false));
            push(Slots::one(slot), state.kind(true));
            next = slot + 1;
        }
        push(Slots::new(next, span.end), state.kind(false));
        ControlFlow::Continue(())
    });
    spans
}

pub(super) fn gaps<R: Row>(directory: &Directory<R>, slots: Slots) -> Vec<Gap> {
    let spans = spans(directory, slots).into_iter();
    let is_gap = |kind: Kind| matches!(kind, Kind::Unknown | Kind::Failed | Kind::Empty);
    spans
        .filter(|span| is_gap(span.kind))
        .map(|Span { slots, from, to, kind }| Gap { slots, from, to, kind })
        .collect()
}
