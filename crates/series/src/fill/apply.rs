use super::{Fill, FillRow};
use crate::coverage::{Kind, State};
use crate::row::Columns;
use crate::time::Slots;
use crate::view::{Seed, View};

/// Rows and what was put between them.
#[derive(Clone, Debug, PartialEq)]
pub struct Filled {
    /// The slot of each row.
    pub slots: Vec<i64>,
    /// The rows, column by column.
    pub columns: Columns,
    /// Whether a row was made up here.
    pub synthetic: Vec<bool>,
}

impl Filled {
    fn push<R: FillRow>(&mut self, slot: i64, row: &R, synthetic: bool) {
        self.slots.push(slot);
        row.write(&mut self.columns);
        self.synthetic.push(synthetic);
    }

    /// How many rows, the made-up ones among them.
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }
}

/// The rows of a view with its empty slots filled. The row to carry in is looked for before the
/// view's span; nothing after the span is looked at. Nothing is carried, and no line drawn, over
/// slots of which nothing is known.
pub fn fill<R: FillRow>(view: &View<R>, fill: Fill) -> Filled {
    let capacity = usize::try_from(view.len()).unwrap_or_default();
    let columns = Columns::with_capacity(R::SCHEMA, capacity);
    let mut filled = Filled {
        slots: Vec::with_capacity(capacity),
        columns,
        synthetic: Vec::with_capacity(capacity),
    };
    let mut rows = view.iter().peekable();
    let mut before = match (fill, view.directory().seed_before(view.slots().start)) {
        (Fill::PreviousClose(_) | Fill::Linear, Seed::Row(slot, row)) => Some((slot, row)),
        _ => None,
    };
    let spans = view.coverage().spans_in(view.slots());
    let known_up_to = known_up_to(&spans);
    for ((span, state), known_up_to) in spans.into_iter().zip(known_up_to) {
        if !is_known(state) {
            // There might be a row in it.
            before = None;
        }
        let may_fill =
            fill != Fill::None && state.is_some_and(|state| state.kind(false) == Kind::Empty);
        let mut next = span.start;
        while next < span.end {
            let slot = rows.peek().map_or(span.end, |(slot, _)| (*slot).min(span.end));
            let hole = Slots::new(next, slot);
            let waits = rows.peek().is_none() && state.is_some_and(is_unsettled);
            let after = rows.peek().filter(|(slot, _)| *slot < known_up_to);
            if may_fill && !waits {
                for empty in hole {
                    if let Some(row) = make(fill, before.as_ref(), after, empty) {
                        filled.push(empty, &row, true);
                    }
                }
            }
            if slot < span.end
                && let Some((slot, row)) = rows.next()
            {
                filled.push(slot, &row, false);
                before = Some((slot, row));
            }
            next = slot.saturating_add(1);
        }
    }
    filled
}

fn is_known(state: Option<State>) -> bool {
    state.is_some_and(State::is_known)
}

/// Of each span, up to where something is known of every slot from it on.
fn known_up_to(spans: &[(Slots, Option<State>)]) -> Vec<i64> {
    let mut end = i64::MIN;
    let mut ends: Vec<i64> = spans
        .iter()
        .rev()
        .map(|(span, state)| {
            if !is_known(*state) {
                end = i64::MIN;
            } else if end == i64::MIN {
                end = span.end;
            }
            end
        })
        .collect();
    ends.reverse();
    ends
}

/// The venue had nothing so far, and is to be asked again.
fn is_unsettled(state: State) -> bool {
    matches!(state, State::Empty { check_at: Some(_), .. })
}

fn make<R: FillRow>(
    fill: Fill,
    before: Option<&(i64, R)>,
    after: Option<&(i64, R)>,
    slot: i64,
) -> Option<R> {
    match fill {
        Fill::None => None,
        Fill::Null => Some(R::null()),
        Fill::Constant(price) => Some(R::constant(price)),
        Fill::PreviousClose(volume) => before.map(|(_, row)| row.carried(volume)),
        Fill::Linear => {
            let ((start, row), (end, after)) = (before?, after?);
            Some(row.between(after, slot.abs_diff(*start), end.abs_diff(*start)))
        }
    }
}
